//! What can be wrong with training curves that are to be compared.

use thiserror::Error;

use crate::fix::Fix;
use crate::wider::along::Along;

/// Curves that cannot be compared.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// There are no rows.
    #[error("no losses to compare")]
    Empty,
    /// A table that cannot be read.
    #[error("cannot read the table: {message}")]
    Table {
        /// What is wrong, with the line.
        message: String,
    },
    /// No column of losses.
    #[error(
        "there is no column `loss`, nor one for each run that names its width; the columns are \
         `{found}`"
    )]
    NoLoss {
        /// The columns there are.
        found: String,
    },
    /// No column of widths, or of what else grows, and no width given.
    #[error("there is no column `{along}`, and no {along} is given for the file")]
    NoWidth {
        /// What grows.
        along: Along,
    },
    /// A width is given, and the table says it itself.
    #[error("the {along} is given as {width}, and the table has {along}s of its own")]
    OwnWidths {
        /// What grows.
        along: Along,
        /// The width given.
        width: usize,
    },
    /// Nothing to compare with.
    #[error("rule {rule}: all curves have {along} {at}, so there is nothing to compare")]
    OneWidth {
        /// Name of the parametrization.
        rule: String,
        /// What grows.
        along: Along,
        /// The only one.
        at: usize,
    },
    /// Seeds that do not pair.
    #[error("{0} have no seed in common")]
    NoCommonSeed(Apart),
    /// Steps that do not meet.
    #[error("{0} have no step in common")]
    NoCommonStep(Apart),
    /// The same step is listed twice with different losses.
    #[error(
        "rule {rule}, {along} {at}, seed {seed}: step {step} is listed twice, with losses {first} \
         and {second}"
    )]
    Duplicate {
        /// Name of the parametrization.
        rule: String,
        /// What grows.
        along: Along,
        /// How large the model is.
        at: usize,
        /// Seed of the run.
        seed: u64,
        /// The step of both rows.
        step: usize,
        /// Loss of one row.
        first: f64,
        /// Loss of the other.
        second: f64,
    },
}

/// Two sizes under a rule whose curves do not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Name of the parametrization.
    pub rule: String,
    /// What grows.
    pub along: Along,
    /// The smaller one.
    pub narrow: usize,
    /// The larger one.
    pub wide: usize,
}

impl std::fmt::Display for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            rule,
            along,
            narrow,
            wide,
        } = self;
        write!(f, "rule {rule}: {along}s {narrow} and {wide}")
    }
}

impl MonitorError {
    /// What to do about it.
    pub fn fix(&self) -> Fix {
        Fix::Do(match self {
            Self::Empty => "rows without a loss do not count; is this the right file?",
            Self::Table { .. } => {
                "columns are width, step, loss, and optionally rule, seed; others are ignored"
            }
            Self::NoLoss { .. } => {
                "losses are in the column `loss`, or in a column for each run, called such as \
                 `64`, `width=64` or `width=64 seed=1`"
            }
            Self::NoWidth { .. } => return Fix::NameWidth,
            Self::OwnWidths { .. } => "give the table alone",
            Self::OneWidth { .. } => "give training curves of two sizes or more",
            Self::NoCommonSeed(_) => "give runs on the same data the same seed at every size",
            Self::NoCommonStep(_) => {
                "log all sizes at the same steps, or at multiples of one another"
            }
            Self::Duplicate { .. } => {
                "give each run its own seed, and keep one learning rate per table"
            }
        })
    }
}
