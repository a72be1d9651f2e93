//! Against its depth: how far the last residual and the weights of blocks move.

use std::collections::BTreeMap;

use crate::data::Dataset;
use crate::error::Error;
use crate::trainer::Training;
use crate::updates::Updates;

/// How far a transformer moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthChange {
    /// Root mean square of the change of the last residual, on the batch.
    pub residual: f64,
    /// Mean over blocks of the relative change of the matrices inside of branches, in norm.
    pub inside: f64,
    /// The same of the matrices that end branches.
    pub ends: f64,
}

/// How far its updates move a model.
///
/// # Errors
/// When it is no transformer, or cannot be planned or trained.
pub fn depth_change(updates: &Updates, dataset: &Dataset) -> Result<DepthChange, Error> {
    let mut trainer = updates.start(dataset)?;
    let kind = updates.architecture.kind;
    let stream = |trainer: &dyn Training| trainer.stream().ok_or(Error::NoStream { kind });
    let (before, weights) = (stream(trainer.as_ref())?, matrices(trainer.as_ref()));
    updates.make(trainer.as_mut());
    let (after, moved) = (stream(trainer.as_ref())?, matrices(trainer.as_ref()));
    let [inside, ends] = [false, true].map(|ends| {
        let own = weights.iter().filter(|(name, _)| ends_branch(name) == ends);
        let changes: Vec<f64> = own
            .map(|(name, first)| distance(first, &moved[name]) / norm(first))
            .collect();
        changes.iter().sum::<f64>() / changes.len() as f64
    });
    Ok(DepthChange {
        residual: distance(&before, &after) / (before.len() as f64).sqrt(),
        inside,
        ends,
    })
}

/// The matrices of all blocks by name.
fn matrices(trainer: &dyn Training) -> BTreeMap<String, Vec<f32>> {
    let all = trainer.parameters().into_iter();
    all.filter(|(name, _)| name.starts_with("blocks.") && name.ends_with(".weight"))
        .collect()
}

fn ends_branch(name: &str) -> bool {
    name.ends_with("attention.output.weight") || name.ends_with("mlp.down.weight")
}

fn norm(values: &[f32]) -> f64 {
    let squares = values.iter().map(|value| f64::from(*value).powi(2));
    squares.sum::<f64>().sqrt()
}

fn distance(one: &[f32], other: &[f32]) -> f64 {
    let between = one.iter().zip(other).map(|(one, other)| other - one);
    norm(&between.collect::<Vec<f32>>())
}
