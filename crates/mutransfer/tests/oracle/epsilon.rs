//! Epsilon and Sophia's rho: their share in a step.

use mutransfer::{Family, Optimizer};

use crate::network::{COUNT, Draws, PARAMS};
use crate::training::{BASE, Training};
use crate::{FAITHFUL, SEEDS, TOLERANCE, Verdict, draws, rule, slopes, table};

/// Sizes that the optimizer's epsilon meets at the base width: of a gradient's entries, or of its
/// norm.
fn met(training: &Training) -> [f64; COUNT] {
    let trained = training.train(BASE, &Draws::new(BASE, 0), 1);
    std::array::from_fn(|at| {
        let gradient = &trained.gradients[at];
        let is_norm = match training.optimizer.family_of(PARAMS[at].1) {
            Family::Spectral => true,
            Family::Frobenius => matches!(training.optimizer, Optimizer::Lars | Optimizer::Layca),
            _ => false,
        };
        if is_norm {
            gradient.norm()
        } else {
            gradient.rms()
        }
    })
}

/// How much of a step is another with this epsilon than without.
fn share(training: &Training, eps: [f64; COUNT], width: usize, draws: &Draws) -> [f64; COUNT] {
    let with = Training {
        eps,
        ..training.clone()
    };
    let [with, without] = [&with, training].map(|own| own.train(width, draws, 1).changes());
    std::array::from_fn(|at| {
        let difference = with[at].zip(&without[at], |with, without| with - without);
        difference.norm() / without[at].norm()
    })
}

fn has_epsilon(optimizer: Optimizer) -> bool {
    use Optimizer::{Fromage, Lion, SignSgd};
    optimizer.family() != Family::RawGradient && !matches!(optimizer, Fromage | Lion | SignSgd)
}

/// As large as gradients at the base, so that a wrong power of the width shows.
#[test]
fn epsilon_has_the_same_share_at_every_width() {
    let draws = draws(SEEDS);
    let mut verdict = Verdict::new(TOLERANCE);
    let optimizers = || {
        Optimizer::ALL
            .iter()
            .copied()
            .filter(|own| has_epsilon(*own))
    };
    for (name, optimizer) in FAITHFUL
        .into_iter()
        .flat_map(|name| optimizers().map(move |own| (name, own)))
    {
        let mut training = Training::new(rule(name), optimizer);
        if optimizer == Optimizer::Sophia {
            // Beside epsilon, not below it.
            training.rho = met(&training).map(|size| 1.0 / size);
        }
        // The moments are no larger than this share of the first gradient.
        let part = if optimizer == Optimizer::Sophia {
            0.03
        } else {
            1.0
        };
        let eps = met(&training).map(|size| part * size);
        let found = slopes(&draws, |width, draws| share(&training, eps, width, draws));
        verdict.compare(&format!("{name} {optimizer}"), found, [0.0; COUNT]);
    }
    verdict.passes(COUNT * FAITHFUL.len() * 17);
}

/// Gradients fall as 1/width and Hessians as its square.
#[test]
fn sophia_clips_the_same_share_at_every_width() {
    let draws = draws(SEEDS);
    let mut verdict = Verdict::new(TOLERANCE);
    for name in FAITHFUL {
        let mut training = Training::new(rule(name), Optimizer::Sophia);
        training.rho = met(&training).map(|size| 3.5 / size);
        let found = slopes(&draws, |width, draws| {
            training.train(width, draws, 1).clipped
        });
        verdict.compare(name, found, [0.0; COUNT]);
    }
    verdict.passes(COUNT * FAITHFUL.len());
}

/// Adam's powers under LARS, whose epsilon is beside a norm: the measure sees it.
#[test]
fn epsilon_of_entries_beside_a_norm_is_seen_to_be_wrong() {
    let entries = table(
        "input = { eps = 'm_out^-1' }\n\
         hidden = { b = 0.5, lr = 'm_in^-1/2', eps = 'm_out^-1' }\n\
         output = { a = 1, eps = 'm_in^-1' }",
    );
    let training = Training::new(entries, Optimizer::Lars);
    let eps = met(&training);
    let found = slopes(&draws(SEEDS), |width, draws| {
        share(&training, eps, width, draws)
    });
    for at in [0, 3, 5] {
        assert!(
            found[at] < -0.25,
            "{}: width^{:.3}",
            PARAMS[at].0,
            found[at]
        );
    }
}
