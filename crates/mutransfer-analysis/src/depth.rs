//! Whether a residual network follows its depth as its rule promises: slopes of the change of the
//! last residual and of the relative change of weights, seed by seed.

use std::collections::{BTreeMap, BTreeSet};

use mutransfer::theory::DepthSlopes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::coordinates::fit::TOLERANCE;
use crate::statistics::line::Parallel;
use crate::verdict::Verdict;

/// What a few updates did to one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepthRow {
    /// Name of the parametrization.
    pub rule: String,
    /// Blocks.
    pub depth: usize,
    /// Seed of the initial weights and the batch.
    pub seed: u64,
    /// Root mean square of the change of the last residual.
    pub change: f64,
    /// Mean over blocks of how far the matrices inside of branches moved, relative to what they
    /// were.
    pub inside: f64,
    /// The same of the matrices that end branches.
    pub ends: f64,
}

/// One quantity of a rule along depth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DepthCell {
    /// What it is.
    pub quantity: &'static str,
    /// The slope that the rule promises.
    pub expected: f64,
    /// Slope of its logarithm against that of the depth.
    pub slope: f64,
    /// 95% interval of the slope.
    pub interval: (f64, f64),
    /// Whether it lies within the tolerance of what is expected.
    pub verdict: Verdict,
}

/// What is found of a rule along depth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DepthCheck {
    /// Name of the parametrization.
    pub rule: String,
    /// Its quantities.
    pub cells: Vec<DepthCell>,
    /// That of the worst of them.
    pub verdict: Verdict,
}

/// Why there is nothing to judge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DepthError {
    /// A line needs points to spare.
    #[error("{rule} has {points} measurements along depth; a slope takes two depths and two seeds")]
    TooFew {
        /// The parametrization.
        rule: String,
        /// How many there are.
        points: usize,
    },
    /// Training blew up, or a weight that starts at zero has no relative change.
    #[error("{rule} at depth {depth}, seed {seed}: its {quantity} is no positive number")]
    NoSize {
        /// The parametrization.
        rule: String,
        /// Blocks.
        depth: usize,
        /// The seed.
        seed: u64,
        /// What it is of.
        quantity: &'static str,
    },
}

/// A quantity: what it is called, its size in a row, its slope among those expected.
pub(crate) type Quantity = (&'static str, fn(&DepthRow) -> f64, fn(&DepthSlopes) -> f64);

pub(crate) const QUANTITIES: [Quantity; 3] = [
    (
        "change of the last residual",
        |row| row.change,
        |slopes| slopes.change,
    ),
    (
        "weight change inside branches",
        |row| row.inside,
        |slopes| slopes.inside,
    ),
    (
        "weight change at their ends",
        |row| row.ends,
        |slopes| slopes.ends,
    ),
];

/// The verdict on every rule, in the order first seen, by what is expected of it.
///
/// # Errors
/// When a rule has too few depths or seeds, or a size is no positive number.
pub fn judge_depth(
    rows: &[DepthRow],
    expected: &BTreeMap<String, DepthSlopes>,
) -> Result<Vec<DepthCheck>, DepthError> {
    let mut checks: Vec<DepthCheck> = Vec::new();
    for row in rows {
        let Some(slopes) = expected.get(&row.rule) else {
            continue;
        };
        if checks.iter().any(|check| check.rule == row.rule) {
            continue;
        }
        let own: Vec<&DepthRow> = rows.iter().filter(|one| one.rule == row.rule).collect();
        let cells: Vec<DepthCell> = QUANTITIES
            .iter()
            .map(|quantity| cell(&own, quantity, slopes))
            .collect::<Result<_, _>>()?;
        let worst = cells.iter().map(|cell| cell.verdict).max();
        checks.push(DepthCheck {
            rule: row.rule.clone(),
            verdict: worst.unwrap_or(Verdict::Undetermined),
            cells,
        });
    }
    Ok(checks)
}

/// Seeds have heights of their own: the same seed is the same batch at every depth.
fn cell(
    rows: &[&DepthRow],
    (quantity, size, slope): &Quantity,
    expected: &DepthSlopes,
) -> Result<DepthCell, DepthError> {
    let seeds: BTreeSet<u64> = rows.iter().map(|row| row.seed).collect();
    let mut groups: Vec<Vec<(f64, f64)>> = Vec::new();
    for seed in seeds {
        let own = rows.iter().filter(|row| row.seed == seed);
        let points = own.map(|row| Ok(((row.depth as f64).log2(), log2(row, quantity, *size)?)));
        groups.push(points.collect::<Result<_, _>>()?);
    }
    let fit = Parallel::through(&groups).and_then(|fit| Some((fit.slope, fit.margin()?)));
    let (found, margin) = fit.ok_or_else(|| DepthError::TooFew {
        rule: rows
            .first()
            .map_or_else(String::new, |row| row.rule.clone()),
        points: rows.len(),
    })?;
    let expected = slope(expected);
    let interval = (found - margin, found + margin);
    Ok(DepthCell {
        quantity,
        expected,
        slope: found,
        interval,
        verdict: verdict(interval, expected),
    })
}

fn log2(
    row: &DepthRow,
    quantity: &'static str,
    size: fn(&DepthRow) -> f64,
) -> Result<f64, DepthError> {
    let size = size(row).log2();
    size.is_finite()
        .then_some(size)
        .ok_or_else(|| DepthError::NoSize {
            rule: row.rule.clone(),
            depth: row.depth,
            seed: row.seed,
            quantity,
        })
}

fn verdict((least, most): (f64, f64), expected: f64) -> Verdict {
    let (low, high) = (expected - TOLERANCE, expected + TOLERANCE);
    if least >= low && most <= high {
        Verdict::Pass
    } else if most < low || least > high {
        Verdict::Fail
    } else {
        Verdict::Undetermined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes that follow the depth by these slopes, with some noise between seeds and depths.
    fn rows(slopes: [f64; 3], noise: f64) -> Vec<DepthRow> {
        let depths = [4usize, 8, 16, 32, 64];
        let at = |depth: usize, seed: u64| {
            let wobble = ((depth as f64 + 17.0 * seed as f64) * 1.7).sin();
            let size = |slope: f64| (slope * (depth as f64).log2() + noise * wobble).exp2();
            let [change, inside, ends] = slopes.map(size);
            let rule = "rule".to_owned();
            DepthRow {
                rule,
                depth,
                seed,
                change,
                inside,
                ends,
            }
        };
        depths
            .into_iter()
            .flat_map(|depth| (0..10).map(move |seed| (depth, seed)))
            .map(|(depth, seed)| at(depth, seed))
            .collect()
    }

    fn verdicts(rows: &[DepthRow], expected: [f64; 3]) -> Vec<Verdict> {
        let [change, inside, ends] = expected;
        let slopes = DepthSlopes {
            change,
            inside,
            ends,
        };
        let expected = BTreeMap::from([("rule".to_owned(), slopes)]);
        let checks = judge_depth(rows, &expected).expect("enough rows");
        checks[0].cells.iter().map(|cell| cell.verdict).collect()
    }

    #[test]
    fn slopes_are_told_apart() {
        use Verdict::{Fail, Pass, Undetermined};
        let noisy = rows([1.0, -0.5, 0.0], 0.1);
        assert_eq!(verdicts(&noisy, [1.0, -0.5, 0.0]), [Pass, Pass, Pass]);
        assert_eq!(verdicts(&noisy, [0.0, 0.0, 0.0]), [Fail, Fail, Pass]);
        assert_eq!(verdicts(&rows([0.0; 3], 3.0), [0.0; 3]), [Undetermined; 3]);
    }

    #[test]
    fn what_has_no_slope_is_an_error() {
        let expected = BTreeMap::from([(
            "rule".to_owned(),
            DepthSlopes {
                change: 0.0,
                inside: 0.0,
                ends: 0.0,
            },
        )]);
        let mut few = rows([0.0; 3], 0.0);
        few.truncate(1);
        let error = judge_depth(&few, &expected).expect_err("one point");
        assert_eq!(
            error.to_string(),
            "rule has 1 measurements along depth; a slope takes two depths and two seeds"
        );
        let mut broken = rows([0.0; 3], 0.0);
        broken[3].change = f64::NAN;
        let error = judge_depth(&broken, &expected).expect_err("no number");
        assert_eq!(
            error.to_string(),
            "rule at depth 4, seed 3: its change of the last residual is no positive number"
        );
    }
}
