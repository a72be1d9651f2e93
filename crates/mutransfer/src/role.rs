//! The part a parameter plays in the network, which decides its law.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Role of a parameter (TP5 appendix B; 2308.01814 definition 2.9.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    pub const ALL: [Self; 5] = [Self::Fixed, Self::Vector, Self::Input, Self::Hidden, Self::Output];
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
