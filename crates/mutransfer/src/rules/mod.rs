//! The parametrizations: each is one constant in its own file, which says all that belongs to it.
//!
//! What the literature leaves open is an option. A [`Definition`] with its options makes a table in
//! `parametrization`; nothing else computes a scale.

mod ablation;
mod complete;
mod complete_mue;
mod definition;
mod jiang;
mod mean_field;
mod mssp;
mod mup;
mod ntk;
mod sp;
mod spectral;
mod uniform;
mod unit;

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use num_rational::Rational32;
use serde::{Deserialize, Serialize};

pub use ablation::{Ablation, SWITCHES};
pub(crate) use definition::{Definition, DepthLaw, Tables};

use crate::error::{Error, RuleError};
use crate::names::UnknownName;
use crate::sizes::Base;

/// A published parametrization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rule {
    /// Standard parametrization: initial variance 1/fan-in, one learning rate for all.
    Sp,
    /// Standard parametrization with the same initial standard deviation at every width.
    SpConstantStd,
    /// Standard parametrization with its learning rate divided by the width.
    SpInverseWidth,
    /// Standard parametrization with the largest stable learning rate of each layer.
    SpPerLayer,
    /// Standard parametrization with smaller initial weights at the ends of residual branches.
    SpDepthInit,
    /// Neural tangent parametrization.
    Ntk,
    /// Mean field parametrization.
    MeanField,
    /// Maximal update parametrization, multiplier form (TP5 Table 8).
    Mup,
    /// μP over depth by its root.
    DepthMup,
    /// μP over depth.
    CompleteP,
    /// μP over depth, batch and duration.
    CompleteDP,
    /// μP over experts.
    CompleteMuE,
    /// μP over experts of which a fixed share is active.
    JiangMoe,
    /// μP with experts, of a fixed number.
    MsspFixedExperts,
    /// μP over width, experts and their width.
    Mssp,
    /// μP over width and experts of a fixed width.
    MsspBottleneck,
    /// UP_s, from μP (s = 0) to the neural tangent parametrization (s = 1/2).
    Uniform(Rational32),
    /// u-μP: unit-scaled, without a base.
    UnitMup,
    /// The spectral condition.
    Spectral,
    /// Between SP and μP, with some of four switches.
    Ablation(Ablation),
}

impl Rule {
    /// Those without an argument.
    pub const NAMED: [Self; 18] = [
        Self::Sp,
        Self::SpConstantStd,
        Self::SpInverseWidth,
        Self::SpPerLayer,
        Self::SpDepthInit,
        Self::Ntk,
        Self::MeanField,
        Self::Mup,
        Self::DepthMup,
        Self::CompleteP,
        Self::CompleteDP,
        Self::CompleteMuE,
        Self::JiangMoe,
        Self::MsspFixedExperts,
        Self::Mssp,
        Self::MsspBottleneck,
        Self::UnitMup,
        Self::Spectral,
    ];

    /// All that belongs to it.
    pub(crate) fn definition(self) -> Definition {
        match self {
            Self::Sp => sp::SP,
            Self::SpConstantStd => sp::CONSTANT_STD,
            Self::SpInverseWidth => sp::INVERSE_WIDTH,
            Self::SpPerLayer => sp::PER_LAYER,
            Self::SpDepthInit => sp::DEPTH_INIT,
            Self::Ntk => ntk::NTK,
            Self::MeanField => mean_field::MEAN_FIELD,
            Self::Mup => mup::MUP,
            Self::DepthMup => complete::DEPTH_MUP,
            Self::CompleteP => complete::COMPLETE_P,
            Self::CompleteDP => complete::COMPLETE_DP,
            Self::CompleteMuE => complete_mue::COMPLETE_MUE,
            Self::JiangMoe => jiang::JIANG,
            Self::MsspFixedExperts => mssp::FIXED_EXPERTS,
            Self::Mssp => mssp::MSSP,
            Self::MsspBottleneck => mssp::BOTTLENECK,
            Self::Uniform(s) => uniform::member(s),
            Self::UnitMup => unit::UNIT_MUP,
            Self::Spectral => spectral::SPECTRAL,
            Self::Ablation(ablation) => ablation.definition(),
        }
    }

    /// Whether it is what frameworks do, without multipliers in any form.
    pub fn is_standard(self) -> bool {
        self.definition().is_standard()
    }

    /// Whether its ratios are the sizes themselves, without a base.
    pub fn is_absolute(self) -> bool {
        self.definition().base == Base::One
    }

    /// What it is, in a line.
    pub fn summary(self) -> String {
        let Definition {
            summary, source, ..
        } = self.definition();
        format!("{summary} ({source})")
    }
}

/// The names of those that are no family. A definition holds all tables, and names are read and
/// written for every trial.
static NAMES: LazyLock<Vec<(&str, Rule)>> = LazyLock::new(|| {
    let named = Rule::NAMED.iter();
    named.map(|rule| (rule.definition().name, *rule)).collect()
});

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform(s) => write!(f, "uniform:{s}"),
            Self::Ablation(ablation) => ablation.fmt(f),
            named => {
                let known = NAMES.iter().find(|(_, rule)| rule == named);
                f.write_str(known.map_or_else(|| named.definition().name, |(name, _)| name))
            }
        }
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        if let Some(s) = name.strip_prefix("uniform:") {
            let s = uniform::parameter(s).ok_or_else(|| RuleError::BadUniform {
                name: name.to_owned(),
            })?;
            return Ok(Self::Uniform(s));
        }
        if let Some(ablation) = Ablation::parse(name) {
            return Ok(Self::Ablation(ablation?));
        }
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, rule)| *rule).ok_or_else(|| {
            let mut known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
            known.push(uniform::NAME);
            known.extend(ablation::FAMILIES);
            UnknownName::new("rule", known, name).into()
        })
    }
}

impl TryFrom<String> for Rule {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}
