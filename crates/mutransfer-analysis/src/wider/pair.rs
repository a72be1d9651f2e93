//! Two neighbouring widths and the stretches of training in which they are compared.

use serde::Serialize;

use crate::statistics::estimate::Estimate;
use crate::statistics::needed::Needed;
use crate::verdict::Verdict;

/// One stretch of training of two neighbouring widths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    /// First and last of the steps compared.
    pub steps: (usize, usize),
    /// Loss of the narrower minus loss of the wider model in nats, averaged over the window: above
    /// zero, wider is better. The mean and its 95% interval are over seeds.
    pub gain: Estimate,
    /// How likely it would be by chance that the wider is worse by more than the tolerance, after
    /// Holm's correction over all judged windows and pairs of the rule; none with one seed or in
    /// the warm-up.
    pub p: Option<f64>,
    /// What that shows; none in the warm-up.
    pub verdict: Option<Verdict>,
    /// How many seeds would decide where that is undetermined, if mean and noise stayed; none where
    /// nothing tells.
    pub seeds_to_decide: Option<Needed>,
}

/// Two neighbouring widths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The smaller width, or size along what else grows.
    pub narrow: usize,
    /// The larger one.
    pub wide: usize,
    /// Seeds run at both.
    pub seeds: usize,
    /// Whether the common steps reach over nine tenths of the longer of the curves.
    pub complete: bool,
    /// Fail if any window fails or a curve diverges, pass if all windows pass and the curves are
    /// complete.
    pub verdict: Verdict,
    /// First steps of the windows in which the wider becomes worse, by more than the tolerance,
    /// after it was not. By the mean over seeds, whether significant or not.
    pub crossings: Vec<usize>,
    /// The windows, first steps first; empty where a curve diverged at once.
    pub windows: Vec<Window>,
}

/// A training curve with a loss that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Diverged {
    /// Width of the model, or how large it is along what else grows.
    pub at: usize,
    /// Seed of the run.
    pub seed: u64,
    /// The first such step.
    pub step: usize,
}
