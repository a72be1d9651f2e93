//! Learning-rate schedules. A schedule is a factor between 0 and 1; it knows no learning rate.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// What follows the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Stays at the peak.
    Constant,
    /// Falls to zero in a straight line.
    Linear,
    /// Falls to zero in half a cosine.
    Cosine,
}

impl Schedule {
    /// What studies call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Cosine => "cosine",
        }
    }

    /// Factor on the peak learning rate at `step` of `steps`, after a linear warm-up of `warmup`
    /// steps.
    ///
    /// ```
    /// use mutransfer_study::schedule::Schedule;
    ///
    /// let factor = |step| Schedule::Linear.factor(step, 2, 6);
    /// assert_eq!((0..6).map(factor).collect::<Vec<_>>(), [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]);
    /// ```
    pub fn factor(self, step: usize, warmup: usize, steps: usize) -> f64 {
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let done = (step - warmup) as f64 / (steps - warmup) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - done,
            Self::Cosine => 0.5 * (1.0 + (PI * done).cos()),
        }
    }
}
