//! Rotations of a parametrization: the same training with scales moved between multiplier, init and
//! learning rate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::power::Power;
use crate::role::Role;

/// Which multipliers the forward pass applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// TP5 Table 3: none.
    Table3,
    /// TP5 Table 8: 1/m_in on the readout.
    Table8,
    /// TP5 Table 9: √m_out on inputs and 1/√m_in on the readout. Biases and gains stay as they are.
    Table9,
    /// None, for models whose forward pass cannot be touched; as Table 3, whatever the rule.
    Folded,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Table3, Self::Table8, Self::Table9, Self::Folded];

    /// The multiplier of a role in this form.
    pub(crate) fn multiplier(self, role: Role) -> Power {
        match (self, role) {
            (Self::Table8, Role::Output) => Power::fan_in(-1, 1),
            (Self::Table9, Role::Output) => Power::fan_in(-1, 2),
            (Self::Table9, Role::Input) => Power::fan_out(1, 2),
            _ => Power::ONE,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table3 => "table3",
            Self::Table8 => "table8",
            Self::Table9 => "table9",
            Self::Folded => "folded",
        })
    }
}

impl FromStr for Form {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        crate::error::named("form", &Self::ALL, name)
    }
}
