//! The verdict on every quantity of every module, and on a rule.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mutransfer::theory::{Expectation, Layer, Quantity};
use rayon::prelude::*;
use serde::Serialize;

use crate::coordinates::case::{Case, decide};
use crate::coordinates::cell::Cell;
use crate::coordinates::diagnosis::{diagnose, outlook};
use crate::coordinates::error::CoordinateError;
use crate::coordinates::fit::{Fit, Promise};
use crate::coordinates::looks::Looks;
use crate::coordinates::size::Coordinate;
use crate::coordinates::sizes::{Sized, Sizes};
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
    /// Where it first goes wrong and what that means, or what is open; none if it passes.
    pub diagnosis: Option<String>,
    /// Seeds that would decide an undetermined check, if slopes and noise stay; none where it is
    /// decided, or nothing says.
    pub enough_seeds: Option<usize>,
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

    /// Seeds that were needed.
    pub fn seeds(&self) -> usize {
        let fits = self.cells.iter().filter_map(Cell::decisive);
        fits.map(|fit| fit.seeds).max().unwrap_or(0)
    }

    /// Whether more seeds would tell no more: all is decided, or so is all up to the update that
    /// first goes wrong, and the first update in any case, which shows every module's own mistake.
    /// Later ones only show what follows from it.
    pub fn is_settled(&self) -> bool {
        let wrong = cause(&self.cells).map(|cell| cell.step);
        let mut open = self.cells.iter().filter(|cell| cell.is_open());
        open.all(|cell| wrong.is_some_and(|wrong| cell.step > wrong.max(1)))
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

/// Judges the measurements of every rule, in as many looks.
///
/// A cell passes if the interval of its slope lies within the tolerance of what is expected, and
/// fails if it lies outside, which is asked of all cells together: a rule that keeps its promises
/// fails by chance in less than one of twenty checks, however many cells it has.
///
/// # Errors
/// When there are none, a width is alone, a rule has no expectation, or a size is zero where it
/// cannot be.
pub fn judge(
    rows: &[Coordinate],
    expected: &BTreeMap<String, Expectation>,
    looks: &Looks,
) -> Result<Vec<Check>, CoordinateError> {
    if rows.is_empty() {
        return Err(CoordinateError::Empty);
    }
    let begun_at_zero = begun_at_zero(rows);
    let case_of = |group: &Vec<&Coordinate>| {
        let Coordinate { rule, module, .. } = group[0];
        let unknown = || CoordinateError::NoExpectation {
            rule: rule.to_string(),
        };
        let expectation = expected.get(&**rule).ok_or_else(unknown)?;
        let starts_at_zero = begun_at_zero.contains(&(&**rule, &**module));
        case(group, expectation, starts_at_zero)
    };
    // All at once, and then the first that is wrong.
    let cases: Vec<Result<Case, CoordinateError>> = groups(rows).par_iter().map(case_of).collect();
    let mut rules: Vec<(String, Vec<Case>)> = Vec::new();
    for case in cases {
        let case = case?;
        match rules.iter_mut().find(|(known, _)| *known == case.cell.rule) {
            Some((_, cases)) => cases.push(case),
            None => rules.push((case.cell.rule.clone(), vec![case])),
        }
    }
    let conclude = |(rule, mut cases): (String, Vec<Case>)| {
        decide(&mut cases, looks);
        conclude(rule, cases.into_iter().map(|case| case.cell).collect())
    };
    Ok(rules.into_iter().map(conclude).collect())
}

/// Rows of one rule, step, module and quantity, by rule (the baseline first, to compare with) and
/// step and then in the order first seen.
fn groups(rows: &[Coordinate]) -> Vec<Vec<&Coordinate>> {
    let mut places: HashMap<(&str, usize, &str, Quantity), usize> = HashMap::new();
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

fn case(
    group: &[&Coordinate],
    expectation: &Expectation,
    starts_at_zero: bool,
) -> Result<Case, CoordinateError> {
    let first = group[0].clone();
    let promise = promised(&first, expectation, starts_at_zero);
    let measured = measured(group)?;
    let settled = match &measured {
        Measured::Zero => Some(Verdict::Pass),
        Measured::Broken => Some(Verdict::Fail),
        Measured::Sizes(_) => None,
    };
    Ok(Case {
        cell: Cell {
            rule: first.rule.to_string(),
            step: first.step,
            module: first.module.to_string(),
            layer: first.layer,
            quantity: first.quantity,
            expected: promise.map(|promise| promise.slope),
            at_most: promise.is_some_and(|promise| promise.at_most),
            fit: (settled == Some(Verdict::Fail)).then_some(Fit::NONE),
            pooled: None,
            verdict: promise.and(settled),
            enough_seeds: None,
        },
        promise,
        sizes: match measured {
            Measured::Sizes(sizes) => Some(sizes),
            Measured::Zero | Measured::Broken => None,
        },
    })
}

/// What is promised of a group by what its first row says of it.
fn promised(first: &Coordinate, expected: &Expectation, starts_at_zero: bool) -> Option<Promise> {
    let Coordinate {
        layer,
        quantity,
        step,
        ..
    } = *first;
    let own = expected.slope(layer, quantity, step);
    // What started at exactly zero is all change.
    let changed = || expected.slope(layer, Quantity::Change, step);
    let is_all_change = starts_at_zero && quantity == Quantity::Activation;
    let exact = own.or_else(|| is_all_change.then(changed).flatten());
    let bound = expected.bound(layer, quantity, step);
    exact.or(bound).map(|slope| Promise {
        slope,
        at_most: exact.is_none(),
    })
}

/// What the sizes of a group are.
enum Measured {
    /// All zero, as they may be.
    Zero,
    /// Not finite, or zero at some widths only: training diverged or came to a halt.
    Broken,
    Sizes(Sizes),
}

fn measured(group: &[&Coordinate]) -> Result<Measured, CoordinateError> {
    let first = group[0];
    // A zero readout hides the network from its first gradient, so that nothing else moves in the
    // first update.
    let may_be_zero = first.quantity != Quantity::Activation
        || matches!(first.layer, Layer::Output | Layer::Attention);
    let zeros = group.iter().filter(|row| row.l1 == 0.0).count();
    match zeros {
        0 => sizes(group),
        count if count == group.len() && may_be_zero => Ok(Measured::Zero),
        // Training that has come to a halt at some widths is what the check is to find.
        count if first.step > 0 && (may_be_zero || count < group.len()) => Ok(Measured::Broken),
        _ => Err(CoordinateError::ZeroActivation {
            rule: first.rule.to_string(),
            module: first.module.to_string(),
            step: first.step,
        }),
    }
}

/// Root mean squares where the table has them all: what squares add to is nearer to its limit than
/// what absolute values do.
fn sizes(group: &[&Coordinate]) -> Result<Measured, CoordinateError> {
    let has_squares = group.iter().all(|row| row.l2.is_finite() && row.l2 > 0.0);
    let size = |row: &&Coordinate| if has_squares { row.l2 } else { row.l1 };
    let is_finite = |row: &&Coordinate| row.l1.is_finite();
    if !group.iter().all(is_finite) {
        return Ok(Measured::Broken);
    }
    if group.iter().all(|row| row.width == group[0].width) {
        return Err(CoordinateError::OneWidth {
            rule: group[0].rule.to_string(),
            seed: group[0].seed,
        });
    }
    let sizes = group.iter().map(|row| Sized {
        seed: row.seed,
        width: (row.width as f64).log2(),
        size: size(row).log2(),
    });
    Ok(Measured::Sizes(Sizes::of(sizes.collect())))
}

fn conclude(rule: String, cells: Vec<Cell>) -> Check {
    let verdicts = || cells.iter().filter_map(|cell| cell.verdict);
    let verdict = verdicts().max().unwrap_or(Verdict::Undetermined);
    let open: Vec<&Cell> = cells.iter().filter(|cell| cell.is_open()).collect();
    let enough: Option<Vec<usize>> = open.iter().map(|cell| cell.enough_seeds).collect();
    let is_open = verdict == Verdict::Undetermined;
    let enough_seeds = enough
        .and_then(|all| all.into_iter().max())
        .filter(|_| is_open);
    let outlook = || outlook(&open, verdicts().count(), enough_seeds);
    Check {
        rule,
        verdict,
        diagnosis: cause(&cells)
            .map(diagnose)
            .or_else(|| is_open.then(outlook)),
        enough_seeds,
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
