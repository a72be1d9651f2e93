//! Whether what a few updates do to a network grows with one of its sizes as its rule promises:
//! slopes of a few quantities against the size, seed by seed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::coordinates::fit::TOLERANCE;
use crate::statistics::line::Parallel;
use crate::verdict::Verdict;

/// One quantity of one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrowthRow {
    /// Name of the parametrization.
    pub rule: String,
    /// How large the network is along what grows.
    pub at: usize,
    /// Seed of the initial weights and the batch.
    pub seed: u64,
    /// What was measured.
    pub quantity: String,
    /// Its size.
    pub size: f64,
}

/// Quantities with the slopes that a rule promises, of logarithms against that of what grows.
pub type Promise = Vec<(&'static str, f64)>;

/// One quantity of a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrowthCell {
    /// What it is.
    pub quantity: &'static str,
    /// The slope that the rule promises.
    pub expected: f64,
    /// Slope of its logarithm against that of what grows.
    pub slope: f64,
    /// 95% interval of the slope.
    pub interval: (f64, f64),
    /// Whether it lies within the tolerance of what is expected.
    pub verdict: Verdict,
}

/// What is found of a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrowthCheck {
    /// Name of the parametrization.
    pub rule: String,
    /// Its quantities.
    pub cells: Vec<GrowthCell>,
    /// That of the worst of them.
    pub verdict: Verdict,
}

/// Why there is nothing to judge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrowthError {
    /// A line needs points to spare.
    #[error(
        "{rule} has {points} measurements of the {quantity}; a slope takes two sizes and two seeds"
    )]
    TooFew {
        /// The parametrization.
        rule: String,
        /// What they are of.
        quantity: &'static str,
        /// How many there are.
        points: usize,
    },
    /// Training blew up, or a weight that starts at zero has no relative change.
    #[error("{rule} at {at}, seed {seed}: its {quantity} is no positive number")]
    NoSize {
        /// The parametrization.
        rule: String,
        /// How large the network is.
        at: usize,
        /// The seed.
        seed: u64,
        /// What it is of.
        quantity: &'static str,
    },
}

/// The verdict on every rule, in the order first seen, by what is expected of it.
///
/// # Errors
/// When a rule has too few sizes or seeds, or what was measured is no positive number.
pub fn judge_growth(
    rows: &[GrowthRow],
    expected: &BTreeMap<String, Promise>,
) -> Result<Vec<GrowthCheck>, GrowthError> {
    let mut checks: Vec<GrowthCheck> = Vec::new();
    for row in rows {
        let Some(promise) = expected.get(&row.rule) else {
            continue;
        };
        if checks.iter().any(|check| check.rule == row.rule) {
            continue;
        }
        let own: Vec<&GrowthRow> = rows.iter().filter(|one| one.rule == row.rule).collect();
        let cells = promise.iter().map(|(quantity, slope)| {
            let own = own.iter().filter(|one| one.quantity == *quantity);
            cell(
                &row.rule,
                &own.copied().collect::<Vec<_>>(),
                quantity,
                *slope,
            )
        });
        let cells: Vec<GrowthCell> = cells.collect::<Result<_, _>>()?;
        let worst = cells.iter().map(|cell| cell.verdict).max();
        checks.push(GrowthCheck {
            rule: row.rule.clone(),
            verdict: worst.unwrap_or(Verdict::Undetermined),
            cells,
        });
    }
    Ok(checks)
}

/// Seeds have heights of their own: the same seed is the same batch at every size.
fn cell(
    rule: &str,
    rows: &[&GrowthRow],
    quantity: &'static str,
    expected: f64,
) -> Result<GrowthCell, GrowthError> {
    let seeds: BTreeSet<u64> = rows.iter().map(|row| row.seed).collect();
    let mut groups: Vec<Vec<(f64, f64)>> = Vec::new();
    for seed in seeds {
        let own = rows.iter().filter(|row| row.seed == seed);
        let points = own.map(|row| Ok(((row.at as f64).log2(), log2(row, quantity)?)));
        groups.push(points.collect::<Result<_, _>>()?);
    }
    let fit = Parallel::through(&groups).and_then(|fit| Some((fit.slope, fit.margin()?)));
    let (slope, margin) = fit.ok_or_else(|| GrowthError::TooFew {
        rule: rule.to_owned(),
        quantity,
        points: rows.len(),
    })?;
    let interval = (slope - margin, slope + margin);
    Ok(GrowthCell {
        quantity,
        expected,
        slope,
        interval,
        verdict: verdict(interval, expected),
    })
}

fn log2(row: &GrowthRow, quantity: &'static str) -> Result<f64, GrowthError> {
    let size = row.size.log2();
    size.is_finite()
        .then_some(size)
        .ok_or_else(|| GrowthError::NoSize {
            rule: row.rule.clone(),
            at: row.at,
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

    const QUANTITIES: [&str; 3] = ["change", "inside", "ends"];

    /// Sizes that follow what grows by these slopes, with some noise between seeds and sizes.
    fn rows(slopes: [f64; 3], noise: f64) -> Vec<GrowthRow> {
        let row = |at: usize, seed: u64, (quantity, slope): (&str, f64)| {
            let wobble = ((at as f64 + 17.0 * seed as f64) * 1.7).sin();
            GrowthRow {
                rule: "rule".to_owned(),
                at,
                seed,
                quantity: quantity.to_owned(),
                size: (slope * (at as f64).log2() + noise * wobble).exp2(),
            }
        };
        [4, 8, 16, 32, 64]
            .into_iter()
            .flat_map(|at| (0..10).map(move |seed| (at, seed)))
            .flat_map(|(at, seed)| {
                let all = QUANTITIES.into_iter().zip(slopes);
                all.map(move |of| row(at, seed, of))
            })
            .collect()
    }

    fn expected(slopes: [f64; 3]) -> BTreeMap<String, Promise> {
        let promise = QUANTITIES.into_iter().zip(slopes).collect();
        BTreeMap::from([("rule".to_owned(), promise)])
    }

    fn verdicts(rows: &[GrowthRow], slopes: [f64; 3]) -> Vec<Verdict> {
        let checks = judge_growth(rows, &expected(slopes)).expect("enough rows");
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
        let mut few = rows([0.0; 3], 0.0);
        few.truncate(3);
        let error = judge_growth(&few, &expected([0.0; 3])).expect_err("one point");
        assert_eq!(
            error.to_string(),
            "rule has 1 measurements of the change; a slope takes two sizes and two seeds"
        );
        let mut broken = rows([0.0; 3], 0.0);
        broken[9].size = f64::NAN;
        let error = judge_growth(&broken, &expected([0.0; 3])).expect_err("no number");
        assert_eq!(
            error.to_string(),
            "rule at 4, seed 3: its change is no positive number"
        );
    }
}
