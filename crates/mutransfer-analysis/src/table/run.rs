//! One run as a value: what a study or another program hands over to be judged.

/// Octaves by which two values of a swept hyperparameter may differ and still be the same.
///
/// Rates come by way of decimal text and of single precision, whose rounding is up to 1e-7 octaves,
/// and nobody sweeps in steps that are anywhere near so fine.
pub const SAME_OCTAVES: f64 = 1e-6;

/// Whether two values of the swept hyperparameter, given as log2, are the same.
pub fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < SAME_OCTAVES
}

/// One run of training, ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Name of the parametrization.
    pub rule: String,
    /// Value of what grows, such as the width.
    pub at: f64,
    /// Value of the swept hyperparameter.
    pub value: f64,
    /// Seed of the run.
    pub seed: u64,
    /// How it ended.
    pub end: End,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// With this final loss, in nats.
    Loss(f64),
    /// Training diverged, which is a result.
    Diverged,
    /// It came to no end, for reasons that have nothing to do with training.
    Failed,
}
