//! What can be wrong with the measurements of a coordinate check.

use thiserror::Error;

use crate::fix::Fix;

/// Measurements that cannot be judged.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CoordinateError {
    /// There are no rows to judge.
    #[error("no rows to analyse")]
    Empty,
    /// A table that cannot be read.
    #[error("cannot read the table: {message}")]
    Table {
        /// What is wrong, with the line.
        message: String,
    },
    /// A measurement is zero that cannot be.
    #[error("rule {rule}: the size of {module} after {step} updates is zero at some width")]
    ZeroActivation {
        /// Name of the parametrization.
        rule: String,
        /// The module.
        module: String,
        /// Updates made.
        step: usize,
    },
    /// Nothing says which module is the readout.
    #[error(
        "nothing says which module is the readout, whose first output may shrink with width where \
         that of others may not: {}",
        listed(modules)
    )]
    NoReadout {
        /// All modules.
        modules: Vec<String>,
    },
    /// Nothing says which module is an embedding or first layer, of which the rule promises
    /// something else than of those inside.
    #[error(
        "nothing says which module is the embedding or first layer, of which {rule} promises \
         something else than of those inside"
    )]
    NoEmbedding {
        /// Name of the parametrization.
        rule: String,
    },
    /// A module that was named and was not measured.
    #[error("no module `{module}` was measured; known: {}", listed(known))]
    NoModule {
        /// The name.
        module: String,
        /// All modules.
        known: Vec<String>,
    },
    /// A rule of which nothing is expected.
    #[error(
        "rule `{rule}` of the measurements is unknown, so nothing says how its sizes should \
         follow the width"
    )]
    NoExpectation {
        /// Name of the parametrization.
        rule: String,
    },
    /// A single width has no slope.
    #[error("rule {rule}, seed {seed}: measured at a single width, which has no slope")]
    OneWidth {
        /// Name of the parametrization.
        rule: String,
        /// Seed of the run.
        seed: u64,
    },
}

/// Names that are named where there are more.
const LISTED: usize = 12;

fn listed(names: &[String]) -> String {
    let shown = names.len().min(LISTED);
    let more = match names.len() - shown {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names[..shown].join(", ") + &more
}

impl CoordinateError {
    /// What to do about it.
    pub fn fix(&self) -> Fix {
        match self {
            Self::Empty => Fix::Do("run the study first, or check that the file is the right one"),
            Self::Table { .. } => Fix::Do(
                "columns are width, step, module, l1, and optionally rule, seed, layer, quantity, \
                 l2, std",
            ),
            Self::ZeroActivation { .. } => {
                Fix::Do("only logits may be zero, and at all widths or none; is the module dead?")
            }
            Self::NoReadout { .. } => Fix::NameReadout,
            Self::NoEmbedding { .. } => Fix::NameEmbedding,
            Self::NoModule { .. } => Fix::Do("name a module as the table does"),
            Self::NoExpectation { .. } => Fix::NameRule,
            Self::OneWidth { .. } => Fix::Do("measure at two widths or more"),
        }
    }
}
