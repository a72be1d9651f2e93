//! The training curves that a study left in its folder, and which of them can be compared across
//! widths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::Error;
use crate::store::{read_outcome, read_trial};
use crate::trial::{Outcome, Trial};
use mutransfer_analysis::Summary;
use mutransfer_analysis::record::LossRow;

/// Learning rates closer than this, in octaves, are the same.
pub(crate) const SAME_LEARNING_RATE: f64 = 1e-6;

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
struct Metric {
    step: usize,
    loss: Option<f64>,
}

impl Curve {
    /// The curve as rows. A trial that diverged has no finite loss at its last step, whatever was
    /// measured there.
    pub fn rows(&self) -> impl Iterator<Item = LossRow> {
        let last = self.losses.len().saturating_sub(1);
        let lost = matches!(self.outcome, Outcome::Diverged { .. });
        self.losses
            .iter()
            .enumerate()
            .map(move |(index, (step, loss))| LossRow {
                rule: self.trial.rule.to_string(),
                width: self.trial.width,
                seed: self.trial.seed,
                step: *step,
                loss: if lost && index == last {
                    f64::NAN
                } else {
                    *loss
                },
            })
    }
}

/// Reads the curves of all trials that ended, in the order of their folders; those under way are
/// left out.
///
/// # Errors
/// When the folder of trials cannot be read, or a record is damaged.
pub fn read(root: &Path) -> Result<Vec<Curve>, Error> {
    let folder = root.join("trials");
    let unreadable = |source| Error::File {
        verb: "read",
        path: folder.clone(),
        source,
    };
    let mut trials: Vec<_> = fs::read_dir(&folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(unreadable)?;
    trials.sort();
    trials
        .iter()
        .filter(|trial| trial.is_dir())
        .filter_map(|trial| curve(trial).transpose())
        .collect()
}

fn curve(folder: &Path) -> Result<Option<Curve>, Error> {
    let Some(outcome) = read_outcome(folder)? else {
        return Ok(None);
    };
    let trial = read_trial(folder)?;
    let path = folder.join("metrics.jsonl");
    let text = fs::read_to_string(&path).map_err(|source| Error::File {
        verb: "read",
        path: path.clone(),
        source,
    })?;
    let metrics: Result<Vec<Metric>, serde_json::Error> =
        text.lines().map(serde_json::from_str).collect();
    let metrics = metrics.map_err(|problem| Error::Corrupt {
        path,
        problem: problem.to_string(),
    })?;
    let losses = metrics
        .into_iter()
        .map(|metric| (metric.step, metric.loss.unwrap_or(f64::NAN)))
        .collect();
    Ok(Some(Curve {
        trial,
        outcome,
        losses,
    }))
}

/// The judgement that the study wrote, if it did.
pub fn summary(root: &Path) -> Option<Summary> {
    serde_json::from_slice(&fs::read(root.join("summary.json")).ok()?).ok()
}

/// The learning rates of a rule that were tried at the most widths, smallest first.
pub fn common_rates(curves: &[Curve], rule: &str) -> Vec<f64> {
    let mut widths: BTreeMap<i64, (f64, BTreeSet<usize>)> = BTreeMap::new();
    for curve in curves.iter().filter(|curve| curve.trial.rule == rule) {
        let place = (curve.trial.lr.log2() / SAME_LEARNING_RATE).round() as i64;
        widths
            .entry(place)
            .or_insert((curve.trial.lr, BTreeSet::new()))
            .1
            .insert(curve.trial.width);
    }
    let most = widths
        .values()
        .map(|(_, widths)| widths.len())
        .max()
        .unwrap_or(0);
    widths
        .into_values()
        .filter(|(_, widths)| widths.len() == most)
        .map(|(lr, _)| lr)
        .collect()
}

/// Of the common learning rates at which no trial diverged, or else of all, the one nearest to
/// `carried` on a logarithmic scale, or the middle one where nothing was carried.
pub fn usual_rate(curves: &[Curve], rule: &str, carried: Option<f64>) -> Option<f64> {
    let common = common_rates(curves, rule);
    let sound = |lr: &f64| {
        at(curves, rule, *lr).all(|curve| matches!(curve.outcome, Outcome::Finished { .. }))
    };
    let kept: Vec<f64> = common.iter().copied().filter(sound).collect();
    let rates = if kept.is_empty() { common } else { kept };
    match carried {
        Some(carried) => rates
            .into_iter()
            .min_by(|a, b| octaves(*a, carried).total_cmp(&octaves(*b, carried))),
        None => rates.get(rates.len() / 2).copied(),
    }
}

/// The curves of a rule at a learning rate.
pub fn at<'a>(curves: &'a [Curve], rule: &'a str, lr: f64) -> impl Iterator<Item = &'a Curve> {
    let same = move |curve: &&Curve| octaves(curve.trial.lr, lr) < SAME_LEARNING_RATE;
    curves
        .iter()
        .filter(move |curve| curve.trial.rule == rule)
        .filter(same)
}

fn octaves(one: f64, other: f64) -> f64 {
    (one.log2() - other.log2()).abs()
}
