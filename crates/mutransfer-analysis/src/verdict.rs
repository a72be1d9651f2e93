//! What a test of measurements against an expectation shows.

use serde::{Deserialize, Serialize};

/// What a cell, a window, or all of them show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The interval lies within the tolerance of what is expected.
    Pass,
    /// It reaches over an end of it.
    Undetermined,
    /// It lies outside.
    Fail,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Undetermined => "undetermined",
            Self::Fail => "fail",
        })
    }
}
