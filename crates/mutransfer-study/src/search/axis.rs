//! What is searched, and how.

use serde::{Deserialize, Serialize};

use super::error::SearchError;

/// Axes at most: the points that are tried grow with them, and are some hundred at most.
const MOST_AXES: usize = 12;

/// One coordinate, in octaves: the logarithm to base 2 of a hyperparameter, or of what decouples it
/// from the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What it is called.
    pub name: String,
    /// Where the search begins.
    pub start: f64,
    /// The lower end of its range, if it has one.
    pub low: Option<f64>,
    /// The upper end of its range, if it has one.
    pub high: Option<f64>,
}

impl Axis {
    /// An axis without limits.
    pub fn new(name: impl Into<String>, start: f64) -> Self {
        let (name, low, high) = (name.into(), None, None);
        Self {
            name,
            start,
            low,
            high,
        }
    }

    pub(super) fn limits(&self) -> (f64, f64) {
        let low = self.low.unwrap_or(f64::NEG_INFINITY);
        (low, self.high.unwrap_or(f64::INFINITY))
    }

    fn check(&self) -> Result<(), SearchError> {
        let (low, high) = self.limits();
        if self.start.is_finite() && low <= self.start && self.start <= high && low < high {
            return Ok(());
        }
        Err(SearchError::Range {
            name: self.name.clone(),
            start: self.start,
            low,
            high,
        })
    }
}

/// How a search goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Expected regret at which it stops, in units of the loss. It is the scale of everything else:
    /// losses further than 30 times as much above the best are as good as diverged.
    pub tolerance: f64,
    /// Runs at most.
    pub budget: usize,
    /// Runs that are asked for at once, for so many workers.
    pub at_once: usize,
    /// Of its draws: the same seed asks for the same runs.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: 0.002,
            budget: 40,
            at_once: 1,
            seed: 0,
        }
    }
}

/// Checks everything that a search is made of.
pub(super) fn check(axes: &[Axis], settings: &Settings) -> Result<(), SearchError> {
    if axes.is_empty() {
        return Err(SearchError::NoAxis);
    }
    if axes.len() > MOST_AXES {
        return Err(SearchError::TooMany {
            count: axes.len(),
            most: MOST_AXES,
        });
    }
    for (number, axis) in axes.iter().enumerate() {
        axis.check()?;
        if axes[..number].iter().any(|other| other.name == axis.name) {
            let name = axis.name.clone();
            return Err(SearchError::Twice { name });
        }
    }
    let positive = |key, value: f64, wanted| {
        if value > 0.0 && value.is_finite() {
            Ok(())
        } else {
            Err(SearchError::Setting { key, value, wanted })
        }
    };
    positive("tolerance", settings.tolerance, "a positive number")?;
    positive("budget", settings.budget as f64, "1 or more")?;
    positive("at_once", settings.at_once as f64, "1 or more")
}
