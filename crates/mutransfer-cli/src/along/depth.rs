//! Blocks: whether the last residual and the weights move as the rule promises.

use std::collections::BTreeSet;

use mutransfer::Optimizer;
use mutransfer::theory::DepthSlopes;
use mutransfer_models::data::Dataset;
use mutransfer_models::updates::{Updates, depth_change};
use mutransfer_models::{Architecture, Error};
use mutransfer_study::rule::NamedRule;

use super::{Ladder, Measured, Usual};
use crate::args::CoordOptions;
use crate::coord::ADAM_RATE;
use crate::failure::Failure;

/// The change of the last residual, and of the matrices inside of branches and at their ends.
const QUANTITIES: [&str; 3] = [
    "change of the last residual",
    "weight change inside branches",
    "weight change at their ends",
];

/// Numbers of blocks, and that of the base.
pub(super) struct Depths {
    all: BTreeSet<usize>,
    base: usize,
}

impl Depths {
    pub(super) fn of(options: &CoordOptions) -> Self {
        let all: BTreeSet<usize> = options.depths.iter().copied().collect();
        let shallowest = all.first().copied().unwrap_or_default();
        Self {
            base: options.base_depth.unwrap_or(shallowest),
            all,
        }
    }
}

impl Ladder for Depths {
    fn name(&self) -> &'static str {
        "depth"
    }

    fn axis(&self) -> &'static str {
        "depth"
    }

    fn usual(&self) -> Usual {
        Usual {
            batch: 1,
            context: 8,
            learning_rate: ADAM_RATE,
        }
    }

    fn values(&self) -> &BTreeSet<usize> {
        &self.all
    }

    fn at(&self, usual: &Architecture, value: usize) -> Architecture {
        Architecture {
            depth: value,
            base_depth: self.base,
            ..usual.clone()
        }
    }

    fn promise(&self, rule: &NamedRule, optimizer: Optimizer) -> Result<Measured, Failure> {
        let table = rule.parametrization().table(optimizer)?;
        let slopes = DepthSlopes::of(&table, optimizer).ok_or_else(|| {
            let message = format!("nothing is known of slopes along depth under {optimizer}");
            Failure::usage(message, Some("take adam or adamw"))
        })?;
        let slopes = [slopes.change, slopes.inside, slopes.ends];
        Ok(QUANTITIES.into_iter().zip(slopes).collect())
    }

    fn measure(&self, updates: &Updates, dataset: &Dataset) -> Result<Measured, Error> {
        let change = depth_change(updates, dataset)?;
        let sizes = [change.residual, change.inside, change.ends];
        Ok(QUANTITIES.into_iter().zip(sizes).collect())
    }
}
