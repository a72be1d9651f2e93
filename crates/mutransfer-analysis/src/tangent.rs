//! How far training takes a network from its start, against width: the exponents of its features
//! and of its neural tangent kernel, seed by seed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::fix::Fix;
use crate::statistics::estimate::Estimate;
use crate::statistics::line::Line;

/// How far training took one network from its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TangentRow {
    /// Name of the parametrization.
    pub rule: String,
    /// Width of the model.
    pub width: usize,
    /// Seed of the initial weights and the examples.
    pub seed: u64,
    /// Relative change of the last activations.
    pub features: f64,
    /// Relative change of the neural tangent kernel.
    pub kernel: f64,
    /// Loss before training.
    pub first_loss: f64,
    /// Loss after training.
    pub last_loss: f64,
}

/// What training changes in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Changed {
    /// Its last activations.
    Features,
    /// Its neural tangent kernel.
    Kernel,
}

impl Changed {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Features, Self::Kernel];

    /// The relative change of one run.
    pub fn of(self, row: &TangentRow) -> f64 {
        match self {
            Self::Features => row.features,
            Self::Kernel => row.kernel,
        }
    }
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// How one relative change follows the width under one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slope {
    /// Name of the parametrization.
    pub rule: String,
    /// What changes.
    pub changed: Changed,
    /// Slope of log2 of the change against log2 of the width.
    pub slope: Estimate,
    /// Log2 of the change at each width.
    pub log2_change: BTreeMap<usize, Estimate>,
}

/// Measurements without an exponent.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum TangentError {
    /// There are no rows.
    #[error("no rows to analyse")]
    Empty,
    /// A change has no logarithm.
    #[error(
        "rule {rule}, width {width}, seed {seed}: the relative change of the {changed} is {change}"
    )]
    Change {
        /// Name of the parametrization.
        rule: String,
        /// Width of the model.
        width: usize,
        /// Seed of the run.
        seed: u64,
        /// What changed.
        changed: Changed,
        /// By how much.
        change: f64,
    },
    /// A single width has no slope.
    #[error("rule {rule}, seed {seed}: measured at a single width, which has no slope")]
    OneWidth {
        /// Name of the parametrization.
        rule: String,
        /// Seed of the run.
        seed: u64,
    },
}

impl TangentError {
    /// What to do about it.
    pub fn fix(&self) -> Fix {
        Fix::Do(match self {
            Self::Empty => "run the study first, or check that the file is the right one",
            Self::Change { .. } => "a rule under which training does nothing has no exponent",
            Self::OneWidth { .. } => "measure at two widths or more",
        })
    }
}

/// The slopes of both changes for every rule, in the order in which the rules first occur.
///
/// # Errors
/// When a change is not positive, or a rule or seed was measured at a single width.
pub fn slopes(rows: &[TangentRow]) -> Result<Vec<Slope>, TangentError> {
    if rows.is_empty() {
        return Err(TangentError::Empty);
    }
    let mut seen = BTreeSet::new();
    let mut slopes = Vec::new();
    for row in rows {
        if seen.insert(&row.rule) {
            for changed in Changed::ALL {
                slopes.push(slope(rows, &row.rule, changed)?);
            }
        }
    }
    Ok(slopes)
}

fn slope(rows: &[TangentRow], rule: &str, changed: Changed) -> Result<Slope, TangentError> {
    let mut by_seed: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    let mut by_width: BTreeMap<usize, BTreeMap<u64, f64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.rule == rule) {
        let (x, y) = ((row.width as f64).log2(), log2_change(row, changed)?);
        by_seed.entry(row.seed).or_default().push((x, y));
        by_width.entry(row.width).or_default().insert(row.seed, y);
    }
    let mut slopes = Vec::new();
    for (&seed, points) in &mut by_seed {
        // Sums must not depend on the order of the rows.
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let line = Line::through(points).ok_or_else(|| TangentError::OneWidth {
            rule: rule.to_owned(),
            seed,
        })?;
        slopes.push(line.slope());
    }
    let mut log2_change = BTreeMap::new();
    for (width, changes) in by_width {
        let changes: Vec<f64> = changes.into_values().collect();
        log2_change.insert(width, Estimate::of(&changes));
    }
    Ok(Slope {
        rule: rule.to_owned(),
        changed,
        slope: Estimate::of(&slopes),
        log2_change,
    })
}

fn log2_change(row: &TangentRow, changed: Changed) -> Result<f64, TangentError> {
    let change = changed.of(row);
    if change.is_finite() && change > 0.0 {
        return Ok(change.log2());
    }
    Err(TangentError::Change {
        rule: row.rule.clone(),
        width: row.width,
        seed: row.seed,
        changed,
        change,
    })
}
