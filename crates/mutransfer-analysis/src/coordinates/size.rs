//! One measurement of a coordinate check.

use std::collections::BTreeSet;
use std::sync::Arc;

use mutransfer::theory::{Layer, Quantity};
use serde::{Serialize, Serializer};

/// The size of one module's activations in the coordinate check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coordinate {
    /// Name of the parametrization.
    #[serde(serialize_with = "name")]
    pub rule: Arc<str>,
    /// Width of the model.
    pub width: usize,
    /// Seed of the initial weights.
    pub seed: u64,
    /// Updates made before this forward pass; 0 is the untrained model.
    pub step: usize,
    /// Module that was measured.
    #[serde(serialize_with = "name")]
    pub module: Arc<str>,
    /// Which end of the network it is.
    pub layer: Layer,
    /// What was measured of it.
    pub quantity: Quantity,
    /// Mean of the absolute values, `l1` in the literature.
    pub l1: f64,
    /// Root of the mean square.
    pub l2: f64,
    /// Standard deviation.
    pub std: f64,
}

impl Coordinate {
    /// The rules of measurements.
    pub fn rules(rows: &[Self]) -> BTreeSet<&str> {
        // Rows of a rule follow one another, and there may be a million.
        let blocks = rows.chunk_by(|one, next| one.rule == next.rule);
        blocks.map(|block| &*block[0].rule).collect()
    }
}

fn name<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}
