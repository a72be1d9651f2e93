//! How many seeds would decide.

use serde::{Deserialize, Serialize};

/// Seeds that are tried at most.
const MOST: usize = 100;

/// How many seeds would decide a verdict, if estimates and noise stayed as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// So many.
    Seeds(usize),
    /// More than it is worth to count.
    MoreThan(usize),
}

impl Needed {
    /// The fewest seeds, more than there are, that decide.
    pub(crate) fn above(seeds: usize, decide: impl Fn(usize) -> bool) -> Self {
        let mut more = seeds + 1..=MOST.max(seeds);
        more.find(|seeds| decide(*seeds))
            .map_or(Self::MoreThan(MOST.max(seeds)), Self::Seeds)
    }
}

impl std::fmt::Display for Needed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Seeds(seeds) => write!(f, "{seeds} seeds"),
            Self::MoreThan(seeds) => write!(f, "more than {seeds} seeds"),
        }
    }
}
