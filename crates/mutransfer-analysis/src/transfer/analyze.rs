//! The judge of a table: every rule on its own, then against the reference.

use std::collections::BTreeMap;

use crate::statistics::measured::Measured;
use crate::table::error::TableError;
use crate::table::sweep::Sweeps;
use crate::transfer::analysis::{Analysis, Request, RuleAnalysis};
use crate::transfer::number::Number;
use crate::transfer::optimum::optimum;
use crate::transfer::rule::{Judged, judge};
use crate::transfer::sharing::of_rules;

/// Analyses a table: optima, how they scale, what transfer costs, with intervals and verdicts.
/// `axis` and `sweep` are only names.
///
/// # Errors
/// When the reference is not in the table, or the target is not above the narrowest width.
pub fn analyze(
    sweeps: &Sweeps,
    axis: &str,
    sweep: &str,
    request: &Request,
) -> Result<Analysis, TableError> {
    let reference = sweeps.reference(request.reference.as_deref())?;
    let smallest = sweeps.smallest();
    if let Some(target) = request.target.filter(|target| *target <= smallest) {
        return Err(TableError::Target {
            target,
            axis: axis.to_owned(),
            smallest,
        });
    }
    let mut judged: BTreeMap<&String, Judged> = BTreeMap::new();
    for (name, curves) in &sweeps.rules {
        judged.insert(name, judge(name, curves, request));
    }
    let mut rules: BTreeMap<String, RuleAnalysis> = BTreeMap::new();
    for (name, rule) in &judged {
        let mut analysis = rule.analysis.clone();
        if let Some(base) = reference.as_ref().filter(|base| base != name) {
            analysis.numbers.extend(rule.against(&judged[base]));
            analysis.sharing.rules = of_rules(&rule.levels, &judged[base].levels);
        }
        rules.insert((*name).clone(), analysis);
    }
    Ok(Analysis {
        axis: axis.to_owned(),
        sweep: sweep.to_owned(),
        reference,
        target: request.target,
        tolerance: request.tolerance,
        seeds: request.seeds,
        rows: sweeps.rows,
        along: sweeps.along.clone(),
        rules,
    })
}

/// The value of the hyperparameter to use unchanged at `target`: the optimum at the widest width
/// below it that has one, which is the bottom of its valley, or the best grid point where there
/// is none.
///
/// Only runs below the target count, so the value stays the same once runs at the target arrive.
/// None where no width below it has an optimum. `max_octaves` is as in [`Request`].
pub fn carried(sweeps: &Sweeps, rule: &str, target: f64, max_octaves: Option<f64>) -> Option<f64> {
    let curves = sweeps.rules.get(rule)?.iter().rev();
    let mut below = curves.filter(|curve| curve.at < target);
    below.find_map(|curve| optimum(curve, max_octaves).value)
}

/// A comparison, the number compared, and how.
type Comparison = (Number, Number, fn(f64, f64) -> f64);

/// What sets a rule against the reference.
const COMPARISONS: [Comparison; 2] = [
    (Number::LimitGap, Number::Limit, |rule, reference| {
        rule - reference
    }),
    (Number::ErrorRatio, Number::Error, |rule, reference| {
        rule / reference
    }),
];

impl Judged {
    /// The comparisons with the reference. Where seeds are shared, so are their weights, replicate
    /// by replicate.
    fn against(&self, reference: &Self) -> Vec<(Number, Measured)> {
        COMPARISONS
            .into_iter()
            .filter_map(|comparison| Some((comparison.0, self.compare(reference, comparison)?)))
            .collect()
    }

    fn compare(&self, reference: &Self, (_, number, of): Comparison) -> Option<Measured> {
        let [own, its] = [self, reference].map(|judged| judged.analysis.numbers.get(&number));
        let compared = Some(of(own?.value, its?.value)).filter(|value| value.is_finite())?;
        let pairs = self.resampled.iter().zip(&reference.resampled);
        let replicates = pairs.map(|(rule, base)| {
            let value = of(*rule.get(&number)?, *base.get(&number)?);
            Some(value).filter(|value| value.is_finite())
        });
        let freedom = self.freedom.min(reference.freedom);
        Some(Measured::of(compared, replicates).widened(freedom))
    }
}
