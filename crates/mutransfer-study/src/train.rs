//! Training a trial to its end.

use std::ops::ControlFlow;

use crate::subject::Session;
use crate::trial::{Budget, Outcome};

/// Training batches differ among each other and from the validation data by about as much, without
/// any divergence.
pub(crate) const SLACK: f64 = 1.05;

/// How far a training is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Validation loss of the untrained model, in nats.
    pub start: f64,
    /// Loss of every step, in nats.
    pub losses: Vec<f64>,
}

impl Progress {
    /// That of a session before its first step.
    pub fn begin(session: &dyn Session) -> Self {
        Self {
            start: session.validation_loss(),
            losses: Vec::new(),
        }
    }
}

/// Trains to the end, or until the loss diverges: it is non-finite, or averaged over a tenth of the
/// steps above the validation loss of the untrained model. `on_step` sees every step, and stops the
/// training where it says so.
pub fn train(
    budget: &Budget,
    session: &mut dyn Session,
    mut progress: Progress,
    mut on_step: impl FnMut(&Progress, &dyn Session) -> ControlFlow<()>,
) -> Outcome {
    let steps = budget.steps;
    let window = (steps / 10).max(1);
    let start = progress.start;
    for step in progress.losses.len()..steps {
        let factor = budget.schedule.factor(step, budget.warmup, steps);
        let loss = session.step(factor);
        progress.losses.push(loss);
        let losses = &progress.losses;
        let has_risen = losses.len() >= window && last(losses, window) > SLACK * start;
        let goes_on = on_step(&progress, session);
        if !loss.is_finite() || has_risen {
            return Outcome::Diverged { step: step + 1 };
        }
        if goes_on.is_break() {
            return Outcome::Stopped;
        }
    }
    let losses = progress.losses;
    let loss = session.validation_loss();
    if loss.is_finite() && loss <= start {
        let train_loss = last(&losses, window);
        Outcome::Finished { train_loss, loss }
    } else {
        Outcome::Diverged { step: steps }
    }
}

/// Mean of the last `window` values.
pub(crate) fn last(values: &[f64], window: usize) -> f64 {
    let last = &values[values.len() - window..];
    last.iter().sum::<f64>() / window as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::{Measurement, Problem, State};
    use crate::trial::tests::trial;
    use std::collections::VecDeque;

    /// Losses of the steps; validation loss before, and after.
    struct Script(VecDeque<f64>, f64, f64);

    impl Session for Script {
        fn step(&mut self, _: f64) -> f64 {
            self.0.pop_front().expect("no step after the script ends")
        }
        fn validation_loss(&self) -> f64 {
            if self.0.is_empty() { self.2 } else { self.1 }
        }
        fn coordinates(&mut self) -> Vec<Measurement> {
            Vec::new()
        }
        fn state(&self) -> Option<State> {
            None
        }
        fn restore(&mut self, _: usize, _: State) -> Result<(), Problem> {
            Ok(())
        }
    }

    fn outcome(losses: &[f64], validation: f64) -> Outcome {
        let mut script = Script(losses.iter().copied().collect(), 5.0, validation);
        let begun = Progress::begin(&script);
        let budget = trial(losses.len()).budget;
        train(
            &budget,
            &mut script,
            begun,
            |_, _| ControlFlow::Continue(()),
        )
    }

    #[test]
    fn a_falling_loss_finishes_with_the_mean_of_the_last_tenth() {
        let losses: Vec<f64> = (0..20).map(|step| 5.0 - 0.1 * f64::from(step)).collect();
        let Outcome::Finished { train_loss, loss } = outcome(&losses, 3.2) else {
            panic!("diverged")
        };
        assert!((train_loss - 3.15).abs() < 1e-12);
        assert_eq!(loss, 3.2);
    }

    #[test]
    fn non_finite_and_risen_losses_end_the_trial_early() {
        let nan = [5.0, 4.0, f64::NAN, 1.0, 1.0];
        assert_eq!(outcome(&nan, 1.0), Outcome::Diverged { step: 3 });
        let mut risen = vec![5.0; 20];
        risen[5..].fill(6.0);
        assert_eq!(outcome(&risen, 1.0), Outcome::Diverged { step: 6 });
        assert_eq!(
            outcome(&[5.0, 4.9, 4.8, 4.7], 5.1),
            Outcome::Diverged { step: 4 }
        );
        assert_eq!(
            outcome(&[5.0, 4.9, 4.8, 4.7], f64::INFINITY),
            Outcome::Diverged { step: 4 }
        );
    }

    #[test]
    fn a_short_spike_or_a_rate_too_small_to_learn_is_no_divergence() {
        let mut spike = vec![4.0; 40];
        spike[4] = 6.0;
        assert!(matches!(outcome(&spike, 4.0), Outcome::Finished { .. }));
        let flat = [5.0, 5.1, 4.9, 5.1, 5.0];
        assert!(matches!(outcome(&flat, 4.999), Outcome::Finished { .. }));
    }
}
