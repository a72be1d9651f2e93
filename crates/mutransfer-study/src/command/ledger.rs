//! What a program has told of its training, and how that ended.

use super::told::{Measured, Told};
use crate::train::{SLACK, last};
use crate::trial::Outcome;

/// All that a program has told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Steps and their losses.
    pub(super) steps: Vec<(usize, f64)>,
    /// The loss at the end.
    pub(super) last: Option<f64>,
    /// Sizes of modules after some updates.
    pub(super) measured: Vec<(usize, Measured)>,
}

impl Ledger {
    /// Takes note of something.
    pub(super) fn add(&mut self, told: Told) {
        match told {
            Told::Step(step, loss) => {
                let next = self.steps.last().map_or(0, |(step, _)| step + 1);
                self.steps.push((step.unwrap_or(next), loss));
            }
            Told::Final(loss) => self.last = Some(loss),
            Told::Measured(step, measured) => self.measured.push((step, measured)),
        }
    }

    /// Whether it has told a loss that is no number.
    pub(super) fn has_diverged(&self) -> bool {
        let step = self.steps.last().map(|(_, loss)| *loss);
        [step, self.last]
            .into_iter()
            .flatten()
            .any(|loss| !loss.is_finite())
    }

    /// How it ended; nothing where no loss at the end was told. A loss that ends above that of the
    /// first step has diverged, as in a trial of a built-in model.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let step = self.steps.last().map_or(0, |(step, _)| step + 1);
        if self.has_diverged() {
            return Some(Outcome::Diverged { step });
        }
        let loss = self.last?;
        let losses: Vec<f64> = self.steps.iter().map(|(_, loss)| *loss).collect();
        let has_risen = |first: &f64| loss > first + (SLACK - 1.0) * first.abs();
        if losses.first().is_some_and(has_risen) {
            return Some(Outcome::Diverged { step });
        }
        let window = (losses.len() / 10).max(1);
        let train_loss = if losses.is_empty() {
            loss
        } else {
            last(&losses, window)
        };
        Some(Outcome::Finished { train_loss, loss })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(losses: &[f64], last: Option<f64>) -> Option<Outcome> {
        let mut ledger = Ledger::default();
        for loss in losses {
            ledger.add(Told::Step(None, *loss));
        }
        if let Some(loss) = last {
            ledger.add(Told::Final(loss));
        }
        ledger.outcome()
    }

    #[test]
    fn a_training_ends_with_the_loss_it_told_last() {
        let finished = |train_loss, loss| Some(Outcome::Finished { train_loss, loss });
        assert_eq!(outcome(&[4.0, 3.0, 2.0], Some(2.5)), finished(2.0, 2.5));
        assert_eq!(outcome(&[], Some(2.5)), finished(2.5, 2.5));
        assert_eq!(outcome(&[4.0, 3.0], None), None);
        assert_eq!(outcome(&[-1.0, -1.5], Some(-1.01)), finished(-1.5, -1.01));
    }

    #[test]
    fn a_loss_that_is_no_number_or_has_risen_has_diverged() {
        let diverged = |step| Some(Outcome::Diverged { step });
        assert_eq!(outcome(&[4.0, f64::NAN], None), diverged(2));
        assert_eq!(outcome(&[4.0, 3.0], Some(f64::INFINITY)), diverged(2));
        assert_eq!(outcome(&[4.0, 3.0], Some(4.3)), diverged(2));
        assert_eq!(outcome(&[-1.0], Some(-0.9)), diverged(1));
    }
}
