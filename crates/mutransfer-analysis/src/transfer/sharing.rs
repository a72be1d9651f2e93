//! What the data say about what runs of one seed share: correlations over seeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::statistics::sample::mean;
use crate::table::sweep::Trials;
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
