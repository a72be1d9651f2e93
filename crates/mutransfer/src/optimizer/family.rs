//! Kinds of updates.

use strum::VariantArray;

use crate::names::{UnknownName, all};
use crate::role::Role;

/// What an optimizer's update looks like. Each family has its own table.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::Display,
    strum::EnumString,
    VariantArray,
)]
#[strum(
    serialize_all = "kebab-case",
    parse_err_ty = UnknownName,
    parse_err_fn = unknown_family
)]
pub enum Family {
    /// The update is linear in the gradient.
    RawGradient,
    /// The update's entries are of order one whatever the gradient's size (2308.01814 section 2.1).
    Entrywise,
    /// The update has the Frobenius norm of the weights (TP5 B.3).
    Frobenius,
    /// The update has spectral norm one, times the optimizer's own factor.
    Spectral,
}

fn unknown_family(name: &str) -> UnknownName {
    UnknownName::new("optimizer family", Family::VARIANTS, name)
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = all(Self::VARIANTS);

    /// That of the updates to parameters of a role: Muon leaves all but matrices inside to Adam.
    pub(crate) fn at(self, role: Role) -> Self {
        if self == Self::Spectral && !role.is_inside() {
            Self::Entrywise
        } else {
            self
        }
    }
}
