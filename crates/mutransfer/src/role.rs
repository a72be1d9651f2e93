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
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownName, parse_err_fn = unknown_role)]
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
    /// Scores every expert: fan-in is the width, fan-out the number of experts.
    Router,
    /// Reads the residual stream into an expert, routed or shared: its up projection and its gate.
    ExpertIn,
    /// Writes an expert, routed or shared, to the residual stream: its down projection.
    ExpertOut,
}

fn unknown_role(name: &str) -> UnknownName {
    UnknownName::new("role", Role::VARIANTS, name)
}

impl Role {
    /// All roles, in the order tables are printed.
    pub const ALL: [Self; 8] = all(Self::VARIANTS);

    /// Whether it is a matrix inside the network, whose entries are drawn around zero.
    pub(crate) fn is_inside(self) -> bool {
        self == Self::Hidden || self.is_of_experts()
    }

    /// Whether only a model with experts has it. A table without laws of its own for these has that
    /// of hidden matrices for them.
    pub fn is_of_experts(self) -> bool {
        matches!(self, Self::Router | Self::ExpertIn | Self::ExpertOut)
    }

    /// Whether fan-in and fan-out grow.
    pub(crate) fn grows(self) -> (bool, bool) {
        match self {
            Self::Fixed => (false, false),
            Self::Vector | Self::Input => (false, true),
            Self::Hidden | Self::ExpertIn | Self::ExpertOut => (true, true),
            Self::Output | Self::Router => (true, false),
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
