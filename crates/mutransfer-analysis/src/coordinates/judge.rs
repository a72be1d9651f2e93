//! The verdict on every quantity of every module, and on a rule.

use std::collections::{BTreeMap, BTreeSet};

use mutransfer::theory::{Expectation, Layer, Quantity};
use serde::Serialize;

use crate::coordinates::cell::Cell;
use crate::coordinates::diagnosis::diagnose;
use crate::coordinates::error::CoordinateError;
use crate::coordinates::fit::{Fit, Sized};
use crate::coordinates::size::Coordinate;
use crate::names::{after_baseline, display_name};
use crate::verdict::Verdict;

/// All cells of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
        let mut cells: Vec<&Cell> = self
            .cells
            .iter()
            .filter(|cell| cell.verdict.is_some())
            .collect();
        // A slope that is not a number sorts as the largest.
        cells.sort_by(|a, b| {
            b.verdict
                .cmp(&a.verdict)
                .then(b.distance().total_cmp(&a.distance()))
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
) -> Result<Vec<Check>, CoordinateError> {
    if rows.is_empty() {
        return Err(CoordinateError::Empty);
    }
    let begun_at_zero = begun_at_zero(rows);
    let mut checks: Vec<(String, Vec<Cell>)> = Vec::new();
    for group in groups(rows) {
        let rule = &group[0].rule;
        let expectation = expected
            .get(rule)
            .ok_or_else(|| CoordinateError::NoExpectation { rule: rule.clone() })?;
        let starts_at_zero = begun_at_zero.contains(&(rule.as_str(), group[0].module.as_str()));
        let cell = cell(&group, expectation, starts_at_zero)?;
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

/// Rows of one rule, step, module and quantity, by rule (the baseline first, to compare with) and
/// step and then in the order first seen.
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
    groups.sort_by_key(|group| {
        let rule = &group[0].rule;
        (after_baseline(rule), rule, group[0].step)
    });
    groups
}

/// Rules and modules whose sizes are exactly zero before any update, at every width.
fn begun_at_zero(rows: &[Coordinate]) -> BTreeSet<(&str, &str)> {
    let mut zero: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let is_first = |row: &&Coordinate| row.step == 0 && row.quantity == Quantity::Activation;
    for row in rows.iter().filter(is_first) {
        *zero.entry((&row.rule, &row.module)).or_insert(true) &= row.l1 == 0.0;
    }
    zero.into_iter()
        .filter(|(_, is_zero)| *is_zero)
        .map(|(key, _)| key)
        .collect()
}

fn cell(
    group: &[&Coordinate],
    expectation: &Expectation,
    starts_at_zero: bool,
) -> Result<Cell, CoordinateError> {
    let first = group[0].clone();
    let own = expectation.slope(first.layer, first.quantity, first.step);
    // What started at exactly zero is all change.
    let changed = || expectation.slope(first.layer, Quantity::Change, first.step);
    let exact = own.or_else(|| starts_at_zero.then(changed).flatten());
    let bound = expectation.bound(first.layer, first.quantity, first.step);
    let (expected, at_most) = (exact.or(bound), exact.is_none());
    let fit = measured(group)?;
    let verdict =
        expected.map(|expected| fit.map_or(Verdict::Pass, |fit| fit.against(expected, at_most)));
    Ok(Cell {
        rule: first.rule,
        step: first.step,
        module: first.module,
        layer: first.layer,
        quantity: first.quantity,
        expected,
        at_most: expected.is_some() && at_most,
        fit,
        verdict,
    })
}

/// The slope of a group; none where all sizes are zero, and may be.
fn measured(group: &[&Coordinate]) -> Result<Option<Fit>, CoordinateError> {
    let first = group[0];
    // A zero readout hides the network from its first gradient, so that nothing else moves in the
    // first update.
    let may_be_zero = first.quantity != Quantity::Activation
        || matches!(first.layer, Layer::Output | Layer::Attention);
    let zeros = group.iter().filter(|row| row.l1 == 0.0).count();
    match zeros {
        0 => fit(group).map(Some),
        count if count == group.len() && may_be_zero => Ok(None),
        // Training that has come to a halt at some widths is what the check is to find.
        _ if may_be_zero && first.step > 0 => Ok(Some(Fit::NONE)),
        _ => Err(CoordinateError::ZeroActivation {
            rule: first.rule.clone(),
            module: first.module.clone(),
            step: first.step,
        }),
    }
}

fn fit(group: &[&Coordinate]) -> Result<Fit, CoordinateError> {
    let sizes = group.iter().map(|row| Sized {
        seed: row.seed,
        width: (row.width as f64).log2(),
        size: row.l1.log2(),
    });
    Fit::through(sizes.collect()).ok_or_else(|| CoordinateError::OneWidth {
        rule: group[0].rule.clone(),
        seed: group[0].seed,
    })
}

fn conclude(rule: String, cells: Vec<Cell>) -> Check {
    let verdicts = cells.iter().filter_map(|cell| cell.verdict);
    Check {
        rule,
        verdict: verdicts.max().unwrap_or(Verdict::Undetermined),
        diagnosis: cause(&cells).map(diagnose),
        cells,
    }
}

/// The cell that the first failure comes from. What a module's own update does is the cause; what
/// activations do, often only its consequence.
fn cause(cells: &[Cell]) -> Option<&Cell> {
    let first = cells.iter().find(|cell| cell.fails())?;
    let own = cells.iter().find(|cell| {
        cell.step == first.step && cell.quantity == Quantity::OwnUpdate && cell.fails()
    });
    if first.step > 0 {
        own.or(Some(first))
    } else {
        Some(first)
    }
}
