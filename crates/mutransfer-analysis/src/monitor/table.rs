//! From rows to curves, and what two widths have in common.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use super::Diverged;
use crate::record::LossRow;

/// Loss by step.
pub(super) type Curve = BTreeMap<usize, f64>;

/// The curves of a rule, by width and seed.
pub(super) type Curves = BTreeMap<usize, BTreeMap<u64, Curve>>;

/// Share of the longer curve that common steps must reach over.
const COVERED: f64 = 0.9;

/// Curves that cannot be compared.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum MonitorError {
    /// There are no rows.
    #[error("no losses to compare")]
    Empty,
    /// A table that cannot be read.
    #[error("cannot read the table: {message}")]
    Table {
        /// What is wrong, with the line.
        message: String,
    },
    /// Nothing to compare with.
    #[error("rule {rule}: all curves have width {width}, so there is nothing to compare")]
    OneWidth {
        /// Name of the parametrization.
        rule: String,
        /// The only width.
        width: usize,
    },
    /// Seeds that do not pair.
    #[error("rule {rule}: widths {narrow} and {wide} have no seed in common")]
    NoCommonSeed {
        /// Name of the parametrization.
        rule: String,
        /// The smaller width.
        narrow: usize,
        /// The larger width.
        wide: usize,
    },
    /// Steps that do not meet.
    #[error("rule {rule}: widths {narrow} and {wide} have no step in common")]
    NoCommonStep {
        /// Name of the parametrization.
        rule: String,
        /// The smaller width.
        narrow: usize,
        /// The larger width.
        wide: usize,
    },
    /// The same step is listed twice with different losses.
    #[error(
        "rule {rule}, width {width}, seed {seed}: step {step} is listed twice, with losses {first} and {second}"
    )]
    Duplicate {
        /// Name of the parametrization.
        rule: String,
        /// Width of the model.
        width: usize,
        /// Seed of the run.
        seed: u64,
        /// The step of both rows.
        step: usize,
        /// Loss of one row.
        first: f64,
        /// Loss of the other.
        second: f64,
    },
}

impl MonitorError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "rows without a loss do not count; is this the right file?",
            Self::Table { .. } => {
                "columns are width, step, loss, and optionally rule, seed; others are ignored"
            }
            Self::OneWidth { .. } => "give training curves of two widths or more, in one table",
            Self::NoCommonSeed { .. } => "give runs on the same data the same seed at every width",
            Self::NoCommonStep { .. } => {
                "log all widths at the same steps, or at multiples of one another"
            }
            Self::Duplicate { .. } => {
                "give each run its own seed, and keep one learning rate per table"
            }
        }
    }
}

/// The curves of every rule, in the order of their names but for `sp`, which is what one compares
/// with.
pub(super) fn by_rule(rows: &[LossRow]) -> Result<Vec<(&str, Curves)>, MonitorError> {
    let mut rules: BTreeMap<&str, Curves> = BTreeMap::new();
    for row in rows {
        let curve = rules
            .entry(&row.rule)
            .or_default()
            .entry(row.width)
            .or_default()
            .entry(row.seed)
            .or_default();
        let first = *curve.entry(row.step).or_insert(row.loss);
        if first.to_bits() != row.loss.to_bits() && !(first.is_nan() && row.loss.is_nan()) {
            let LossRow {
                rule,
                width,
                seed,
                step,
                loss: second,
            } = row.clone();
            return Err(MonitorError::Duplicate {
                rule,
                width,
                seed,
                step,
                first,
                second,
            });
        }
    }
    if rules.is_empty() {
        return Err(MonitorError::Empty);
    }
    let mut rules: Vec<(&str, Curves)> = rules.into_iter().collect();
    rules.sort_by_key(|(rule, _)| *rule != "sp");
    Ok(rules)
}

/// The first step of every curve at which its loss is not finite.
pub(super) fn diverged(curves: &Curves) -> Vec<Diverged> {
    let each = curves.iter().flat_map(|(width, seeds)| {
        seeds
            .iter()
            .map(move |(seed, curve)| (*width, *seed, curve))
    });
    each.filter_map(|(width, seed, curve)| {
        first_lost(curve).map(|step| Diverged { width, seed, step })
    })
    .collect()
}

fn first_lost(curve: &Curve) -> Option<usize> {
    curve
        .iter()
        .find(|(_, loss)| !loss.is_finite())
        .map(|(step, _)| *step)
}

/// What two widths have in common.
pub(super) struct Pairing<'a> {
    pub(super) narrow: usize,
    pub(super) wide: usize,
    /// The curves of each common seed.
    curves: Vec<(&'a Curve, &'a Curve)>,
    /// Steps at which all of them are finite, and after none at which one is not.
    pub(super) steps: Vec<usize>,
    /// Whether the common steps reach over nearly all of the longest curve.
    pub(super) complete: bool,
}

/// Pairs two widths by seed and by step.
pub(super) fn pairing<'a>(
    rule: &str,
    all: &'a Curves,
    narrow: usize,
    wide: usize,
) -> Result<Pairing<'a>, MonitorError> {
    let rule = rule.to_owned();
    let pair = |(seed, curve)| Some((curve, all[&wide].get(seed)?));
    let curves: Vec<(&Curve, &Curve)> = all[&narrow].iter().filter_map(pair).collect();
    let each = || curves.iter().flat_map(|(narrow, wide)| [*narrow, *wide]);
    let Some(first) = each().next() else {
        return Err(MonitorError::NoCommonSeed { rule, narrow, wide });
    };
    let mut steps: Vec<usize> = first.keys().copied().collect();
    steps.retain(|step| each().all(|curve| curve.contains_key(step)));
    if steps.is_empty() {
        return Err(MonitorError::NoCommonStep { rule, narrow, wide });
    }
    let ends =
        || each().filter_map(|curve| Some((*curve.keys().next()?, *curve.keys().next_back()?)));
    let (start, end) = ends().fold((usize::MAX, 0), |(start, end), (first, last)| {
        (start.min(first), end.max(last))
    });
    let length = |start: usize, end: usize| (end - start) as f64;
    let complete = length(steps[0], steps[steps.len() - 1]) >= COVERED * length(start, end);
    let lost = each().filter_map(first_lost).min().unwrap_or(usize::MAX);
    steps.retain(|step| *step < lost);
    Ok(Pairing {
        narrow,
        wide,
        curves,
        steps,
        complete,
    })
}

impl Pairing<'_> {
    pub(super) fn seeds(&self) -> usize {
        self.curves.len()
    }

    /// The loss of the narrower minus that of the wider, averaged over these steps, per seed.
    pub(super) fn gains(&self, steps: &[usize]) -> Vec<f64> {
        let gain = |(narrow, wide): &(&Curve, &Curve)| {
            steps
                .iter()
                .map(|step| narrow[step] - wide[step])
                .sum::<f64>()
                / steps.len() as f64
        };
        self.curves.iter().map(gain).collect()
    }
}

/// A loss as other programs write it.
#[derive(Deserialize)]
struct Written {
    rule: Option<String>,
    width: usize,
    seed: Option<u64>,
    #[serde(alias = "t")]
    step: usize,
    loss: Option<f64>,
}

/// Reads training curves of any framework from CSV: columns `width`, `step` (or `t`) and `loss`,
/// and where they are there `rule` and `seed`; others are ignored. Without `rule` the rows are of
/// `rule`. An empty cell is a step at which no loss was logged; `NaN` and `inf` are a loss that
/// diverged.
///
/// # Errors
/// When a column is missing or a cell cannot be read, with the line.
pub fn curves_from_csv(text: &str, rule: &str) -> Result<Vec<LossRow>, MonitorError> {
    let bad = |error: csv::Error| MonitorError::Table {
        message: error.to_string(),
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    if !reader
        .headers()
        .map_err(bad)?
        .iter()
        .any(|column| column == "loss")
    {
        return Err(MonitorError::Table {
            message: "missing field `loss`".to_owned(),
        });
    }
    let written: Vec<Written> = reader
        .deserialize()
        .collect::<Result<_, _>>()
        .map_err(bad)?;
    let row = |row: Written| {
        let rule = row.rule.unwrap_or_else(|| rule.to_owned());
        Some(LossRow {
            rule,
            width: row.width,
            seed: row.seed.unwrap_or(0),
            step: row.step,
            loss: row.loss?,
        })
    };
    Ok(written.into_iter().filter_map(row).collect())
}
