//! What is asked of a table, and what the answer consists of.

use std::collections::BTreeMap;

use serde::Serialize;

use super::gap::Speed;
use super::joint::Joint;
use super::measured::{Measured, Number};
use super::prediction::Prediction;
use super::sweep::Rows;
use super::{Flag, Optimum};

/// What to compare, and how surely.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The rule to compare with; `sp` where it is present if none is named.
    pub reference: Option<String>,
    /// Where to transfer to; the widest of the table if none is named.
    pub target: Option<f64>,
    /// Regret in nats up to which a rule transfers.
    pub tolerance: f64,
    /// Resampled tables behind each interval.
    pub replicates: usize,
    /// Distance in octaves from the best run beyond which the parabola is not fitted.
    pub max_octaves: Option<f64>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            reference: None,
            target: None,
            tolerance: 0.01,
            replicates: 1000,
            max_octaves: None,
        }
    }
}

/// Whether the best hyperparameter of the proxy serves the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transfers {
    /// The interval of the regret ends within the tolerance.
    Transfers,
    /// It begins above it, or training diverges.
    Fails,
    /// It reaches over it, or is not known.
    Undetermined,
}

impl std::fmt::Display for Transfers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Transfers => "transfers",
            Self::Fails => "fails",
            Self::Undetermined => "undetermined",
        })
    }
}

/// The optimum at one value of the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Value of the axis.
    pub at: f64,
    /// How it was found, and what limits trust in it.
    pub optimum: Optimum,
    /// Log2 of the best hyperparameter with its interval; that of the best run where there is no
    /// vertex.
    pub log2: Option<Measured>,
    /// Loss there in nats.
    pub loss: Option<Measured>,
    /// Second derivative of the loss in ln of the hyperparameter, in nats.
    pub curvature: Option<Measured>,
    /// Fewest seeds of any of its runs.
    pub seeds: usize,
    /// Whether it takes part in fits across widths.
    pub fitted: bool,
}

/// From where to where the hyperparameter was carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// The proxy.
    pub from: f64,
    /// The target.
    pub to: f64,
    /// Log2 of the hyperparameter that was carried.
    pub log2: Option<f64>,
    /// Mean loss at the target of runs at just this value, in nats; absent where there are none or
    /// one diverged.
    pub loss: Option<f64>,
    /// Whether the target is in the table; else its curve is extrapolated from the others.
    pub measured: bool,
    /// Whether training diverges there with the proxy's best.
    pub diverged: bool,
}

/// What the table says about one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleAnalysis {
    /// The optimum at each value of the axis, smallest first.
    pub optima: Vec<Best>,
    /// All numbers that could be estimated.
    pub numbers: BTreeMap<Number, Measured>,
    /// The joint fit.
    pub joint: Option<Joint>,
    /// Whether transfer is fast.
    pub fast: Speed,
    /// The optimum at the target as the widths below it foretell it.
    pub prediction: Option<Prediction>,
    /// The transfer whose regret was estimated.
    pub carried: Option<Carried>,
    /// What that regret shows.
    pub verdict: Transfers,
    /// Everything that limits trust in these numbers, worst first.
    pub flags: Vec<Flag>,
    /// Resampled tables behind each interval.
    pub replicates: usize,
}

/// The analysis of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// What grows.
    pub axis: String,
    /// The hyperparameter that was swept.
    pub sweep: String,
    /// The rule that the others are compared with.
    pub reference: Option<String>,
    /// Regret in nats up to which a rule transfers.
    pub tolerance: f64,
    /// What became of the rows.
    pub rows: Rows,
    /// Columns that change along with the axis.
    pub along: Vec<String>,
    /// One entry per rule, by name.
    pub rules: BTreeMap<String, RuleAnalysis>,
}

impl Analysis {
    /// What the swept hyperparameter is called in prose.
    pub fn sweep_name(&self) -> &str {
        match self.sweep.as_str() {
            "lr" => "learning rate",
            other => other,
        }
    }

    /// The rules in the order in which people compare them: the reference first.
    pub fn ordered_rules(&self) -> Vec<(&str, &RuleAnalysis)> {
        let mut rules: Vec<_> = self
            .rules
            .iter()
            .map(|(name, rule)| (name.as_str(), rule))
            .collect();
        rules.sort_by_key(|(name, _)| self.reference.as_deref() != Some(name));
        rules
    }
}
