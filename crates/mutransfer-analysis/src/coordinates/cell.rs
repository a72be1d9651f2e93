//! One quantity of one module after one number of updates, and what its slope shows.

use mutransfer::theory::{Layer, Quantity};
use serde::Serialize;

use crate::coordinates::fit::Fit;
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
    /// What that shows.
    pub verdict: Option<Verdict>,
}

impl Cell {
    /// Whether the slope over all widths is as expected.
    pub fn passes_overall(&self) -> bool {
        let lines = self.expected.zip(self.fit);
        lines.is_none_or(|(expected, fit)| fit.all.against(expected, self.at_most) == Verdict::Pass)
    }

    /// How far the slope over all widths is from what is expected.
    pub(super) fn distance(&self) -> f64 {
        let lines = self.expected.zip(self.fit);
        let distance = |expected: f64, fit: Fit| {
            let over = fit.all.slope - expected;
            if self.at_most {
                over.max(0.0)
            } else {
                over.abs()
            }
        };
        lines.map_or(0.0, |(expected, fit)| distance(expected, fit))
    }

    pub(super) fn fails(&self) -> bool {
        self.verdict == Some(Verdict::Fail)
    }
}
