//! Choices about experts, which a rule with laws for them takes (M1 to M10 of the literature's
//! disagreements). That of decay is [`HiddenDecay`](super::HiddenDecay), where `as printed` is
//! constant.

use std::num::NonZeroUsize;
use std::str::FromStr;

use num_rational::Rational32;
use serde::{Deserialize, Serialize};

use crate::power::{Power, Ratio};
use crate::role::Role;

/// M1: the readout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// As the rule has it: multiplier 1/m_N, the rest constant, as in CompleteP.
    #[default]
    Rule,
    /// As 2605.23893 prints it: 1/m_N on multiplier and learning rate, 1/√m_N on init. What the
    /// readout learns then falls as 1/m_N.
    AsPrinted,
    /// As 2512.22382 has it: no multiplier, 1/m_N on learning rate and init.
    #[serde(rename = "complete-dp")]
    CompleteDP,
}

/// M4: initial standard deviation of routers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouterInit {
    /// As the rule has it; 1/√m_N under Complete-muE.
    #[default]
    Rule,
    /// 1/m_N (2601.20205 by default, 2605.14200 at a fixed number of experts).
    InverseWidth,
}

/// M5: how scores of experts become their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// A sigmoid of each, divided by the sum over the active experts (2605.23893).
    #[default]
    SigmoidNormalised,
    /// A sigmoid of each, not normalised. With one active expert the router learns by it, and not
    /// by the normalised one.
    Sigmoid,
    /// Softmax over all experts, without normalising the active ones.
    Softmax,
    /// Softmax over the active experts.
    TopKSoftmax,
    /// The root of a softmax over the active experts, whose squares sum to 1 (`ArchScale`, code).
    SqrtGate,
}

impl Gate {
    /// R: what brings the mean weight of an active expert to order one.
    pub(crate) fn route(self, active: f64) -> f64 {
        match self {
            Self::SigmoidNormalised | Self::Softmax | Self::TopKSoftmax => active,
            Self::Sigmoid => 1.0,
            Self::SqrtGate => active.sqrt(),
        }
    }
}

/// M6: how many groups of experts normalise their weights each for itself; 1 where it is done over
/// all that are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RouteGroups(pub NonZeroUsize);

impl Default for RouteGroups {
    fn default() -> Self {
        Self(NonZeroUsize::MIN)
    }
}

impl FromStr for RouteGroups {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let groups = text.parse().map(Self);
        groups.map_err(|_| format!("`{text}` is no number of groups; give 1 or more"))
    }
}

impl TryFrom<String> for RouteGroups {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RouteGroups> for String {
    fn from(groups: RouteGroups) -> Self {
        groups.0.to_string()
    }
}

/// M7: another share of active experts in the target than in the base. To a dense base all are
/// active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Density {
    /// As the rule has it.
    #[default]
    Rule,
    /// Allowed, and `check` says that the transfer is approximate (2605.23893).
    Warn,
    /// Allowed without a word.
    Allow,
    /// Refused (2601.20205).
    Forbid,
}

/// M9: epsilon of what reads and writes experts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpertEps {
    /// As the rule has it; as in CompleteP under Complete-muE.
    #[default]
    Rule,
    /// As the entries of the gradient of a routed expert, which are 1/H_act for every token and
    /// fall with the share of tokens that reach it.
    Gradient,
}

impl ExpertEps {
    /// What it changes for a role.
    pub(crate) fn factor(self, role: Role) -> Power {
        let width = match (self, role) {
            (Self::Gradient, Role::ExpertIn) => Power::fan_in(1, 1),
            (Self::Gradient, Role::ExpertOut) => Power::fan_out(1, 1),
            _ => return Power::ONE,
        };
        width * density(1.into()) / Power::of(Ratio::ActiveWidth, 1.into())
    }
}

/// M10: how learning rates follow the share of active experts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SparsityLaw {
    /// Not at all (2605.23893).
    #[default]
    None,
    /// `(a/N)^0.136` (2609.08690, for Muon).
    ActivationRatio,
}

impl SparsityLaw {
    /// On every learning rate.
    pub(crate) fn learning_rate(self) -> Power {
        match self {
            Self::None => Power::ONE,
            Self::ActivationRatio => density(Rational32::new(17, 125)),
        }
    }
}

/// The share of active experts, to a power.
fn density(exponent: Rational32) -> Power {
    Power::of(Ratio::Active, exponent) / Power::of(Ratio::Experts, exponent)
}
