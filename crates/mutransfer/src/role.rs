//! The part a parameter plays in the network, which decides its law.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::shape::ParamName;

/// Role of a parameter (TP5 appendix B; 2308.01814 definition 2.9.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// No dimension grows: readout bias, learnable scalars.
    Fixed,
    /// One dimension that grows and is no matrix: bias, gain of a norm.
    Vector,
    /// Finite fan-in, growing fan-out: first layer, embedding.
    Input,
    /// Both grow: every matrix inside the network.
    Hidden,
    /// Growing fan-in, finite fan-out: readout, unembedding.
    Output,
}

impl Role {
    /// All roles, in the order tables are printed.
    pub const ALL: [Self; 5] = [
        Self::Fixed,
        Self::Vector,
        Self::Input,
        Self::Hidden,
        Self::Output,
    ];

    /// Whether fan-in and fan-out grow.
    pub(crate) fn grows(self) -> (bool, bool) {
        match self {
            Self::Fixed => (false, false),
            Self::Vector | Self::Input => (false, true),
            Self::Hidden => (true, true),
            Self::Output => (true, false),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "fixed",
            Self::Vector => "vector",
            Self::Input => "input",
            Self::Hidden => "hidden",
            Self::Output => "output",
        })
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        crate::error::named("role", &Self::ALL, name)
    }
}

/// Whether a parameter lies in a residual block, whose number is the depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Before or after the blocks: embedding, final norm, readout.
    Outside,
    /// Repeated with depth.
    Block,
}

impl Place {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Outside, Self::Block];

    /// A parameter lies in a block when its path goes through a numbered part of something, as
    /// `blocks.3.norm.weight`.
    pub fn of(name: &ParamName) -> Self {
        let numbered = name
            .as_str()
            .split('.')
            .skip(1)
            .any(|part| part.parse::<u32>().is_ok());
        if numbered { Self::Block } else { Self::Outside }
    }
}
