//! From rows to curves, and what two widths have in common.

use std::collections::BTreeMap;

use crate::names::after_baseline;
use crate::wider::along::Along;
use crate::wider::error::{Apart, MonitorError};
use crate::wider::loss::LossRow;
use crate::wider::pair::Diverged;

/// Loss by step.
pub(crate) type Curve = BTreeMap<usize, f64>;

/// The curves of a rule, by width and seed.
pub(crate) type Curves = BTreeMap<usize, BTreeMap<u64, Curve>>;

/// Share of the longer curve that common steps must reach over.
const COVERED: f64 = 0.9;

/// The curves of every rule, in the order of their names but for the baseline, which is what one
/// compares with.
pub(crate) fn by_rule(rows: &[LossRow], along: Along) -> Result<Vec<(&str, Curves)>, MonitorError> {
    let mut rules: BTreeMap<&str, Curves> = BTreeMap::new();
    for row in rows {
        let widths = rules.entry(&row.rule).or_default();
        let seeds = widths.entry(row.at).or_default();
        let curve = seeds.entry(row.seed).or_default();
        let first = *curve.entry(row.step).or_insert(row.loss);
        if first.to_bits() != row.loss.to_bits() && !(first.is_nan() && row.loss.is_nan()) {
            return Err(MonitorError::Duplicate {
                rule: row.rule.clone(),
                along,
                at: row.at,
                seed: row.seed,
                step: row.step,
                first,
                second: row.loss,
            });
        }
    }
    if rules.is_empty() {
        return Err(MonitorError::Empty);
    }
    let mut rules: Vec<(&str, Curves)> = rules.into_iter().collect();
    rules.sort_by_key(|(rule, _)| after_baseline(rule));
    Ok(rules)
}

/// The first step of every curve at which its loss is not finite.
pub(crate) fn diverged(curves: &Curves) -> Vec<Diverged> {
    let mut diverged = Vec::new();
    for (&at, seeds) in curves {
        for (&seed, curve) in seeds {
            diverged.extend(first_lost(curve).map(|step| Diverged { at, seed, step }));
        }
    }
    diverged
}

fn first_lost(curve: &Curve) -> Option<usize> {
    curve
        .iter()
        .find(|(_, loss)| !loss.is_finite())
        .map(|(step, _)| *step)
}

/// What two widths have in common.
pub(crate) struct Pairing<'a> {
    pub(crate) narrow: usize,
    pub(crate) wide: usize,
    /// The curves of each common seed, narrow and wide.
    curves: Vec<[&'a Curve; 2]>,
    /// Steps at which all of them are finite, and after none at which one is not.
    pub(crate) steps: Vec<usize>,
    /// Whether the common steps reach over nearly all of the longest curve.
    pub(crate) complete: bool,
}

/// Pairs two widths by seed and by step.
pub(crate) fn pairing<'a>(
    rule: &str,
    all: &'a Curves,
    narrow: usize,
    wide: usize,
    along: Along,
) -> Result<Pairing<'a>, MonitorError> {
    let apart = || Apart {
        rule: rule.to_owned(),
        along,
        narrow,
        wide,
    };
    let curves: Vec<[&Curve; 2]> = all[&narrow]
        .iter()
        .filter_map(|(seed, curve)| Some([curve, all[&wide].get(seed)?]))
        .collect();
    let each = curves.as_flattened();
    let Some(first) = each.first() else {
        return Err(MonitorError::NoCommonSeed(apart()));
    };
    let mut steps: Vec<usize> = first.keys().copied().collect();
    steps.retain(|step| each.iter().all(|curve| curve.contains_key(step)));
    if steps.is_empty() {
        return Err(MonitorError::NoCommonStep(apart()));
    }
    let complete = span(&steps) >= COVERED * longest(each);
    let lost = each.iter().filter_map(|curve| first_lost(curve)).min();
    steps.retain(|step| lost.is_none_or(|lost| *step < lost));
    Ok(Pairing {
        narrow,
        wide,
        curves,
        steps,
        complete,
    })
}

/// From the first to the last of these steps.
fn span(steps: &[usize]) -> f64 {
    (steps[steps.len() - 1] - steps[0]) as f64
}

/// From the first to the last step of any of the curves.
fn longest(curves: &[&Curve]) -> f64 {
    let start = curves.iter().filter_map(|curve| curve.keys().next()).min();
    let end = curves
        .iter()
        .filter_map(|curve| curve.keys().next_back())
        .max();
    start
        .zip(end)
        .map_or(0.0, |(start, end)| (end - start) as f64)
}

impl Pairing<'_> {
    pub(crate) fn seeds(&self) -> usize {
        self.curves.len()
    }

    /// The loss of the narrower minus that of the wider, averaged over these steps, per seed.
    pub(crate) fn gains(&self, steps: &[usize]) -> Vec<f64> {
        self.curves
            .iter()
            .map(|[narrow, wide]| {
                let gains = steps.iter().map(|step| narrow[step] - wide[step]);
                gains.sum::<f64>() / steps.len() as f64
            })
            .collect()
    }
}
