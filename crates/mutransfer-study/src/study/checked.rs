//! A study that makes sense.

use mutransfer::{Hyper, Optimizer};

use super::ladder::Ladder;
use super::searched::Searched;
use crate::allowance::Allowance;
use crate::axis::{At, Axis, Rung};
use crate::executor::settings::Settings;
use crate::grid::Grid;
use crate::rule::NamedRule;
use crate::subject::Description;

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
    pub(super) ladder: Ladder,
    pub(super) grid: Grid,
    pub(super) seeds: u64,
    pub(super) proxy_seeds: u64,
    pub(super) first_seed: u64,
    /// But for the learning rate.
    pub(super) hyper: Hyper,
    pub(super) allowance: Allowance,
    pub(super) is_verified: bool,
    /// Widths of the coordinate check, narrowest first, and its seeds at most.
    pub(super) check: (Vec<usize>, u64),
    pub(super) settings: Vec<(String, String)>,
    pub(super) executor: Settings,
    pub(super) searched: Option<Searched>,
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

    /// Sizes of the proxies, smallest first, each once.
    pub fn proxies(&self) -> &[Rung] {
        &self.0.ladder.proxies
    }

    /// Sizes that the optimum is carried to.
    pub fn target(&self) -> &Rung {
        &self.0.ladder.target
    }

    /// Those of proxies and target, smallest first, each once.
    pub fn all_sizes(&self) -> Vec<Rung> {
        self.0.ladder.all()
    }

    /// Those of the proxies and, if it is swept too, the target's behind them.
    pub fn swept(&self) -> Vec<Rung> {
        let mut swept = self.proxies().to_vec();
        if self.is_verified() && !swept.contains(self.target()) {
            swept.push(*self.target());
        }
        swept
    }

    /// What grows from the proxies to the target.
    pub fn axis(&self) -> Axis {
        self.0.ladder.axis
    }

    /// How large something is along that.
    pub fn at(&self, rung: &Rung) -> At {
        self.axis().at(rung)
    }

    /// Sizes in words: along all axes that differ within the study.
    pub fn words(&self, rung: &Rung) -> String {
        match &self.0.ladder.grows[..] {
            [] => rung.along(&[self.axis()]),
            grows => rung.along(grows),
        }
    }

    /// Tokens that reach an expert in a step, on average, where they are fewest; none without
    /// experts.
    pub fn tokens_per_expert(&self) -> Option<f64> {
        let of = |Rung { sizes, budget }: Rung| {
            let experts = sizes.experts?;
            let tokens = (budget.batch * sizes.context * experts.active) as f64;
            Some(tokens / experts.count as f64)
        };
        self.all_sizes().into_iter().filter_map(of).reduce(f64::min)
    }

    /// What values of the axis stand for, where that is not plain: the sizes in words, smallest
    /// first.
    pub fn legend(&self) -> Option<String> {
        if self.axis() != Axis::Compute {
            return None;
        }
        let sizes = self.all_sizes().into_iter();
        let told = sizes.map(|rung| format!("{} is {}", self.at(&rung), self.words(&rung)));
        Some(told.collect::<Vec<_>>().join("; "))
    }

    /// The learning rates.
    pub fn grid(&self) -> &Grid {
        &self.0.grid
    }

    /// Repetitions with other initial weights and batches of the trials of a size.
    pub fn seeds_at(&self, rung: &Rung) -> u64 {
        if self.proxies().contains(rung) {
            self.0.proxy_seeds
        } else {
            self.0.seeds
        }
    }

    /// Repetitions of what is confirmed and carried, at whichever size.
    pub(crate) fn seeds(&self) -> u64 {
        self.0.seeds
    }

    /// Repetitions of the runs of a search, all with the same seeds.
    pub(crate) fn search_seeds(&self) -> u64 {
        self.0.proxy_seeds
    }

    /// How often a size is doubled, along what grows, until it is another.
    pub(crate) fn doublings(&self, from: &Rung, to: &Rung) -> f64 {
        (self.at(to).get() / self.at(from).get()).log2()
    }

    /// The first of their seeds.
    pub fn first_seed(&self) -> u64 {
        self.0.first_seed
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

    /// Widths of the coordinate check, narrowest first, each once; none where the study does not
    /// grow in width.
    pub fn check_widths(&self) -> &[usize] {
        &self.0.check.0
    }

    /// Seeds of the coordinate check, at most.
    pub fn check_seeds(&self) -> u64 {
        self.0.check.1
    }

    /// What of them is searched for on a proxy in place of being swept; none where all is given.
    pub fn searched(&self) -> Option<&Searched> {
        self.0.searched.as_ref()
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
