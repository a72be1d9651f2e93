//! One point of a training curve.

use serde::{Deserialize, Serialize};

use crate::wider::along::Along;

/// The training loss of one model at one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossRow {
    /// Name of the parametrization.
    pub rule: String,
    /// Width of the model, or how large it is along what else grows.
    pub at: usize,
    /// Seed of the run; the same seed means the same data.
    pub seed: u64,
    /// Step of training.
    pub step: usize,
    /// The loss in nats; not finite where training diverged.
    pub loss: f64,
}

/// The table of these rows, which grow along something, for
/// [`curves_from_csv`](super::read::curves_from_csv).
#[expect(
    clippy::missing_panics_doc,
    reason = "rows are flat, and memory takes any"
)]
pub fn curves_to_csv(rows: &[LossRow], along: Along) -> String {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    let header = ["rule", &along.to_string(), "seed", "step", "loss"];
    writer.write_record(header).expect("memory takes any row");
    for row in rows {
        writer.serialize(row).expect("a row is flat");
    }
    let bytes = writer.into_inner().expect("memory can be written to");
    String::from_utf8(bytes).expect("rows are text")
}
