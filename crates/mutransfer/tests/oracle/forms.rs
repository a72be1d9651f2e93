//! Forms of a rule, and rules that are one: the same training, step by step.

use mutransfer::{Decay, Form, Optimizer, Parametrization};

use crate::network::{COUNT, Draws};
use crate::training::Training;
use crate::{FAITHFUL, rule};

/// No power of two over the base, so that nothing is exact by chance.
const WIDTH: usize = 96;
const STEPS: usize = 4;

/// Everything the network computes on its way, with an epsilon and a decay that matter.
fn outputs(rule: Parametrization, optimizer: Optimizer, decay: Decay, draws: &Draws) -> Vec<f64> {
    let training = Training {
        decay,
        learning_rate: 0.02,
        weight_decay: 0.02,
        eps: [1e-3; COUNT],
        rho: [1e3; COUNT],
        ..Training::new(rule, optimizer)
    };
    training.train(WIDTH, draws, STEPS + 1).outputs
}

/// Farthest apart, over the change that the training makes.
fn apart(left: &[f64], right: &[f64]) -> f64 {
    let largest = |pairs: &mut dyn Iterator<Item = (&f64, &f64)>| {
        pairs
            .map(|(left, right)| (left - right).abs())
            .fold(0.0, f64::max)
    };
    let per_step = left.len() / (STEPS + 1);
    let change = largest(&mut left.iter().zip(&left[left.len() - per_step..]));
    largest(&mut left.iter().zip(right)) / change
}

#[test]
fn every_form_trains_alike() {
    let draws = Draws::new(WIDTH, 0);
    let mut worst = 0.0f64;
    for (optimizer, decay) in every() {
        let run = |rule: Parametrization| outputs(rule, optimizer, decay, &draws);
        let mup = run(rule("mup"));
        for name in FAITHFUL {
            let own = run(rule(name));
            let mut others: Vec<_> = Form::ALL
                .into_iter()
                .map(|form| (form.to_string(), run(rule(name).with_form(form))))
                .collect();
            if matches!(name, "mean-field" | "spectral") {
                others.push(("as mup".to_owned(), mup.clone()));
            }
            for (form, other) in others {
                let apart = apart(&own, &other);
                assert!(apart < 1e-8, "{name} {optimizer} {decay} {form}: {apart:e}");
                worst = worst.max(apart);
            }
        }
    }
    assert!(worst > 0.0, "rounding alone makes a difference");
}

fn every() -> impl Iterator<Item = (Optimizer, Decay)> {
    let optimizers = Optimizer::ALL.iter().copied();
    optimizers.flat_map(|optimizer| Decay::ALL.map(|decay| (optimizer, decay)))
}
