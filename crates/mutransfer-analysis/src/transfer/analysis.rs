//! What is asked of a table, and what the answer consists of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::statistics::measured::Measured;
use crate::statistics::needed::Needed;
use crate::table::sweep::Rows;
use crate::transfer::flag::Flag;
use crate::transfer::gap::Speed;
use crate::transfer::joint::Joint;
use crate::transfer::number::{Numbers, all_keys};
use crate::transfer::prediction::Prediction;
use crate::transfer::sharing::Sharing;

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
    /// Distance in octaves from the best run beyond which the valley is not fitted, in place of the
    /// usual 1.5, or 2 where that holds fewer than five values.
    pub max_octaves: Option<f64>,
    /// What seeds mean.
    pub seeds: Seeds,
}

/// What runs of one seed have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Seeds {
    /// Data and initial draws, and with them most of their noise, as in studies.
    #[default]
    Shared,
    /// Nothing: their numbers only count runs.
    Independent,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            reference: None,
            target: None,
            tolerance: 0.01,
            replicates: 1000,
            max_octaves: None,
            seeds: Seeds::Shared,
        }
    }
}

/// Whether the best hyperparameter of the proxy serves the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Transfers {
    /// The interval of the regret ends within the tolerance.
    Transfers,
    /// It begins above it, and the optimum has surely moved, or training diverges.
    Fails,
    /// It reaches over it, is not known, or cannot be relied on.
    Undetermined,
}

impl std::fmt::Display for Transfers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// The optimum at one value of the axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Best {
    /// Value of the axis.
    pub at: f64,
    /// The best hyperparameter: the bottom of the fitted valley, or that of the best run where
    /// there is none.
    pub value: Option<f64>,
    /// Its base-2 logarithm.
    pub log2: Option<Measured>,
    /// Loss there in nats.
    pub loss: Option<Measured>,
    /// Second derivative of the loss in ln of the hyperparameter, in nats.
    pub curvature: Option<Measured>,
    /// Log2 of the hyperparameter of the best run.
    pub raw_log2: Option<f64>,
    /// Mean loss of the best run in nats.
    pub raw_loss: Option<f64>,
    /// Everything that limits trust in this optimum, worst first.
    pub flags: Vec<Flag>,
    /// Whether it takes part in fits across widths.
    pub fitted: bool,
    /// Values of the hyperparameter that were tried.
    pub tried: usize,
    /// Of these, those at which a run diverged.
    pub diverged: usize,
    /// Fewest seeds at any of the values that the valley was fitted to, or at any value where there
    /// is none.
    pub seeds: usize,
}

/// From where to where the hyperparameter was carried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Carried {
    /// The proxy.
    pub from: f64,
    /// The target.
    pub to: f64,
    /// The hyperparameter that was carried.
    pub value: Option<f64>,
    /// Its base-2 logarithm.
    pub log2: Option<f64>,
    /// Mean loss at the target of runs at just this value, in nats; null where there are none or
    /// one diverged.
    pub loss: Option<f64>,
    /// Seeds of these runs; 0 where there are none.
    pub seeds: usize,
    /// Whether the target is in the table; else its curve is extrapolated from the others.
    pub measured: bool,
    /// Whether training diverges there with the proxy's best.
    pub diverged: bool,
}

/// What the table says about one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RuleAnalysis {
    /// The optimum at each value of the axis, smallest first.
    pub optima: Vec<Best>,
    /// All numbers that could be estimated.
    #[serde(flatten, with = "all_keys")]
    #[cfg_attr(test, schemars(with = "crate::transfer::number::schema::AllNumbers"))]
    pub numbers: Numbers,
    /// The joint fit.
    pub joint: Option<Joint>,
    /// Whether transfer is fast.
    pub fast: Speed,
    /// The optimum at the target as the widths below it foretell it.
    pub prediction: Option<Prediction>,
    /// The transfer whose regret was estimated.
    #[serde(rename = "transfer")]
    pub carried: Option<Carried>,
    /// What that regret shows.
    pub verdict: Transfers,
    /// How many seeds would decide where that is undetermined, if the numbers stayed; null where
    /// nothing tells.
    pub seeds_to_decide: Option<Needed>,
    /// What the runs say about what seeds share.
    pub sharing: Sharing,
    /// Everything that limits trust in these numbers, worst first.
    pub flags: Vec<Flag>,
    /// Resampled tables behind each interval.
    pub replicates: usize,
}

/// The analysis of a table.
///
/// Losses are in nats, logarithms of the hyperparameter base 2, so that one unit is an octave, a
/// factor of two. Its JSON has fixed keys: names of columns are values, and only rules are looked
/// up by their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Analysis {
    /// What grows: the name of its column.
    pub axis: String,
    /// The hyperparameter that was swept: the name of its column.
    pub sweep: String,
    /// The rule that the others are compared with.
    pub reference: Option<String>,
    /// The target asked for; null where each rule's widest stands in.
    pub target: Option<f64>,
    /// Regret in nats up to which a rule transfers.
    pub tolerance: f64,
    /// What seeds were taken to mean.
    pub seeds: Seeds,
    /// What became of the rows.
    pub rows: Rows,
    /// Columns that change along with the axis.
    pub along: Vec<String>,
    /// One entry per rule, by name.
    pub rules: BTreeMap<String, RuleAnalysis>,
}

impl RuleAnalysis {
    /// The optimum at a value of the axis, where there were runs.
    pub fn at(&self, at: f64) -> Option<&Best> {
        self.optima.iter().find(|best| best.at == at)
    }
}

impl Analysis {
    /// What the swept hyperparameter is called in prose.
    pub fn sweep_name(&self) -> &str {
        match self.sweep.as_str() {
            "lr" => "learning rate",
            other => other,
        }
    }

    /// Why an optimum should be read with care, in the names of this table.
    pub fn explain(&self, flag: Flag) -> String {
        flag.explanation(&self.axis, self.sweep_name())
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
