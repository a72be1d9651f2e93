//! The training curves that a study left in its folder, and which of them can be compared across
//! sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mutransfer_analysis::{Along, Analysis, LossRow, SAME_OCTAVES, is_same};
use serde::Deserialize;

use crate::axis::{At, Axis, Rung};
use crate::error::StoreError;
use crate::store::{Part, Recorded, corrupt, visit};
use crate::trial::{Outcome, Trial};

/// One finished trial and its loss at every step.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What was run.
    pub trial: Trial,
    /// How it ended.
    pub outcome: Outcome,
    /// Step and loss.
    pub losses: Vec<(usize, f64)>,
}

/// What is written after every step; a loss that is no number is written as `null`.
#[derive(Deserialize)]
pub(crate) struct Metric {
    pub(crate) step: usize,
    pub(crate) loss: Option<f64>,
}

/// The lines of a curve of the study in a folder.
pub(crate) fn metrics(root: &Path, curve: &str) -> Result<Vec<Metric>, StoreError> {
    let lines = curve.lines();
    let metrics = lines.map(|line| serde_json::from_str(line).map_err(corrupt(root)));
    metrics.collect()
}

impl Curve {
    /// The curve as rows along an axis. A trial that diverged has no finite loss at its last step,
    /// whatever was measured there.
    pub fn rows(&self, along: Along) -> impl Iterator<Item = LossRow> {
        let last = self.losses.len().saturating_sub(1);
        let has_diverged = matches!(self.outcome, Outcome::Diverged { .. });
        let losses = self.losses.iter().enumerate();
        let sizes = self.trial.sizes;
        let at = match along {
            Along::Width => sizes.width,
            Along::Depth => sizes.depth,
        };
        losses.map(move |(index, (step, loss))| LossRow {
            rule: self.trial.rule.name().to_owned(),
            at,
            seed: self.trial.seed,
            step: *step,
            loss: if has_diverged && index == last {
                f64::NAN
            } else {
                *loss
            },
        })
    }
}

/// Reads the curves of the trials of the study in a folder that ended; those under way, and those
/// of other studies that were run there, are left out.
///
/// # Errors
/// When there is no study, or a record cannot be read or is damaged.
pub fn read(root: &Path) -> Result<Vec<Curve>, StoreError> {
    let mut curves = Vec::new();
    visit(root, Part::Curve, |recorded| {
        curves.extend(curve(root, recorded)?);
        Ok(())
    })?;
    Ok(curves)
}

fn curve(root: &Path, recorded: Recorded) -> Result<Option<Curve>, StoreError> {
    let Recorded {
        trial,
        record,
        curve,
        ..
    } = recorded;
    // What was imported as a row of a table has no curve.
    let Some(record) = record.filter(|_| !curve.is_empty()) else {
        return Ok(None);
    };
    let losses = metrics(root, &curve)?
        .into_iter()
        .map(|Metric { step, loss }| (step, loss.unwrap_or(f64::NAN)))
        .collect();
    Ok(Some(Curve {
        trial,
        outcome: record.outcome,
        losses,
    }))
}

/// The analysis that the study wrote, if it did.
pub fn analysis(root: &Path) -> Option<Analysis> {
    serde_json::from_slice(&fs::read(root.join("summary.json")).ok()?).ok()
}

/// Why curves cannot be compared step by step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlongError {
    /// Trainings that are at other points of their schedules at one step.
    #[error("the trials of the study have other numbers of steps each")]
    Steps,
    /// Two models that differ, and not in this.
    #[error("neither width nor depth tells all models of the study apart")]
    Neither,
}

/// What grows from one curve to the next, where they can be compared step by step: the width, if
/// that tells all sizes apart, or else the depth.
///
/// # Errors
/// When they cannot.
pub fn along(curves: &[Curve]) -> Result<Along, AlongError> {
    let rungs = Rung::distinct(curves.iter().map(|curve| &curve.trial));
    if !Axis::keeps_steps(&rungs) {
        return Err(AlongError::Steps);
    }
    let tells_apart = |axis: Axis| {
        let sizes: BTreeSet<At> = rungs.iter().map(|rung| axis.at(rung)).collect();
        sizes.len() == rungs.len()
    };
    let known = [(Axis::Width, Along::Width), (Axis::Depth, Along::Depth)];
    let found = known.into_iter().find(|(axis, _)| tells_apart(*axis));
    found.map(|(_, along)| along).ok_or(AlongError::Neither)
}

/// The learning rates of a rule that were tried at the most sizes, smallest first.
pub fn common_rates(curves: &[Curve], rule: &str) -> Vec<f64> {
    let mut sizes: BTreeMap<i64, (f64, Vec<Rung>)> = BTreeMap::new();
    for curve in curves
        .iter()
        .filter(|curve| curve.trial.rule.name() == rule)
    {
        let lr = curve.trial.hyper.learning_rate;
        let place = (lr.log2() / SAME_OCTAVES).round() as i64;
        let (_, tried) = sizes.entry(place).or_insert((lr, Vec::new()));
        curve.trial.rung().join(tried);
    }
    let most = sizes.values().map(|(_, tried)| tried.len()).max();
    sizes
        .into_values()
        .filter(|(_, tried)| Some(tried.len()) == most)
        .map(|(lr, _)| lr)
        .collect()
}

/// Of the common learning rates at which no trial diverged, or else of all, the one nearest to
/// `carried` on a logarithmic scale, or the middle one where nothing was carried.
pub fn usual_rate(curves: &[Curve], rule: &str, carried: Option<f64>) -> Option<f64> {
    let common = common_rates(curves, rule);
    let kept: Vec<f64> = common
        .iter()
        .copied()
        .filter(|lr| is_stable(curves, rule, *lr))
        .collect();
    let rates = if kept.is_empty() { common } else { kept };
    match carried {
        Some(carried) => rates
            .into_iter()
            .min_by(|a, b| octaves(*a, carried).total_cmp(&octaves(*b, carried))),
        None => rates.get(rates.len() / 2).copied(),
    }
}

fn is_stable(curves: &[Curve], rule: &str, lr: f64) -> bool {
    at(curves, rule, lr).all(|curve| matches!(curve.outcome, Outcome::Finished { .. }))
}

/// The curves of a rule at a learning rate.
pub fn at<'a>(curves: &'a [Curve], rule: &'a str, lr: f64) -> impl Iterator<Item = &'a Curve> {
    curves.iter().filter(move |curve| {
        let own = curve.trial.hyper.learning_rate;
        curve.trial.rule.name() == rule && is_same(own.log2(), lr.log2())
    })
}

fn octaves(one: f64, other: f64) -> f64 {
    (one.log2() - other.log2()).abs()
}
