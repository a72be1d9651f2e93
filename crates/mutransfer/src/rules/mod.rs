//! The parametrizations, one table per rule and optimizer family. Nothing else computes a scale.

mod ablation;
mod mean_field;
mod mup;
mod ntk;
mod sp;
mod spectral;
mod uniform;
mod unit;

use std::fmt;
use std::str::FromStr;

use num_rational::Rational32;
use serde::{Deserialize, Serialize};

pub use ablation::{Ablation, SWITCHES};

use crate::law::Laws;
use crate::options::{Alignment, Options};
use crate::{Error, Family, Power};

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
    /// Neural tangent parametrization.
    Ntk,
    /// Mean field parametrization.
    MeanField,
    /// Maximal update parametrization, multiplier form (TP5 Table 8).
    Mup,
    /// UP_s, from μP (s = 0) to the neural tangent parametrization (s = 1/2).
    Uniform(Rational32),
    /// u-μP: unit-scaled, without a base.
    UnitMup,
    /// The spectral condition.
    Spectral,
    /// Between SP and μP, with some of four switches.
    Ablation(Ablation),
}

/// The one of the laws that is for `family`, from those of all families in the order of
/// [`Family::ALL`].
fn of_family([raw, entrywise, frobenius, spectral]: [Laws; 4], family: Family) -> Laws {
    match family {
        Family::RawGradient => raw,
        Family::Entrywise => entrywise,
        Family::Frobenius => frobenius,
        Family::Spectral => spectral,
    }
}

impl Rule {
    /// Those without an argument.
    pub const NAMED: [Self; 9] = [
        Self::Sp,
        Self::SpConstantStd,
        Self::SpInverseWidth,
        Self::SpPerLayer,
        Self::Ntk,
        Self::MeanField,
        Self::Mup,
        Self::UnitMup,
        Self::Spectral,
    ];

    /// Its laws for optimizers of a family, in its own form; none where none is published.
    pub(crate) fn laws(self, family: Family, options: &Options) -> Option<Laws> {
        let all = |laws: [Laws; 4]| Some(of_family(laws, family));
        match self {
            Self::Sp => Some(sp::FAN_IN),
            Self::SpConstantStd => Some(sp::CONSTANT_STD),
            Self::SpInverseWidth => Some(sp::INVERSE_WIDTH),
            Self::SpPerLayer if family == Family::Spectral => None,
            Self::SpPerLayer => match options.alignment {
                Alignment::Full => all([
                    sp::aligned::RAW_GRADIENT,
                    sp::aligned::ENTRYWISE,
                    sp::aligned::FROBENIUS,
                    sp::aligned::ENTRYWISE,
                ]),
                Alignment::None => all([
                    sp::unaligned::RAW_GRADIENT,
                    sp::unaligned::ENTRYWISE,
                    sp::unaligned::FROBENIUS,
                    sp::unaligned::ENTRYWISE,
                ]),
            },
            Self::Ntk => all([
                ntk::RAW_GRADIENT,
                ntk::ENTRYWISE,
                ntk::FROBENIUS,
                ntk::SPECTRAL,
            ]),
            Self::MeanField => all([
                mean_field::RAW_GRADIENT,
                mean_field::ENTRYWISE,
                mean_field::FROBENIUS,
                mean_field::SPECTRAL,
            ]),
            Self::Mup => all([
                mup::RAW_GRADIENT,
                mup::ENTRYWISE,
                mup::FROBENIUS,
                mup::SPECTRAL,
            ]),
            Self::Uniform(s) => Some(uniform::laws(family, s)),
            Self::UnitMup => match family {
                Family::RawGradient => Some(unit::RAW_GRADIENT),
                Family::Entrywise => Some(unit::ENTRYWISE),
                Family::Frobenius | Family::Spectral => None,
            },
            Self::Spectral => all([
                spectral::RAW_GRADIENT,
                spectral::ENTRYWISE,
                spectral::FROBENIUS,
                spectral::SPECTRAL,
            ]),
            Self::Ablation(ablation) => (family == Family::Entrywise).then(|| ablation.laws()),
        }
    }

    /// Factor on the attention scale `1/√head_dim`, as a power of the head dimension's ratio.
    pub(crate) fn attention(self) -> Power {
        match self {
            Self::Ablation(ablation) => ablation.attention(),
            _ if self.is_standard() => Power::ONE,
            _ => mup::ATTENTION,
        }
    }

    /// Whether it is what frameworks do, without multipliers in any form and without a law of
    /// depth.
    pub fn is_standard(self) -> bool {
        matches!(
            self,
            Self::Sp | Self::SpConstantStd | Self::SpInverseWidth | Self::SpPerLayer
        )
    }

    /// Whether its ratios are the sizes themselves, without a base.
    pub fn is_absolute(self) -> bool {
        self == Self::UnitMup
    }

    /// The rotation of the parametrization that its table is written in.
    pub fn form(self) -> &'static str {
        match self {
            Self::Mup | Self::Uniform(_) => "table8",
            Self::Spectral => "table3",
            _ if self.is_standard() => "standard",
            _ => "own",
        }
    }

    /// What it is, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Sp => "standard: initial variance 1/fan_in, one learning rate (TP4 Table 1)",
            Self::SpConstantStd => {
                "standard with a constant initial standard deviation (2505.01618 Table 1)"
            }
            Self::SpInverseWidth => {
                "standard with the learning rate divided by the width (TP4 Table 1)"
            }
            Self::SpPerLayer => {
                "standard with the largest stable learning rate per layer (2407.05872)"
            }
            Self::Ntk => "neural tangent: no feature learning (TP4 Table 1, 2308.01814 Def. 2.4.1)",
            Self::MeanField => "mean field: μP with all weights of variance one (2407.05872)",
            Self::Mup => "maximal update, multiplier form (TP5 Table 8)",
            Self::Uniform(_) => "uniform family from μP (0) to neural tangent (1/2) (TP4 App. G)",
            Self::UnitMup => "unit-scaled μP without a base (2407.17465 Table 2)",
            Self::Spectral => "spectral condition (2310.17813)",
            Self::Ablation(_) => "between SP and μP, switch by switch (2605.21486)",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sp => "sp",
            Self::SpConstantStd => "sp-constant-std",
            Self::SpInverseWidth => "sp-inverse-width",
            Self::SpPerLayer => "sp-per-layer",
            Self::Ntk => "ntk",
            Self::MeanField => "mean-field",
            Self::Mup => "mup",
            Self::Uniform(s) => return write!(f, "uniform:{s}"),
            Self::UnitMup => "u-mup",
            Self::Spectral => "spectral",
            Self::Ablation(ablation) => return ablation.fmt(f),
        })
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        if let Some(s) = name.strip_prefix("uniform:") {
            let half = Rational32::new(1, 2);
            let s =
                crate::power::exponent_from(s).filter(|s| (Rational32::from(0)..=half).contains(s));
            return s.map(Self::Uniform).ok_or_else(|| Error::BadUniform {
                name: name.to_owned(),
            });
        }
        match Ablation::parse(name) {
            Some(ablation) => ablation.map(Self::Ablation),
            None => Self::NAMED
                .into_iter()
                .find(|rule| rule.to_string() == name)
                .ok_or_else(|| {
                    let mut known: Vec<String> = Self::NAMED.iter().map(Self::to_string).collect();
                    known.extend(["uniform:S", "sp+SWITCH", "mup-SWITCH"].map(String::from));
                    crate::error::unknown("rule", &known, name)
                }),
        }
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
