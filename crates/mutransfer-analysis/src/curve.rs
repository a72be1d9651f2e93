//! Loss against learning rate at one width, seeds averaged.

use std::collections::BTreeMap;

use super::AnalysisError;
use super::run::is_same;
use crate::record::{Row, Status};

/// One learning rate of one curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The learning rate.
    pub lr: f64,
    /// Its base-2 logarithm.
    pub log2_lr: f64,
    /// Mean loss over the seeds in nats; absent when any seed diverged.
    pub loss: Option<f64>,
    /// Standard error of that mean in nats; absent with a single seed.
    pub standard_error: Option<f64>,
    /// Seeds run at this learning rate.
    pub seeds: usize,
}

/// The loss curve of one rule at one width, smallest learning rate first; empty when there are no
/// such rows.
pub fn points(rows: &[Row], rule: &str, width: usize) -> Vec<Point> {
    let rows: Vec<&Row> = rows
        .iter()
        .filter(|row| row.rule == rule && row.width == width)
        .collect();
    group_by_lr(rows).iter().map(|group| point(group)).collect()
}

/// Fails on rows that no curve can be made of.
pub(super) fn check(rows: &[Row]) -> Result<(), AnalysisError> {
    if rows.is_empty() {
        return Err(AnalysisError::Empty);
    }
    if let Some(row) = rows
        .iter()
        .find(|row| !(row.lr.is_finite() && row.lr > 0.0))
    {
        let Row {
            rule,
            width,
            seed,
            lr,
            ..
        } = row.clone();
        return Err(AnalysisError::LearningRate {
            rule,
            width,
            seed,
            lr,
        });
    }
    let mut curves: BTreeMap<(&str, usize), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        curves.entry((&row.rule, row.width)).or_default().push(row);
    }
    curves
        .into_values()
        .flat_map(group_by_lr)
        .try_for_each(|group| check_seeds(&group))
}

fn check_seeds(group: &[&Row]) -> Result<(), AnalysisError> {
    match group
        .windows(2)
        .find(|pair| pair[0].seed == pair[1].seed && loss(pair[0]) != loss(pair[1]))
    {
        None => Ok(()),
        Some(pair) => Err(AnalysisError::Duplicate {
            rule: pair[0].rule.clone(),
            width: pair[0].width,
            lr: pair[0].lr,
            seed: pair[0].seed,
            first: pair[0].loss,
            second: pair[1].loss,
        }),
    }
}

/// Sorts before it groups, so that sums over seeds come out the same to the last bit whatever the
/// order of the rows.
fn group_by_lr(mut rows: Vec<&Row>) -> Vec<Vec<&Row>> {
    rows.sort_by(|a, b| a.lr.total_cmp(&b.lr));
    let same = |a: &&Row, b: &&Row| is_same(a.lr.log2(), b.lr.log2());
    let mut groups: Vec<Vec<&Row>> = rows.chunk_by(same).map(<[_]>::to_vec).collect();
    for group in &mut groups {
        group.sort_by(|a, b| a.seed.cmp(&b.seed).then(a.loss.total_cmp(&b.loss)));
    }
    groups
}

fn point(group: &[&Row]) -> Point {
    let mut trials = group.to_vec();
    trials.dedup_by_key(|row| row.seed);
    let lr = group.iter().map(|row| row.lr).fold(f64::INFINITY, f64::min);
    let losses: Option<Vec<f64>> = trials.iter().map(|row| loss(row)).collect();
    Point {
        lr,
        log2_lr: lr.log2(),
        loss: losses.as_deref().map(mean),
        standard_error: losses.as_deref().and_then(standard_error),
        seeds: trials.len(),
    }
}

/// The loss of a trial, absent when it diverged by its own account or by its number.
fn loss(row: &Row) -> Option<f64> {
    (row.status == Status::Ok && row.loss.is_finite()).then_some(row.loss)
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(super) fn standard_error(values: &[f64]) -> Option<f64> {
    let (count, mean) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt())
}
