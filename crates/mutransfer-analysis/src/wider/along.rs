//! Along what models grow whose training curves are compared step by step.

use std::fmt;

use serde::Serialize;

/// What grows from one training curve to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Along {
    /// The width of the model.
    #[default]
    Width,
    /// Its number of blocks.
    Depth,
}

impl Along {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Width, Self::Depth];

    /// What the larger of two is.
    pub fn larger(self) -> &'static str {
        match self {
            Self::Width => "wider",
            Self::Depth => "deeper",
        }
    }
}

impl fmt::Display for Along {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
