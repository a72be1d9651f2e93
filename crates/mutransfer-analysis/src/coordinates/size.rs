//! One measurement of a coordinate check.

use mutransfer::theory::{Layer, Quantity};
use serde::{Deserialize, Serialize};

/// The size of one module's activations in the coordinate check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinate {
    /// Name of the parametrization.
    pub rule: String,
    /// Width of the model.
    pub width: usize,
    /// Seed of the initial weights.
    pub seed: u64,
    /// Updates made before this forward pass; 0 is the untrained model.
    pub step: usize,
    /// Module that was measured.
    pub module: String,
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
