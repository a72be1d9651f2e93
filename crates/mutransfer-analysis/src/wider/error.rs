//! What can be wrong with training curves that are to be compared.

use thiserror::Error;

use crate::fix::Fix;

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
    /// No column of widths, and no width given.
    #[error("there is no column `width`, and no width is given for the file")]
    NoWidth,
    /// A width is given, and the table says it itself.
    #[error("the width is given as {width}, and the table has widths of its own")]
    OwnWidths {
        /// The width given.
        width: usize,
    },
    /// Nothing to compare with.
    #[error("rule {rule}: all curves have width {width}, so there is nothing to compare")]
    OneWidth {
        /// Name of the parametrization.
        rule: String,
        /// The only width.
        width: usize,
    },
    /// Seeds that do not pair.
    #[error("rule {rule}: widths {narrow} and {wide} have no seed in common")]
    NoCommonSeed {
        /// Name of the parametrization.
        rule: String,
        /// The smaller width.
        narrow: usize,
        /// The larger width.
        wide: usize,
    },
    /// Steps that do not meet.
    #[error("rule {rule}: widths {narrow} and {wide} have no step in common")]
    NoCommonStep {
        /// Name of the parametrization.
        rule: String,
        /// The smaller width.
        narrow: usize,
        /// The larger width.
        wide: usize,
    },
    /// The same step is listed twice with different losses.
    #[error(
        "rule {rule}, width {width}, seed {seed}: step {step} is listed twice, with losses {first} \
         and {second}"
    )]
    Duplicate {
        /// Name of the parametrization.
        rule: String,
        /// Width of the model.
        width: usize,
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
            Self::NoWidth => return Fix::NameWidth,
            Self::OwnWidths { .. } => "give the table alone",
            Self::OneWidth { .. } => "give training curves of two widths or more",
            Self::NoCommonSeed { .. } => "give runs on the same data the same seed at every width",
            Self::NoCommonStep { .. } => {
                "log all widths at the same steps, or at multiples of one another"
            }
            Self::Duplicate { .. } => {
                "give each run its own seed, and keep one learning rate per table"
            }
        })
    }
}
