//! Decay per step: what a step with decay takes off the weights beyond one without.

use mutransfer::{Decay, Family, Optimizer, Options, Parametrization};

use crate::network::{COUNT, Draws, PARAMS};
use crate::training::Training;
use crate::{FAITHFUL, SEEDS, TOLERANCE, Verdict, draws, every, rule, slopes, table};

/// Relative to the weights.
fn per_step(training: &Training, width: usize, draws: &Draws) -> [f64; COUNT] {
    let decays = |weight_decay| Training {
        weight_decay,
        ..training.clone()
    };
    let [with, without] = [1e-4, 0.0].map(|decay| decays(decay).train(width, draws, 1));
    let [before, without] = &without.weights;
    std::array::from_fn(|at| {
        let taken = without[at].zip(&with.weights[1][at], |without, with| without - with);
        taken.dot(&before[at]) / before[at].dot(&before[at])
    })
}

/// Two widths tell a decay that is not mixed with the gradient.
fn small() -> Vec<(usize, Draws)> {
    [64, 128]
        .map(|width| (width, Draws::new(width, 0)))
        .to_vec()
}

#[test]
fn decay_beside_the_gradient_is_the_same_at_every_width() {
    let draws = small();
    let mut verdict = Verdict::new(0.01);
    for (name, optimizer) in every() {
        for decay in [Decay::TimesLr, Decay::Independent] {
            let own = rule(name);
            if own.table(optimizer).is_ok() {
                let training = Training {
                    decay,
                    ..Training::new(own, optimizer)
                };
                let found = slopes(&draws, |width, draws| per_step(&training, width, draws));
                verdict.compare(&format!("{name} {optimizer} {decay}"), found, [0.0; COUNT]);
            }
        }
    }
    verdict.passes(3000);
}

/// Where decay in the gradient scales. A normalisation of the entries hides it (MU009), Layca
/// rotates, and SP does as frameworks do.
fn promises(name: &str, optimizer: Optimizer) -> bool {
    match optimizer.family() {
        Family::RawGradient => name != "sp-constant-std",
        Family::Frobenius => {
            let scales = !matches!(optimizer, Optimizer::Adafactor | Optimizer::Layca);
            scales && FAITHFUL.contains(&name)
        }
        Family::Entrywise | Family::Spectral => false,
    }
}

#[test]
fn decay_in_the_gradient_is_the_same_at_every_width_where_it_can_be() {
    let draws = draws(SEEDS);
    let mut verdict = Verdict::new(TOLERANCE);
    for (name, optimizer) in every().filter(|(name, optimizer)| promises(name, *optimizer)) {
        if rule(name).table(optimizer).is_ok() {
            let training = Training {
                decay: Decay::L2,
                ..Training::new(rule(name), optimizer)
            };
            let found = slopes(&draws, |width, draws| per_step(&training, width, draws));
            verdict.compare(&format!("{name} {optimizer}"), found, [0.0; COUNT]);
        }
    }
    verdict.passes(250);
}

/// 2512.05620: 1/width on hidden matrices, for every optimizer.
#[test]
fn independent_inverse_width_is_that_for_every_optimizer() {
    let draws = small();
    let options = Options::from_pairs([("hidden-decay", "independent-inverse-width")]).unwrap();
    let wanted = PARAMS.map(|(name, _)| if name == "hidden.weight" { -1.0 } else { 0.0 });
    let mut verdict = Verdict::new(0.02);
    for optimizer in Optimizer::ALL.iter().copied() {
        let training = Training {
            decay: Decay::Independent,
            ..Training::new(rule("mup").with_options(options), optimizer)
        };
        let found = slopes(&draws, |width, draws| per_step(&training, width, draws));
        verdict.compare(&optimizer.to_string(), found, wanted);
    }
    verdict.passes(COUNT * Optimizer::ALL.len());
}

/// What LAMB and LARS got from the rule of the other families, 1/C: the measure sees it.
#[test]
fn decay_over_the_learning_rate_alone_is_seen_to_be_wrong() {
    let mup = |decays: [&str; 3]| -> Parametrization {
        let [input, hidden, output] = decays;
        table(&format!(
            "input = {{ weight_decay = '{input}' }}\n\
             hidden = {{ b = 0.5, lr = 'm_in^-1/2', weight_decay = '{hidden}' }}\n\
             output = {{ a = 1, weight_decay = '{output}' }}"
        ))
    };
    let draws = draws(SEEDS);
    let old = mup(["1", "m_in^1/2", "1"]);
    for (optimizer, wanted) in [
        (Optimizer::Lamb, [0.0, -0.5, 0.0]),
        (Optimizer::Lars, [1.0, 0.5, 1.0]),
    ] {
        let training = Training::new(old.clone(), optimizer);
        let found = slopes(&draws, |width, draws| per_step(&training, width, draws));
        for (at, wanted) in [0, 3, 5].into_iter().zip(wanted) {
            let what = format!("{optimizer} {}: {:.3}", PARAMS[at].0, found[at]);
            assert!((found[at] - wanted).abs() < TOLERANCE, "{what}");
        }
    }
}
