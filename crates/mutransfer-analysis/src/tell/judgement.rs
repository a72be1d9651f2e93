//! Everything that is found out about a study, as it is written to `summary.json`.

use serde::Serialize;

use crate::coordinates::judge::Check;
use crate::transfer::analysis::Analysis;

/// The analysis of a study's runs, and the coordinate checks of its rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Judgement {
    /// What the runs show.
    #[serde(flatten)]
    pub analysis: Analysis,
    /// What the sizes of activations and updates show.
    pub coordinate_checks: CoordinateChecks,
}

/// The coordinate checks of a study, which stands without them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum CoordinateChecks {
    /// One per rule.
    Judged(Vec<Check>),
    /// They could not be judged.
    Unjudged {
        /// What stood in their way.
        error: String,
    },
}

impl From<Result<Vec<Check>, String>> for CoordinateChecks {
    fn from(checks: Result<Vec<Check>, String>) -> Self {
        match checks {
            Ok(checks) => Self::Judged(checks),
            Err(error) => Self::Unjudged { error },
        }
    }
}
