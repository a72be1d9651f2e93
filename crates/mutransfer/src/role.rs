//! The part a parameter plays in the network, which decides its law.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::names::{UnknownName, all};
use crate::power::Power;

/// Role of a parameter (TP5 appendix B; 2308.01814 definition 2.9.12).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    VariantArray,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownName, parse_err_fn = unknown_role)]
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

fn unknown_role(name: &str) -> UnknownName {
    UnknownName::new("role", Role::VARIANTS, name)
}

impl Role {
    /// All roles, in the order tables are printed.
    pub const ALL: [Self; 5] = all(Self::VARIANTS);

    /// Whether fan-in and fan-out grow.
    pub(crate) fn grows(self) -> (bool, bool) {
        match self {
            Self::Fixed => (false, false),
            Self::Vector | Self::Input => (false, true),
            Self::Hidden => (true, true),
            Self::Output => (true, false),
        }
    }

    /// How the Frobenius norm of a tensor follows its sizes when its entries do not change.
    pub(crate) fn norm(self) -> Power {
        let (grows_in, grows_out) = self.grows();
        let root = |grows, power| if grows { power } else { Power::ONE };
        root(grows_in, Power::fan_in(1, 2)) * root(grows_out, Power::fan_out(1, 2))
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
    /// Repeated with depth, the last of a residual branch.
    #[serde(rename = "branch-end")]
    BranchEnd,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Outside, Self::Block, Self::BranchEnd];
}
