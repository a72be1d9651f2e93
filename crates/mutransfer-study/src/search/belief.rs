//! What is believed of the losses at some points: where they are lowest, and what choosing that
//! point may cost.

use nalgebra::{DMatrix, DVector};

use super::process::{Process, functions};
use super::random::Draws;

/// Functions that are drawn in all.
const FUNCTIONS: usize = 128;

/// What is believed at some points.
pub(super) struct Belief {
    /// The points.
    pub(super) points: Vec<Vec<f64>>,
    /// Means there.
    pub(super) mean: DVector<f64>,
    /// Their covariance.
    pub(super) covariance: DMatrix<f64>,
    /// Functions drawn, in the order in which they are used.
    functions: Vec<DVector<f64>>,
    /// The point to choose.
    pub(super) chosen: usize,
}

impl Belief {
    /// What processes believe at `points`, each by its share. Of the points that `may` be chosen it
    /// is the one with the lowest mean, where `caution` standard deviations count against it.
    pub(super) fn of(
        processes: &[(f64, Process<'_>)],
        points: Vec<Vec<f64>>,
        may: impl Fn(&[f64]) -> bool,
        caution: f64,
        draws: &mut Draws,
    ) -> Self {
        let size = points.len();
        let (mut mean, mut covariance) = (DVector::zeros(size), DMatrix::zeros(size, size));
        let mut functions = Vec::new();
        let mut squares = DMatrix::zeros(size, size);
        for (share, process) in processes {
            let (own, spread) = process.posterior(&points);
            functions.push(drawn(&own, &spread, *share, draws));
            squares += &own * own.transpose() * *share;
            mean += own * *share;
            covariance += spread * *share;
        }
        covariance += squares - &mean * mean.transpose();
        let height = |index: usize| mean[index] + caution * deviation(&covariance, index);
        let chosen = (0..size)
            .filter(|index| may(&points[*index]))
            .min_by(|a, b| height(*a).total_cmp(&height(*b)))
            .unwrap_or_default();
        Self {
            points,
            mean,
            covariance,
            functions: shuffled(functions),
            chosen,
        }
    }

    /// In each function, how far the chosen point is above the lowest; ascending.
    pub(super) fn regrets(&self) -> Vec<f64> {
        let above = |function: &DVector<f64>| function[self.chosen] - function.min();
        let mut regrets: Vec<f64> = self.functions.iter().map(above).collect();
        regrets.sort_by(f64::total_cmp);
        regrets
    }

    /// Where each function is lowest.
    pub(super) fn minima(&self) -> impl Iterator<Item = usize> {
        self.functions.iter().map(|function| function.argmin().0)
    }

    /// Variance of the difference of a point to the chosen one.
    pub(super) fn doubt(&self, point: usize) -> f64 {
        let of = |a, b| self.covariance[(a, b)];
        of(point, point) + of(self.chosen, self.chosen) - 2.0 * of(point, self.chosen)
    }

    /// Takes a run at a point for done, which settles how much is known and not what.
    pub(super) fn suppose(&mut self, point: usize, noise: f64) {
        let column = self.covariance.column(point).clone_owned();
        let variance = column[point] + noise.powi(2);
        self.covariance -= &column * column.transpose() / variance;
    }
}

fn deviation(covariance: &DMatrix<f64>, index: usize) -> f64 {
    covariance[(index, index)].max(0.0).sqrt()
}

/// The functions of a process by its share.
fn drawn(
    mean: &DVector<f64>,
    covariance: &DMatrix<f64>,
    share: f64,
    draws: &mut Draws,
) -> Vec<DVector<f64>> {
    let count = (share * FUNCTIONS as f64).round() as usize;
    let functions = functions(mean, covariance, count, draws);
    functions
        .column_iter()
        .map(|column| column.clone_owned())
        .collect()
}

/// The functions of all processes, so that any first ones are of each by its share.
fn shuffled(groups: Vec<Vec<DVector<f64>>>) -> Vec<DVector<f64>> {
    let place =
        |group: &Vec<DVector<f64>>, number: usize| (number as f64 + 0.5) / group.len() as f64;
    let mut placed: Vec<(f64, DVector<f64>)> = Vec::new();
    for group in groups {
        let places: Vec<f64> = (0..group.len())
            .map(|number| place(&group, number))
            .collect();
        placed.extend(places.into_iter().zip(group));
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0));
    placed.into_iter().map(|(_, function)| function).collect()
}
