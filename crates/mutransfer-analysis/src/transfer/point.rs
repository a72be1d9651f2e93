//! The points of a loss curve: seeds averaged.

use crate::statistics::sample::{mean, standard_error};
use crate::table::sweep::{Curve, Trials};

/// One value of the hyperparameter on one curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The value.
    pub value: f64,
    /// Its base-2 logarithm.
    pub log2: f64,
    /// Mean loss over the seeds in nats; absent when any seed diverged.
    pub loss: Option<f64>,
    /// Standard error of that mean in nats; absent with a single seed.
    pub standard_error: Option<f64>,
    /// Seeds run at this value.
    pub seeds: usize,
}

impl Point {
    /// Mean and standard error; a value with any diverged seed is unstable and has no loss.
    fn of(trials: &Trials) -> Self {
        let losses = (trials.diverged == 0).then_some(&trials.losses);
        Self {
            value: trials.value,
            log2: trials.value.log2(),
            loss: losses.map(|losses| mean(losses)),
            standard_error: losses.and_then(|losses| standard_error(losses)),
            seeds: trials.losses.len() + trials.diverged,
        }
    }
}

impl Trials {
    /// By how much each loss is off their mean, in nats, and its seed.
    pub(crate) fn deviations(&self) -> impl Iterator<Item = (f64, u64)> {
        let mean = mean(&self.losses);
        let runs = self.losses.iter().zip(&self.seeds);
        runs.map(move |(loss, seed)| (loss - mean, *seed))
    }
}

impl Curve {
    /// Its points, smallest value first.
    pub fn points(&self) -> Vec<Point> {
        self.trials.iter().map(Point::of).collect()
    }
}
