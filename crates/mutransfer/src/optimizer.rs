//! Optimizers, as far as scaling is concerned.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What an optimizer's update looks like. Each family has its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The update is linear in the gradient.
    RawGradient,
    /// The update's entries are of order one whatever the gradient's size.
    Entrywise,
}

/// How weight decay enters the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// `g ← g + wd·w` before the optimizer sees the gradient.
    L2,
    /// `w ← w·(1 − lr·wd)`, with the learning rate of the step.
    TimesLr,
}

/// The optimizers that plans can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Stochastic gradient descent, with or without momentum.
    Sgd,
    /// Adam, with weight decay added to the gradient.
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
}

impl Optimizer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sgd, Self::Adam, Self::AdamW];

    /// The kind of update it makes.
    pub fn family(self) -> Family {
        match self {
            Self::Sgd => Family::RawGradient,
            Self::Adam | Self::AdamW => Family::Entrywise,
        }
    }

    /// How it applies weight decay.
    pub fn decay(self) -> Decay {
        match self {
            Self::Sgd | Self::Adam => Decay::L2,
            Self::AdamW => Decay::TimesLr,
        }
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sgd => "sgd",
            Self::Adam => "adam",
            Self::AdamW => "adamw",
        })
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        crate::error::named("optimizer", &Self::ALL, name)
    }
}
