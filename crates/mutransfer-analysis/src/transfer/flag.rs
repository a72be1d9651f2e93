//! Why an optimum should be read with care.

use serde::{Deserialize, Serialize};

/// A reason to distrust an optimum. The variants are in order of severity, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Flag {
    /// Training diverged: at every learning rate of a sweep, or in the direct run at the target.
    Diverged,
    /// Fewer than three learning rates near the best one, or none on one side of it.
    TooFew,
    /// The best learning rate is the smallest or the largest that was tried.
    EdgeOptimum,
    /// Every learning rate above the best one diverged.
    Cliff,
    /// The losses around the best learning rate do not form a valley.
    NotConvex,
    /// The valley is no deeper than the noise between seeds.
    NoiseLimited,
    /// The valley misses the losses by more than the noise between seeds.
    Misfit,
    /// The best run is worse than the valley says it should be, by more than noise.
    BelowRuns,
    /// The interval of the optimum leaves out the best run: all of it is nearer to another one.
    BesideBest,
    /// The bottom of the fitted valley lies outside the learning rates it was fitted to.
    Extrapolated,
    /// Fewer widths with an optimum than a fit across widths needs.
    TooFewWidths,
    /// A fitted value lies at the bound of what is possible, where it means nothing.
    Pinned,
    /// The optimum got lost in more than a tenth of the resampled tables, so that intervals are
    /// unreliable.
    Unreliable,
    /// A shift of the optimum no larger than its noise, which was left out.
    AtNoiseFloor,
    /// Values with a single seed, which take the noise of the others.
    PooledNoise,
    /// A single seed, so the noise is unknown.
    FewSeeds,
}

impl std::fmt::Display for Flag {
    /// Its name as in JSON, which is what people search for.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

impl Flag {
    /// What happened and what to do about it, for a reader who has not seen the code: a clause
    /// without a full stop. `axis` and `sweep` are what grows and what was swept, such as `width`
    /// and `learning rate`.
    // Long, as it is one table.
    pub fn explanation(self, axis: &str, sweep: &str) -> String {
        let clause = match self {
            Self::Diverged => "training diverged; try a smaller {sweep}",
            Self::TooFew => {
                "too few values of the {sweep} around the best one to fit a valley; use a finer \
                 grid"
            }
            Self::EdgeOptimum => "the best {sweep} is at the edge of the grid; widen the grid",
            Self::Cliff => "every larger {sweep} diverged; use a finer grid below the cliff",
            Self::NotConvex => "the losses do not form a valley; add seeds or steps",
            Self::NoiseLimited => "differences are within the noise between seeds; add seeds",
            Self::Misfit => {
                "the fitted valley misses the losses by more than the noise between seeds, so \
                 intervals were widened; use a finer grid around the best {sweep}"
            }
            Self::BelowRuns => {
                "the fitted loss lies below every run by more than noise; use a finer grid around \
                 the best {sweep}"
            }
            Self::BesideBest => {
                "the interval of the best {sweep} leaves out the best run; trust the run, or use a \
                 finer grid around it"
            }
            Self::Extrapolated => "the fitted optimum lies outside the values it was fitted to",
            Self::TooFewWidths => {
                "too few sizes along {axis} have an optimum for a fit across them; add some"
            }
            Self::Pinned => {
                "a fitted value lies at its bound, so limits and exponents of the loss mean little"
            }
            Self::Unreliable => {
                "the optimum is lost in many resampled tables, so intervals are unreliable; add \
                 seeds"
            }
            Self::AtNoiseFloor => "some shifts of the optimum are no larger than their noise",
            Self::PooledNoise => {
                "values of the {sweep} with one seed are taken to be as noisy as the others"
            }
            Self::FewSeeds => "one seed only, so the noise is unknown",
        };
        clause.replace("{axis}", axis).replace("{sweep}", sweep)
    }
}
