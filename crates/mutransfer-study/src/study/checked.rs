//! A study that makes sense.

use mutransfer::{Hyper, Optimizer};

use crate::allowance::Allowance;
use crate::executor::settings::Settings;
use crate::grid::Grid;
use crate::rule::NamedRule;
use crate::subject::{Description, ModelSizes};
use crate::trial::Budget;

/// A study that makes sense, whether or not its models and data do.
#[derive(Clone, Debug, PartialEq)]
pub struct Study(pub(super) Parts);

/// Everything checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) subject: Description,
    pub(super) rules: Vec<NamedRule>,
    pub(super) optimizer: Optimizer,
    /// Narrowest first, each once.
    pub(super) proxies: Vec<usize>,
    pub(super) target_width: usize,
    /// Of the narrowest proxy.
    pub(super) sizes: ModelSizes,
    pub(super) grid: Grid,
    pub(super) seeds: u64,
    pub(super) proxy_seeds: u64,
    pub(super) first_seed: u64,
    pub(super) budget: Budget,
    /// But for the learning rate.
    pub(super) hyper: Hyper,
    pub(super) allowance: Allowance,
    pub(super) is_verified: bool,
    /// Widths of the coordinate check, narrowest first, and its seeds at most.
    pub(super) check: (Vec<usize>, u64),
    pub(super) settings: Vec<(String, String)>,
    pub(super) executor: Settings,
}

impl Study {
    /// Title of the report and name of the default output folder.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The model, but for its sizes.
    pub fn subject(&self) -> &Description {
        &self.0.subject
    }

    /// Parametrizations to compare, each under a name of its own.
    pub fn rules(&self) -> &[NamedRule] {
        &self.0.rules
    }

    /// Optimizer.
    pub fn optimizer(&self) -> Optimizer {
        self.0.optimizer
    }

    /// Proxy widths, narrowest first, each once.
    pub fn proxies(&self) -> &[usize] {
        &self.0.proxies
    }

    /// Width that the optimum is carried to.
    pub fn target_width(&self) -> usize {
        self.0.target_width
    }

    /// Proxy widths and the target's, narrowest first, each once.
    pub fn all_widths(&self) -> Vec<usize> {
        let mut widths = self.0.proxies.clone();
        widths.push(self.0.target_width);
        widths.sort_unstable();
        widths.dedup();
        widths
    }

    /// Proxy widths and, if it is swept too, the target's behind them.
    pub fn widths(&self) -> Vec<usize> {
        let mut widths = self.0.proxies.clone();
        if self.is_verified() && !widths.contains(&self.0.target_width) {
            widths.push(self.0.target_width);
        }
        widths
    }

    /// How large the model is at a width.
    pub fn sizes(&self, width: usize) -> ModelSizes {
        ModelSizes {
            width,
            ..self.0.sizes
        }
    }

    /// The learning rates.
    pub fn grid(&self) -> &Grid {
        &self.0.grid
    }

    /// Repetitions with other initial weights and batches of the trials at a width.
    pub fn seeds_at(&self, width: usize) -> u64 {
        if self.0.proxies.contains(&width) {
            self.0.proxy_seeds
        } else {
            self.0.seeds
        }
    }

    /// The first of their seeds.
    pub fn first_seed(&self) -> u64 {
        self.0.first_seed
    }

    /// How long every trial trains, and on how much.
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// What is tuned, at a learning rate.
    pub fn hyper(&self, learning_rate: f64) -> Hyper {
        Hyper {
            learning_rate,
            ..self.0.hyper
        }
    }

    /// What every trial may use.
    pub fn allowance(&self) -> Allowance {
        self.0.allowance
    }

    /// Whether the target is swept too, to know what its own best learning rate would have given.
    pub fn is_verified(&self) -> bool {
        self.0.is_verified
    }

    /// Widths of the coordinate check, narrowest first, each once.
    pub fn check_widths(&self) -> &[usize] {
        &self.0.check.0
    }

    /// Seeds of the coordinate check, at most.
    pub fn check_seeds(&self) -> u64 {
        self.0.check.1
    }

    /// Where its trials are run.
    pub fn executor(&self) -> &Settings {
        &self.0.executor
    }

    /// Every key that has a value, as it is written.
    pub fn settings(&self) -> &[(String, String)] {
        &self.0.settings
    }
}
