//! The coordinate check as a statistical test: slopes against width, with intervals, against what
//! the theory of the rule expects.

mod diagnosis;
mod table;

use std::collections::BTreeMap;

use mutransfer::theory::{Expectation, Layer, Quantity};
use serde::Serialize;

use super::slope::student;
use super::{AnalysisError, display_name};
use crate::record::Coordinate;
use diagnosis::diagnose;

pub use table::coordinates_from_csv;

/// The `mup` package accepts a factor of 1.2 between widths 4 apart: log2(1.2)/2.
pub const TOLERANCE: f64 = 0.13;

/// What to know of a check made in passing, at the widths of a study.
pub const UNSETTLED: &str =
    "Slopes at small widths bend whatever the rule; `mutransfer coord` tests at larger ones.";

/// What a cell, or all of them, show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The interval lies within the tolerance of the expected slope.
    Pass,
    /// It reaches over an end of it.
    Undetermined,
    /// It lies outside.
    Fail,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Undetermined => "undetermined",
            Self::Fail => "fail",
        })
    }
}

/// A slope of log2 of a size against log2 of the width.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// The slope.
    pub slope: f64,
    /// Its 95% interval.
    pub interval: (f64, f64),
}

/// The slope over all widths, and over the upper half of them, as small widths bend the line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Over all widths.
    #[serde(flatten)]
    pub all: Trend,
    /// Over the upper half; none where there are too few points for an interval.
    pub upper: Option<Trend>,
}

/// One quantity of one module after one number of updates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Name of the parametrization.
    pub rule: String,
    /// Updates made.
    pub step: usize,
    /// The module.
    pub module: String,
    /// Which end of the network it is.
    pub layer: Layer,
    /// Which quantity.
    pub quantity: Quantity,
    /// The slope that the rule promises; none where it is not judged.
    pub expected: Option<f64>,
    /// What was measured; none where every size is exactly zero, as it must be with a zero init.
    pub fit: Option<Fit>,
    /// What that shows.
    pub verdict: Option<Verdict>,
}

impl Cell {
    /// Whether the slope over all widths is as expected.
    pub fn passes_overall(&self) -> bool {
        let lines = self.expected.zip(self.fit);
        lines.is_none_or(|(expected, fit)| fit.all.against(expected) == Verdict::Pass)
    }
}

/// All cells of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Name of the parametrization.
    pub rule: String,
    /// Fail if any cell fails, pass if all pass.
    pub verdict: Verdict,
    /// Where it first goes wrong and what that means; none unless it fails.
    pub diagnosis: Option<String>,
    /// Every quantity, by step, in the order of the forward pass.
    pub cells: Vec<Cell>,
}

impl Check {
    /// The judged cells that lie furthest from what is expected, by verdict and then by distance,
    /// at most `count`.
    pub fn worst(&self, count: usize) -> Vec<&Cell> {
        let distance = |cell: &Cell| {
            cell.fit
                .zip(cell.expected)
                .map_or(0.0, |(fit, e)| (fit.all.slope - e).abs())
        };
        let mut cells: Vec<&Cell> = self
            .cells
            .iter()
            .filter(|cell| cell.verdict.is_some())
            .collect();
        // A slope that is not a number sorts as the largest.
        cells.sort_by(|a, b| {
            b.verdict
                .cmp(&a.verdict)
                .then(distance(b).total_cmp(&distance(a)))
        });
        cells.truncate(count);
        cells
    }
}

impl std::fmt::Display for Check {
    /// The verdict in a sentence, with the diagnosis where it fails.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", display_name(&self.rule), self.verdict)?;
        self.diagnosis
            .as_ref()
            .map_or(Ok(()), |why| write!(f, "; {why}"))
    }
}

/// Judges the measurements of every rule.
///
/// # Errors
/// When there are none, a width is alone, a rule has no expectation, or a size is zero where it
/// cannot be.
pub fn judge(
    rows: &[Coordinate],
    expected: &BTreeMap<String, Expectation>,
) -> Result<Vec<Check>, AnalysisError> {
    if rows.is_empty() {
        return Err(AnalysisError::Empty);
    }
    let mut checks: Vec<(String, Vec<Cell>)> = Vec::new();
    for group in groups(rows) {
        let first = group[0];
        let rule = &first.rule;
        let expectation = expected
            .get(rule)
            .ok_or_else(|| AnalysisError::NoExpectation { rule: rule.clone() })?;
        let cell = cell(&group, expectation)?;
        match checks.iter_mut().find(|(known, _)| known == rule) {
            Some((_, cells)) => cells.push(cell),
            None => checks.push((rule.clone(), vec![cell])),
        }
    }
    Ok(checks
        .into_iter()
        .map(|(rule, cells)| conclude(rule, cells))
        .collect())
}

/// Rows of one rule, step, module and quantity, by rule (`sp` first, to compare with) and step and
/// then in the order first seen.
fn groups(rows: &[Coordinate]) -> Vec<Vec<&Coordinate>> {
    let mut places: BTreeMap<(&str, usize, &str, Quantity), usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&Coordinate>> = Vec::new();
    for row in rows {
        let place = *places
            .entry((&row.rule, row.step, &row.module, row.quantity))
            .or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
        groups[place].push(row);
    }
    groups.sort_by_key(|group| (group[0].rule != "sp", &group[0].rule, group[0].step));
    groups
}

fn cell(group: &[&Coordinate], expectation: &Expectation) -> Result<Cell, AnalysisError> {
    let Coordinate {
        rule,
        step,
        module,
        layer,
        quantity,
        ..
    } = group[0].clone();
    let expected = expectation.slope(layer, quantity, step);
    // A zero readout hides the network from its first gradient, so that nothing else moves in the
    // first update.
    let may_be_zero =
        quantity != Quantity::Activation || matches!(layer, Layer::Output | Layer::Attention);
    let zeros = group.iter().filter(|row| row.l1 == 0.0).count();
    let fit = match zeros {
        0 => Some(fit(group)?),
        count if count == group.len() && may_be_zero => None,
        // Training that has come to a halt at some widths is what the check is to find.
        _ if may_be_zero && step > 0 => Some(Fit::NONE),
        _ => return Err(AnalysisError::ZeroActivation { rule, module, step }),
    };
    let verdict = expected.map(|expected| fit.map_or(Verdict::Pass, |fit| fit.against(expected)));
    Ok(Cell {
        rule,
        step,
        module,
        layer,
        quantity,
        expected,
        fit,
        verdict,
    })
}

impl Trend {
    fn against(&self, expected: f64) -> Verdict {
        let (low, high) = self.interval;
        match (low >= expected - TOLERANCE, high <= expected + TOLERANCE) {
            (true, true) => Verdict::Pass,
            _ if !self.slope.is_finite()
                || low > expected + TOLERANCE
                || high < expected - TOLERANCE =>
            {
                Verdict::Fail
            }
            _ => Verdict::Undetermined,
        }
    }
}

impl Fit {
    /// No straight line: a size is not finite, or zero at some width only.
    const NONE: Self = Self {
        all: Trend {
            slope: f64::NAN,
            interval: (f64::NAN, f64::NAN),
        },
        upper: None,
    };

    /// The theory speaks of infinite width. What is not yet there at small widths must not fail if
    /// it is at large ones: either slope is enough to pass, and both have to fail.
    fn against(&self, expected: f64) -> Verdict {
        let all = self.all.against(expected);
        match (all, self.upper.map_or(all, |upper| upper.against(expected))) {
            (Verdict::Pass, _) | (_, Verdict::Pass) => Verdict::Pass,
            (Verdict::Fail, Verdict::Fail) => Verdict::Fail,
            _ => Verdict::Undetermined,
        }
    }
}

/// Least squares over all seeds as points.
fn fit(group: &[&Coordinate]) -> Result<Fit, AnalysisError> {
    let point = |row: &&Coordinate| Point {
        seed: row.seed,
        width: (row.width as f64).log2(),
        size: row.l1.log2(),
    };
    let mut points: Vec<Point> = group.iter().map(point).collect();
    points.sort_by(|a, b| {
        a.seed
            .cmp(&b.seed)
            .then(a.width.total_cmp(&b.width))
            .then(a.size.total_cmp(&b.size))
    });
    if points.iter().any(|point| !point.size.is_finite()) {
        return Ok(Fit::NONE);
    }
    let row = group[0];
    let lonely = || AnalysisError::OneWidth {
        rule: row.rule.clone(),
        seed: row.seed,
    };
    let (all, _) = line(&points).ok_or_else(lonely)?;
    let widths = || points.iter().map(|point| point.width);
    let middle =
        (widths().fold(f64::INFINITY, f64::min) + widths().fold(f64::NEG_INFINITY, f64::max)) / 2.0;
    let upper: Vec<Point> = points
        .iter()
        .copied()
        .filter(|point| point.width >= middle)
        .collect();
    let upper = line(&upper)
        .filter(|(_, freedom)| *freedom >= ENOUGH)
        .map(|(upper, _)| upper);
    Ok(Fit { all, upper })
}

/// Degrees of freedom below which an interval is more luck than knowledge.
const ENOUGH: usize = 3;

/// Both in base-2 logarithms.
#[derive(Clone, Copy)]
struct Point {
    seed: u64,
    width: f64,
    size: f64,
}

/// The slope with its interval, infinite where no points are left to estimate the noise from, and
/// the degrees of freedom.
///
/// A seed is also a batch, which all widths share and which makes all of its sizes larger or
/// smaller. So every seed has a height of its own, unless one of them was measured at a single
/// width.
fn line(points: &[Point]) -> Option<(Trend, usize)> {
    let own: Vec<&[Point]> = points.chunk_by(|a, b| a.seed == b.seed).collect();
    let lonely = |seed: &&[Point]| seed.iter().all(|point| point.width == seed[0].width);
    let groups = if own.iter().any(lonely) {
        vec![points]
    } else {
        own
    };
    let centered: Vec<(f64, f64)> = groups.iter().flat_map(|group| centered(group)).collect();
    let spread: f64 = centered.iter().map(|(x, _)| x * x).sum();
    if spread <= 0.0 {
        return None;
    }
    let slope = centered.iter().map(|(x, y)| x * y).sum::<f64>() / spread;
    let residual: f64 = centered.iter().map(|(x, y)| (y - slope * x).powi(2)).sum();
    let freedom = points.len().saturating_sub(groups.len() + 1);
    let error = if freedom == 0 {
        f64::INFINITY
    } else {
        student(freedom) * (residual / freedom as f64 / spread).sqrt()
    };
    Some((
        Trend {
            slope,
            interval: (slope - error, slope + error),
        },
        freedom,
    ))
}

fn centered(group: &[Point]) -> impl Iterator<Item = (f64, f64)> {
    let mean = |of: fn(&Point) -> f64| group.iter().map(of).sum::<f64>() / group.len() as f64;
    let (width, size) = (mean(|point| point.width), mean(|point| point.size));
    group
        .iter()
        .map(move |point| (point.width - width, point.size - size))
}

fn conclude(rule: String, cells: Vec<Cell>) -> Check {
    let verdict = cells
        .iter()
        .filter_map(|cell| cell.verdict)
        .max()
        .unwrap_or(Verdict::Undetermined);
    let first = cells
        .iter()
        .find(|cell| cell.verdict == Some(Verdict::Fail));
    // What a module's own update does is the cause; what activations do, often only its
    // consequence.
    let cause = |step: usize| {
        cells.iter().find(|cell| {
            cell.step == step
                && cell.quantity == Quantity::OwnUpdate
                && cell.verdict == Some(Verdict::Fail)
        })
    };
    let diagnosis = first.map(|first| {
        diagnose(
            cause(first.step.max(1))
                .filter(|_| first.step > 0)
                .unwrap_or(first),
        )
    });
    Check {
        rule,
        verdict,
        diagnosis,
        cells,
    }
}
