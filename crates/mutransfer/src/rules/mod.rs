//! The parametrizations, one table per rule and optimizer family. Nothing else computes a scale.

mod mup;
mod sp;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Family, Table};

/// A published parametrization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Standard parametrization: initial variance 1/fan-in, one learning rate for all.
    Sp,
    /// Maximal update parametrization, multiplier form (TP5 Table 8).
    Mup,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sp, Self::Mup];

    /// Its laws for optimizers of a family.
    pub fn table(self, family: Family) -> Table {
        match (self, family) {
            (Self::Sp, _) => sp::TABLE,
            (Self::Mup, Family::RawGradient) => mup::RAW_GRADIENT,
            (Self::Mup, Family::Entrywise) => mup::ENTRYWISE,
        }
    }

    /// The rotation of the parametrization that its table is written in.
    pub fn form(self) -> &'static str {
        match self {
            Self::Sp => "standard",
            Self::Mup => "table8",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sp => "sp",
            Self::Mup => "mup",
        })
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        crate::error::named("rule", &Self::ALL, name)
    }
}
