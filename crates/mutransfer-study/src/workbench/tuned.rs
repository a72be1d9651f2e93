//! What a search, its confirmation and its transfer have found.

use mutransfer_analysis::Measured;
use serde::{Serialize, Serializer};

use super::drift::Drift;
use crate::search::Report;

/// Hyperparameters by their names, in the order of the axes of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Values(pub Vec<(String, f64)>);

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// What was found, carried, and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tuned {
    /// By rule, in the order of the study.
    pub rules: Vec<TunedRule>,
    /// What the target gives when it is searched itself, if that was asked for.
    pub compared: Vec<Compared>,
}

/// What was found under a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TunedRule {
    /// Name of the rule.
    pub rule: String,
    /// The recommended values.
    pub values: Values,
    /// Where they were searched.
    pub proxy: String,
    /// What the search says of them, in octaves.
    pub report: Report,
    /// The largest proxy beside it.
    pub confirmed: Confirmed,
    /// The target with these values.
    pub target: AtTarget,
    /// Operations of all these trainings but those of the target.
    pub operations: f64,
}

/// Whether the optimum is where it was found, at another size and with more seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confirmed {
    /// The size.
    pub at: String,
    /// Its loss with the recommended values.
    pub loss: Option<Measured>,
    /// What the neighbours lose by comparison, seed by seed; none where one diverged.
    pub neighbours: Vec<Neighbour>,
    /// Octaves of the learning rate by which the optimum lies off, by these losses and the
    /// curvature of the search; none where that is not searched or not curved.
    pub shift: Option<Measured>,
}

/// A point beside the recommended one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbour {
    /// Its values.
    pub values: Values,
    /// Its loss minus that of the recommended values.
    pub difference: Option<Measured>,
}

/// The target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtTarget {
    /// Its size.
    pub at: String,
    /// Its loss; none where it diverged.
    pub loss: Option<Measured>,
    /// How far that is expected to be above the best there, from the search and the drift of the
    /// learning rate between the sizes; none where the loss is not curved.
    pub expected_regret: Option<f64>,
    /// And at most, with 95 % probability.
    pub regret_bound: Option<f64>,
    /// What the drift of the learning rate is taken to be.
    pub drift: Drift,
    /// Operations of a training.
    pub operations: f64,
}

/// A search at the target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Name of the rule.
    pub rule: String,
    /// The values that were found.
    pub values: Values,
    /// What the search says of them.
    pub report: Report,
    /// The target with them; none where it diverged.
    pub loss: Option<Measured>,
    /// The loss of what was carried minus this one, seed by seed.
    pub difference: Option<Measured>,
    /// Operations of the search.
    pub operations: f64,
}
