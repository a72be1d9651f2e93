//! Where the best learning rate lies at each width, how far it moves, and what copying it to the
//! target costs.
//!
//! Pure functions of [`Row`]s: no clock, no randomness, and the order of the rows never matters.
//! Losses are in nats, learning rates are the swept ones (before any per-parameter scale) and are
//! reported as base-2 logarithms, so that one unit is an octave, a factor of two.
//!
//! # Scope
//!
//! For tables of runs of any program, at several sizes and several values of one hyperparameter. It
//! opens no file and starts no run (`mutransfer-study` does), and it is not for comparing
//! architectures or for scaling laws of the loss alone: everything here asks whether an optimum
//! moves with size.

mod bootstrap;
mod conclusion;
mod coordinate;
mod cost;
mod curve;
pub mod figures;
mod findings;
mod flag;
mod gap;
mod joint;
mod judgement;
mod line;
mod measured;
mod minimum;
mod monitor;
mod optimum;
mod prediction;
pub mod record;
mod regret;
pub mod report;
mod run;
mod scaling;
mod settings;
mod slope;
mod student;
mod sweep;
mod table;
mod table_error;
mod target;
mod transfer;
mod transfer_json;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::record::Row;

pub use conclusion::conclusion;
pub use coordinate::{
    Cell, Check, Fit, TOLERANCE, Trend, UNSETTLED, Verdict, coordinates_from_csv, judge,
};
pub use cost::{Cost, Group, Runs, tuning_share};
pub use curve::{Point, points};
pub use findings::{doubts, findings, of_rows};
pub use flag::Flag;
pub use gap::{Speed, direct_exponent, transfer_exponent};
pub use joint::{Joint, PARAMETERS};
pub use judgement::{Analysis, Best, Carried, Request, RuleAnalysis, Transfers};
pub use line::Line;
pub use measured::{Measured, Number, with_interval};
pub use monitor::{
    Diverged, LOSS_TOLERANCE, Monitor, MonitorError, Pair, WINDOWS, Window, curves_from_csv,
    monitor,
};
pub use optimum::{Optimum, Parabola, optimum};
pub use prediction::Prediction;
pub use run::{End, Run, SAME_OCTAVES, is_same};
pub use scaling::Decay;
pub use slope::{Changed, Estimate, Slope, slopes};
pub use sweep::{Curve, Rows, Sweeps, Trials};
pub use table::{Columns, read_tables};
pub use table_error::{Part, Spot, TableError};
pub use target::Target;
pub use transfer::{analyze, carried};
pub use transfer_json::analysis_json;

/// Rows that cannot be judged.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum AnalysisError {
    /// There are no rows to judge.
    #[error("no rows to analyse")]
    Empty,
    /// A learning rate has no logarithm.
    #[error("rule {rule}, width {width}, seed {seed}: the learning rate is {lr}")]
    LearningRate {
        /// Name of the parametrization.
        rule: String,
        /// Width of the model.
        width: usize,
        /// Seed of the trial.
        seed: u64,
        /// The offending learning rate.
        lr: f64,
    },
    /// A table that cannot be read.
    #[error("cannot read the table: {message}")]
    Table {
        /// What is wrong, with the line.
        message: String,
    },
    /// A measurement is zero that cannot be.
    #[error("rule {rule}: the size of {module} after {step} updates is zero at some width")]
    ZeroActivation {
        /// Name of the parametrization.
        rule: String,
        /// The module.
        module: String,
        /// Updates made.
        step: usize,
    },
    /// A rule of which nothing is expected.
    #[error(
        "rule `{rule}` of the measurements is unknown, so nothing says how its sizes should follow the width"
    )]
    NoExpectation {
        /// Name of the parametrization.
        rule: String,
    },
    /// The same trial is listed twice with different outcomes.
    #[error(
        "rule {rule}, width {width}, learning rate {lr}, seed {seed} is listed twice, with losses {first} and {second}"
    )]
    Duplicate {
        /// Name of the parametrization.
        rule: String,
        /// Width of the model.
        width: usize,
        /// The learning rate of both rows.
        lr: f64,
        /// The seed of both rows.
        seed: u64,
        /// Loss of one row, in nats.
        first: f64,
        /// Loss of the other row, in nats.
        second: f64,
    },
    /// A change has no logarithm.
    #[error(
        "rule {rule}, width {width}, seed {seed}: the relative change of the {changed} is {change}"
    )]
    Change {
        /// Name of the parametrization.
        rule: String,
        /// Width of the model.
        width: usize,
        /// Seed of the run.
        seed: u64,
        /// What changed.
        changed: Changed,
        /// By how much.
        change: f64,
    },
    /// A single width has no slope.
    #[error("rule {rule}, seed {seed}: measured at a single width, which has no slope")]
    OneWidth {
        /// Name of the parametrization.
        rule: String,
        /// Seed of the run.
        seed: u64,
    },
}

impl AnalysisError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "run the study first, or check that the file is the right one",
            Self::LearningRate { .. } => "learning rates must be finite and above zero",
            Self::Change { .. } => "a rule under which training does nothing has no exponent",
            Self::Table { .. } => {
                "columns are width, step, module, l1, and optionally rule, seed, layer, quantity, l2, std"
            }
            Self::ZeroActivation { .. } => {
                "only logits may be zero, and at all widths or none; is the module dead?"
            }
            Self::NoExpectation { .. } => {
                "`mutransfer rules` lists the rules; --rule names that of a table without the column"
            }
            Self::OneWidth { .. } => "measure at two widths or more",
            Self::Duplicate { .. } => {
                "keep one depth and one number of steps per table, and drop the stale row"
            }
        }
    }
}

/// The judgement of a whole study, as written to `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Proxy widths, narrowest first.
    pub proxies: Vec<usize>,
    /// Width the learning rate was carried to, if any.
    pub target_width: Option<usize>,
    /// One entry per parametrization, by name.
    pub rules: BTreeMap<String, RuleSummary>,
}

/// The judgement of one parametrization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleSummary {
    /// The optimum at each proxy width that has rows, narrowest first.
    pub optima: Vec<Optimum>,
    /// Log2 of the best learning rate at the widest proxy minus at the narrowest, in octaves.
    /// Absent where either has no vertex, because a value at the edge of a grid is only a bound.
    pub drift_octaves: Option<f64>,
    /// The zero-shot transfer; absent when the study has no target.
    pub target: Option<Target>,
}

impl Summary {
    /// The rules in the order in which people compare them: the standard parametrization first.
    pub fn ordered_rules(&self) -> Vec<(&str, &RuleSummary)> {
        let mut rules: Vec<_> = self
            .rules
            .iter()
            .map(|(name, rule)| (name.as_str(), rule))
            .collect();
        rules.sort_by_key(|(name, _)| *name != "sp");
        rules
    }
}

/// What a rule is called in prose and figures: `sp` is SP, `mup` is μP, any other name stays as it
/// is.
pub fn display_name(rule: &str) -> &str {
    match rule {
        "sp" => "SP",
        "mup" => "μP",
        other => other,
    }
}

/// Judges a study: the optimum per rule and proxy width, its drift, and the transfer to the width
/// `target`.
///
/// `max_octaves` limits the parabola to that distance from the best grid point on either side:
/// valleys are steeper towards large learning rates than a parabola, which pulls the vertex of a
/// wide fit away from the bottom.
///
/// The rows at the target width are the direct runs at [`transferred_lr`] and, if one was made, a
/// verification sweep.
///
/// # Errors
///
/// When there are no rows, a learning rate is not positive, or a trial is listed twice with
/// different losses.
pub fn summarize(
    rows: &[Row],
    proxies: &[usize],
    target: Option<usize>,
    max_octaves: Option<f64>,
) -> Result<Summary, AnalysisError> {
    curve::check(rows)?;
    let proxies: Vec<usize> = proxies
        .iter()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let names: BTreeSet<&str> = rows.iter().map(|row| row.rule.as_str()).collect();
    let judge = |name: &str| {
        (
            name.to_owned(),
            summarize_rule(rows, name, &proxies, target, max_octaves),
        )
    };
    Ok(Summary {
        rules: names.into_iter().map(judge).collect(),
        target_width: target,
        proxies,
    })
}

fn summarize_rule(
    rows: &[Row],
    rule: &str,
    proxies: &[usize],
    target: Option<usize>,
    max_octaves: Option<f64>,
) -> RuleSummary {
    let optima = optima(rows, rule, proxies, max_octaves);
    let transferred = transferred_from(&optima);
    RuleSummary {
        drift_octaves: drift(&optima, proxies),
        target: target.map(|width| {
            target::judge(&points(rows, rule, width), width, transferred, max_octaves)
        }),
        optima,
    }
}

/// The learning rate to use unchanged at the target: the optimum of the widest proxy that has one.
///
/// That is the vertex of its parabola, or the best learning rate of the grid where there is no
/// vertex. Only rows at proxy widths count, so the value stays the same once rows at the target
/// arrive. `None` when no proxy has an optimum.
pub fn transferred_lr(
    rows: &[Row],
    rule: &str,
    proxies: &[usize],
    max_octaves: Option<f64>,
) -> Option<f64> {
    let mut proxies = proxies.to_vec();
    proxies.sort_unstable();
    transferred_from(&optima(rows, rule, &proxies, max_octaves))
}

fn transferred_from(optima: &[Optimum]) -> Option<f64> {
    optima.iter().rev().find_map(|optimum| optimum.lr)
}

fn optima(rows: &[Row], rule: &str, proxies: &[usize], max_octaves: Option<f64>) -> Vec<Optimum> {
    let curves = proxies
        .iter()
        .map(|&width| (width, points(rows, rule, width)));
    curves
        .filter(|(_, points)| !points.is_empty())
        .map(|(width, points)| optimum::of_points(&points, width, max_octaves))
        .collect()
}

fn drift(optima: &[Optimum], proxies: &[usize]) -> Option<f64> {
    let (narrowest, widest) = (proxies.first()?, proxies.last()?);
    let vertex = |width: &usize| {
        optima
            .iter()
            .find(|o| o.width == *width)?
            .parabola
            .as_ref()
            .map(|p| p.log2_lr)
    };
    (narrowest < widest).then_some(vertex(widest)? - vertex(narrowest)?)
}
