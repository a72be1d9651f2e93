//! How noisy the losses of one curve are, and whether the valley misses them by more than that.

use crate::statistics::distribution::exceeds;
use crate::transfer::flag::Flag;
use crate::transfer::point::Point;
use crate::transfer::valley::Valley;

/// Probability of a misfit by noise alone below which it is not put down to noise.
const CHANCE: f64 = 0.05;

/// Standard errors by which the best run lies above the valley beyond what noise explains.
const ERRORS: f64 = 2.0;

/// Spread between seeds, as a share of the loss, that is no more than rounding.
const ROUNDING: f64 = 1e-9;

/// The noise between seeds, the same for all points near the bottom of a curve.
pub(crate) struct Noise {
    /// Variance of one run in nats², pooled; not a number where no point has two seeds.
    variance: f64,
    /// How far the valley misses the points, over how far noise alone would have it, where chance
    /// does not explain it; else 1. The intervals grow by as much.
    pub(crate) stretch: f64,
    /// Runs to spare.
    pub(crate) freedom: usize,
}

impl Noise {
    pub(crate) fn of(points: &[Point], valley: &Valley) -> Self {
        let kept = valley.points(points);
        let freedom = kept.iter().map(|point| point.seeds - 1).sum();
        let squares = kept.iter().filter_map(|point| {
            let seeds = point.seeds as f64;
            Some(point.standard_error?.powi(2) * seeds * (seeds - 1.0))
        });
        let rounding = (ROUNDING * valley.loss.abs()).powi(2);
        let variance = (squares.sum::<f64>() / freedom as f64).max(rounding);
        let spare = kept.len() - valley.parameters().min(kept.len());
        let squares = kept.iter().filter_map(|point| {
            Some((point.loss? - valley.at(point.log2)).powi(2) * point.seeds as f64)
        });
        let ratio = squares.sum::<f64>() / spare as f64 / variance;
        let is_missed = freedom > 0 && spare > 0 && exceeds(ratio, spare, freedom, CHANCE);
        Self {
            variance,
            stretch: if is_missed { ratio.sqrt() } else { 1.0 },
            freedom,
        }
    }

    /// Why the fit should be doubted, worst first.
    pub(crate) fn doubts(&self, points: &[Point], valley: &Valley) -> Vec<Flag> {
        let lowest = valley.points(points).into_iter().filter_map(|point| {
            let error = (self.variance / point.seeds as f64).sqrt();
            Some((point.loss?, valley.at(point.log2) + ERRORS * error))
        });
        let best = lowest.min_by(|one, other| one.0.total_cmp(&other.0));
        let is_below = best.is_some_and(|(loss, highest)| loss > highest);
        let doubts = [
            (Flag::Misfit, self.stretch > 1.0),
            (Flag::BelowRuns, self.freedom > 0 && is_below),
        ];
        let doubts = doubts.into_iter().filter(|(_, holds)| *holds);
        doubts.map(|(flag, _)| flag).collect()
    }
}
