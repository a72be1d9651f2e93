//! Rotations of a parametrization: the same training with scales moved between multiplier, init and
//! learning rate.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::names::{UnknownName, all};
use crate::power::Power;
use crate::role::Role;

/// Which multipliers the forward pass applies.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownName, parse_err_fn = unknown_form)]
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

fn unknown_form(name: &str) -> UnknownName {
    UnknownName::new("form", Form::VARIANTS, name)
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = all(Self::VARIANTS);

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
