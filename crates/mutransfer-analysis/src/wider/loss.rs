//! One point of a training curve.

use serde::{Deserialize, Serialize};

/// The training loss of one model at one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossRow {
    /// Name of the parametrization.
    pub rule: String,
    /// Width of the model.
    pub width: usize,
    /// Seed of the run; the same seed means the same data.
    pub seed: u64,
    /// Step of training.
    pub step: usize,
    /// The loss in nats; not finite where training diverged.
    pub loss: f64,
}
