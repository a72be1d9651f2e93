//! What a finished trial left behind: one row of the results table.
//!
//! The table is the interface between running and judging. Everything in [`crate::analysis`], the
//! figures and the report is a function of such rows, so old results can be judged again without
//! running anything.

use mutransfer::theory::{Layer, Quantity};
use serde::{Deserialize, Serialize};

/// How a trial ended. Divergence is a result, not an error: it says on which side of the optimum a
/// learning rate lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All steps were done and the final loss is finite and below the starting loss.
    Ok,
    /// The loss became non-finite or rose above its starting value.
    Diverged,
}

/// One trial: what was run and what came out. Losses are in nats per token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the parametrization, `sp` or `mup`.
    pub rule: String,
    /// Width of the model.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// The swept learning rate, before any per-parameter scale.
    pub lr: f64,
    /// Seed of initial weights and batches.
    pub seed: u64,
    /// Steps asked for.
    pub steps: usize,
    /// How it ended.
    pub status: Status,
    /// Training loss averaged over the last tenth of the steps; not finite when diverged.
    pub train_loss: f64,
    /// Validation loss after the last step; not finite when diverged.
    pub loss: f64,
}

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

/// The size of one module's activations in the coordinate check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinate {
    /// Name of the parametrization.
    pub rule: String,
    /// Width of the model.
    pub width: usize,
    /// Seed of the initial weights.
    pub seed: u64,
    /// Updates made before this forward pass; 0 is the untrained model.
    pub step: usize,
    /// Module that was measured.
    pub module: String,
    /// Which end of the network it is.
    pub layer: Layer,
    /// What was measured of it.
    pub quantity: Quantity,
    /// Mean of the absolute values, `l1` in the literature.
    pub l1: f64,
    /// Root of the mean square.
    pub l2: f64,
    /// Standard deviation.
    pub std: f64,
}

/// How far training took one network from its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelRow {
    /// Name of the parametrization.
    pub rule: String,
    /// Width of the model.
    pub width: usize,
    /// Seed of the initial weights and the examples.
    pub seed: u64,
    /// Relative change of the last activations.
    pub features: f64,
    /// Relative change of the neural tangent kernel.
    pub kernel: f64,
    /// Loss before training.
    pub first_loss: f64,
    /// Loss after training.
    pub last_loss: f64,
}

/// Records as a table with a header.
///
/// # Panics
/// Never for the records of this module, which are flat.
pub fn to_csv<T: Serialize>(records: &[T]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer.serialize(record).expect("a record is flat");
    }
    let bytes = writer.into_inner().expect("memory can be written to");
    String::from_utf8(bytes).expect("records are text")
}
