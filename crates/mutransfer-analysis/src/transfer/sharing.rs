//! What the data say about what runs of one seed share: correlations over seeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::statistics::distribution::exceeds;
use crate::statistics::sample::mean;
use crate::table::sweep::Trials;
use crate::transfer::analysis::Seeds;
use crate::transfer::rule::Rule;

/// Runs to spare below which a correlation says nothing.
const FEWEST: usize = 4;

/// How losses of one seed go together, near the optima: correlations over seeds, pooled over all
/// pairs; null where there are too few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sharing {
    /// At neighbouring values of the hyperparameter.
    pub values: Option<f64>,
    /// At neighbouring values of the axis, averaged over values of the hyperparameter.
    pub sizes: Option<f64>,
    /// Of this rule and of the reference, in the same way.
    pub rules: Option<f64>,
}

/// Probability with which levels that have nothing in common seem to.
const CHANCE: f64 = 0.05;

/// Losses by seed, ascending.
pub(crate) type BySeed = Vec<(u64, f64)>;

/// Products of the deviations of two losses of one seed, summed.
#[derive(Default)]
struct Pairs {
    squares: [f64; 2],
    products: f64,
    freedom: usize,
}

impl Pairs {
    /// Adds the seeds that both have.
    fn add(&mut self, one: &BySeed, other: &BySeed) {
        let both: Vec<(f64, f64)> = common(one, other)
            .into_iter()
            .map(|(_, one, other)| (one, other))
            .collect();
        if both.len() < 2 {
            return;
        }
        let (ones, others): (Vec<f64>, Vec<f64>) = both.iter().copied().unzip();
        let (one_mean, other_mean) = (mean(&ones), mean(&others));
        for (one, other) in both {
            let (a, b) = (one - one_mean, other - other_mean);
            self.squares[0] += a * a;
            self.squares[1] += b * b;
            self.products += a * b;
        }
        self.freedom += ones.len() - 1;
    }

    fn correlation(&self) -> Option<f64> {
        let correlation = self.products / (self.squares[0] * self.squares[1]).sqrt();
        (self.freedom >= FEWEST && correlation.is_finite()).then_some(correlation)
    }
}

impl Rule<'_> {
    /// What its own runs say.
    pub(crate) fn sharing(&self, levels: &BTreeMap<u64, BySeed>) -> Sharing {
        let mut values = Pairs::default();
        for (curve, optimum) in self.curves.iter().zip(&self.optima) {
            let kept = optimum.valley.as_ref().map(|valley| valley.kept);
            let near = kept.map_or(Vec::new(), |kept| curve.near(kept));
            for pair in near.windows(2) {
                values.add(&by_seed(pair[0]), &by_seed(pair[1]));
            }
        }
        let mut sizes = Pairs::default();
        for (narrow, wide) in levels.values().zip(levels.values().skip(1)) {
            sizes.add(narrow, wide);
        }
        Sharing {
            values: values.correlation(),
            sizes: sizes.correlation(),
            rules: None,
        }
    }

    /// What the levels of its widths have in common.
    pub(crate) fn common(&self) -> Common {
        match self.request.seeds {
            Seeds::Shared => Common::of(&self.levels()),
            Seeds::Independent => Common::default(),
        }
    }

    /// Mean loss of each seed near the optimum, by width.
    pub(crate) fn levels(&self) -> BTreeMap<u64, BySeed> {
        let mut levels = BTreeMap::new();
        for (curve, optimum) in self.curves.iter().zip(&self.optima) {
            if let Some(valley) = &optimum.valley {
                // Values of the axis are positive, so that their bits are in their order.
                levels.insert(curve.at.to_bits(), level(&curve.near(valley.kept)));
            }
        }
        levels
    }
}

/// What the levels of all widths have in common, seed by seed; nothing where chance explains it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Common {
    /// As a share of their variance: the intraclass correlation.
    pub(crate) share: f64,
    /// Its variance in the mean of all seeds, in nats².
    pub(crate) variance: f64,
    /// That of each seed, in nats, less what chance puts into it.
    pub(crate) levels: BTreeMap<u64, f64>,
}

impl Common {
    /// By the seeds that were run at every width with several.
    fn of(levels: &BTreeMap<u64, BySeed>) -> Self {
        let several: Vec<&BySeed> = levels.values().filter(|level| level.len() > 1).collect();
        let table: Vec<BySeed> = several
            .iter()
            .map(|level| off_mean(level, &several))
            .collect();
        let (widths, seeds) = (table.len(), table.first().map_or(0, Vec::len));
        if widths < 2 || seeds < 2 {
            return Self::default();
        }
        let count = widths as f64;
        let of_seed = |index: usize| {
            let sum: f64 = table.iter().map(|level| level[index].1).sum();
            (table[0][index].0, sum / count)
        };
        let means: BySeed = (0..seeds).map(of_seed).collect();
        let between = count * squares(&means);
        let within = table.iter().map(squares).sum::<f64>() - between;
        let (above, below) = (seeds - 1, (seeds - 1) * (widths - 1));
        let (of_seeds, of_rest) = (between / above as f64, within / below as f64);
        if !exceeds(of_seeds / of_rest, above, below, CHANCE) {
            return Self::default();
        }
        let common = (of_seeds - of_rest) / count;
        let shrunk = (common * count / of_seeds).sqrt();
        Self {
            share: common / (common + of_rest),
            variance: common / seeds as f64,
            levels: means
                .iter()
                .map(|(seed, nats)| (*seed, nats * shrunk))
                .collect(),
        }
    }
}

fn squares(level: &BySeed) -> f64 {
    level.iter().map(|(_, nats)| nats * nats).sum()
}

/// By how much the seeds that all of these have are off their mean.
fn off_mean(level: &BySeed, all: &[&BySeed]) -> BySeed {
    let has = |level: &BySeed, seed: u64| level.binary_search_by_key(&seed, |(seed, _)| *seed);
    let is_everywhere = |seed: u64| all.iter().all(|level| has(level, seed).is_ok());
    let kept = level.iter().filter(|(seed, _)| is_everywhere(*seed));
    let kept: BySeed = kept.copied().collect();
    let mean = mean(&kept.iter().map(|(_, loss)| *loss).collect::<Vec<_>>());
    kept.into_iter()
        .map(|(seed, loss)| (seed, loss - mean))
        .collect()
}

/// The correlation of the levels of two rules at the same widths.
pub(crate) fn of_rules(one: &BTreeMap<u64, BySeed>, other: &BTreeMap<u64, BySeed>) -> Option<f64> {
    let mut pairs = Pairs::default();
    for (at, level) in one {
        if let Some(reference) = other.get(at) {
            pairs.add(level, reference);
        }
    }
    pairs.correlation()
}

fn by_seed(trials: &Trials) -> BySeed {
    let runs = trials.seeds.iter().zip(&trials.losses);
    runs.map(|(seed, loss)| (*seed, *loss)).collect()
}

/// The seeds that both have, with their losses.
fn common(one: &BySeed, other: &BySeed) -> Vec<(u64, f64, f64)> {
    let mut both = Vec::new();
    let mut others = other.iter().peekable();
    for (seed, loss) in one {
        while others.next_if(|(other, _)| other < seed).is_some() {}
        if let Some((_, other)) = others.next_if(|(other, _)| other == seed) {
            both.push((*seed, *loss, *other));
        }
    }
    both
}

/// Mean loss of each seed that was run at all values.
fn level(near: &[&Trials]) -> BySeed {
    let Some((first, others)) = near.split_first() else {
        return BySeed::new();
    };
    let mut sums = by_seed(first);
    for trials in others {
        let both = common(&sums, &by_seed(trials)).into_iter();
        sums = both.map(|(seed, sum, loss)| (seed, sum + loss)).collect();
    }
    let count = near.len() as f64;
    sums.into_iter()
        .map(|(seed, sum)| (seed, sum / count))
        .collect()
}
