//! What a few updates do to a transformer of one width, against its depth or its experts.

mod depth;
mod experts;

use mutransfer::{Hyper, Optimizer, Parametrization};
use mutransfer_study::subject::Batches;

pub use depth::{DepthChange, depth_change};
pub use experts::{ExpertChange, expert_change};

use crate::architecture::Architecture;
use crate::data::Dataset;
use crate::error::Error;
use crate::trainer::{Training, trainer};

/// How a transformer is trained to see that.
#[derive(Clone, Debug)]
pub struct Updates<'a> {
    /// The model with its sizes and those of the base.
    pub architecture: Architecture,
    /// Its width, which is the base's too.
    pub width: usize,
    /// The parametrization.
    pub rule: &'a Parametrization,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// What it trains with.
    pub hyper: &'a Hyper,
    /// The batch of every update.
    pub batches: Batches,
    /// How many there are.
    pub steps: usize,
}

impl Updates<'_> {
    /// The model before the first of them.
    fn start<'d>(&self, dataset: &'d Dataset) -> Result<Box<dyn Training + 'd>, Error> {
        let (width, rule) = (self.width, self.rule.clone());
        let plan = self.architecture.plan(width, width, rule, self.optimizer)?;
        trainer(
            &self.architecture,
            width,
            &plan,
            self.hyper,
            dataset,
            self.batches,
        )
    }

    fn make(&self, trainer: &mut dyn Training) {
        for _ in 0..self.steps {
            trainer.step(1.0);
        }
    }
}
