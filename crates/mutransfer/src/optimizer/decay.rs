//! Conventions of weight decay.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::names::{UnknownName, all};

/// How weight decay enters the step.
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(
    serialize_all = "kebab-case",
    parse_err_ty = UnknownName,
    parse_err_fn = unknown_decay
)]
pub enum Decay {
    /// `g ← g + wd·w` before the optimizer sees the gradient.
    L2,
    /// `w ← w·(1 − lr·wd)`, with the learning rate of the step.
    TimesLr,
    /// `w ← w·(1 − s·wd)`, with the schedule's factor `s` only.
    Independent,
}

fn unknown_decay(name: &str) -> UnknownName {
    UnknownName::new("weight decay", Decay::VARIANTS, name)
}

impl Decay {
    /// All of them.
    pub const ALL: [Self; 3] = all(Self::VARIANTS);
}
