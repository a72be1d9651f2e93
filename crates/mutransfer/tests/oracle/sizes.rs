//! Sizes of updates against `-r_l`.

use mutransfer::theory::{Regime, Theory};
use mutransfer::{Family, Optimizer, Role};

use crate::network::{COUNT, PARAMS};
use crate::training::Training;
use crate::{SEEDS, TOLERANCE, Verdict, draws, every, number, rule, slope, slopes, table};

/// `-r_l` of each parameter; at the first step a raw gradient still is that of the readout's init.
fn expected(theory: &Theory) -> [f64; COUNT] {
    let output = theory.exponents.layers.output;
    let init = output.a + output.b;
    let late = match theory.exponents.family {
        Family::RawGradient => init - init.min(output.a * 2 + output.c),
        _ => 0.into(),
    };
    PARAMS.map(|(_, role)| {
        let updates = theory.named_updates().into_iter();
        let r = updates
            .filter(|(own, _)| *own == role)
            .map(|(_, r)| r)
            .next();
        match (role, r) {
            (Role::Output, Some(r)) => -number(r),
            (_, Some(r)) => -number(r + late),
            (_, None) => 0.0,
        }
    })
}

/// Activations of order one at init, which all the theory assumes.
fn starts_stable(theory: &Theory) -> bool {
    let layers = theory.exponents.layers;
    layers.hidden.a + layers.hidden.b >= (1, 2).into()
}

#[test]
fn first_updates_of_every_rule_under_every_optimizer() {
    let draws = draws(SEEDS);
    let mut verdict = Verdict::new(TOLERANCE);
    for (name, optimizer) in every() {
        let Ok(theory) = Theory::of_rule(&rule(name), optimizer) else {
            continue;
        };
        if starts_stable(&theory) {
            let training = Training::new(rule(name), optimizer);
            let found = slopes(&draws, |width, draws| {
                training.train(width, draws, 1).effects
            });
            verdict.compare(&format!("{name} {optimizer}"), found, expected(&theory));
        }
    }
    // All pairs that have a table and are classified.
    verdict.passes(1500);
}

#[test]
fn later_updates_under_mup_stay_as_large() {
    let draws = draws(SEEDS);
    let mut verdict = Verdict::new(TOLERANCE);
    for optimizer in Optimizer::ALL.iter().copied() {
        let training = Training::new(rule("mup"), optimizer);
        let found = slopes(&draws, |width, draws| {
            training.train(width, draws, 3).effects
        });
        verdict.compare(&optimizer.to_string(), found, [0.0; COUNT]);
    }
    verdict.passes(COUNT * Optimizer::ALL.len());
}

/// Biases and gains alone: what they do to the logits is in the verdict of the theory.
#[test]
fn biases_and_gains_move_outputs_as_theory_says() {
    let ntk = "family = 'raw-gradient'\ninput = {}\nhidden = { a = 0.5 }\noutput = { a = 0.5 }";
    let mup = "input = {}\nhidden = { b = 0.5, c = 1 }\noutput = { a = 1 }";
    let cases = [
        (
            table(&format!("{ntk}\nvector = {{ c = -0.5 }}")),
            Optimizer::Sgd,
            Regime::Unstable,
        ),
        (rule("ntk"), Optimizer::Sgd, Regime::Kernel),
        (
            table(&format!("{mup}\nvector = {{ c = 0.5 }}")),
            Optimizer::Adam,
            Regime::Features,
        ),
        (rule("mup-norm"), Optimizer::Adam, Regime::Features),
        (rule("mup"), Optimizer::Adam, Regime::Features),
    ];
    let draws = draws(2 * SEEDS);
    for (rule, optimizer, regime) in cases {
        let theory = Theory::of_rule(&rule, optimizer).unwrap();
        let output = theory.exponents.layers.output;
        let wanted = 1.0 - number(output.a + output.b + theory.vector_update);
        let training = Training::new(rule.clone(), optimizer);
        let sizes = draws.iter().map(|(width, draws)| {
            let trained = training.train(*width, draws, 1);
            (*width, trained.response(draws, Role::Vector))
        });
        let found = slope(&sizes.collect::<Vec<_>>());
        let what = format!(
            "{} {optimizer}: width^{found:.3}, wanted {wanted}",
            rule.name()
        );
        assert!((found - wanted).abs() < TOLERANCE, "{what}");
        assert_eq!(theory.regime, regime, "{what}");
        assert_eq!(theory.is_mup(), rule.name() == "mup", "{what}");
    }
}
