//! One quantity of one module after one number of updates, and what its slope shows.

use mutransfer::theory::{Layer, Quantity};
use serde::Serialize;

use crate::coordinates::fit::{Fit, Promise};
use crate::verdict::Verdict;

/// One quantity of one module after one number of updates.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cell {
    /// Name of the parametrization.
    pub rule: String,
    /// Updates made.
    pub step: usize,
    /// The module.
    pub module: String,
    /// Which end of the network it is.
    #[cfg_attr(test, schemars(with = "String"))]
    pub layer: Layer,
    /// Which quantity.
    #[cfg_attr(test, schemars(with = "String"))]
    pub quantity: Quantity,
    /// The slope that the rule promises; none where it is not judged.
    pub expected: Option<f64>,
    /// Whether the promise is only that it does not grow faster than that.
    pub at_most: bool,
    /// What was measured; none where every size is exactly zero, as it must be with a zero init.
    pub fit: Option<Fit>,
    /// What all cells of its kind show together, where that decided: blocks are alike, and so are
    /// later updates.
    pub pooled: Option<Fit>,
    /// What that shows.
    pub verdict: Option<Verdict>,
    /// Seeds that would decide, if the slope stays; none where it is decided, or nothing says.
    pub enough_seeds: Option<usize>,
}

impl Cell {
    /// The fit that it is judged by.
    pub fn decisive(&self) -> Option<Fit> {
        self.pooled.or(self.fit)
    }

    /// How far the slope is from what is expected.
    pub(super) fn distance(&self) -> f64 {
        let promise = self.expected.map(|slope| Promise {
            slope,
            at_most: self.at_most,
        });
        let both = promise.zip(self.decisive());
        both.map_or(0.0, |(promise, fit)| promise.excess(fit.slope).max(0.0))
    }

    pub(super) fn is_open(&self) -> bool {
        self.verdict == Some(Verdict::Undetermined)
    }

    pub(super) fn fails(&self) -> bool {
        self.verdict == Some(Verdict::Fail)
    }
}
