//! The best learning rate at one width: a parabola in the logarithm of the learning rate around the
//! best grid point.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use super::{AnalysisError, Flag, Point, curve, points};
use crate::record::Row;
use crate::run::SAME_OCTAVES;

/// Grid points whose loss is at most this multiple of the lowest belong to the valley; the walls
/// are not parabolic. Kalra and Barkeshli (arXiv 2605.21486) use the same threshold.
const VALLEY: f64 = 1.35;

/// The best learning rate of one rule at one width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimum {
    /// Width of the model.
    pub width: usize,
    /// Log2 of the best learning rate: the vertex of the parabola, or the best grid point where
    /// there is no vertex.
    pub log2_lr: Option<f64>,
    /// The same as a plain number.
    pub lr: Option<f64>,
    /// Loss there in nats: at the vertex, or the mean at the best grid point.
    pub loss: Option<f64>,
    /// The most severe of the flags.
    pub flag: Option<Flag>,
    /// Everything that limits trust in this optimum, worst first.
    pub flags: Vec<Flag>,
    /// Log2 of the grid point with the lowest mean loss; a tie goes to the smaller learning rate.
    pub raw_log2_lr: Option<f64>,
    /// Mean loss at that grid point in nats.
    pub raw_loss: Option<f64>,
    /// The fitted parabola; absent when there is no vertex to trust.
    pub parabola: Option<Parabola>,
    /// Log2 of the vertex of a parabola through the whole valley; differs where the fit was limited
    /// to its bottom.
    pub whole_valley_log2_lr: Option<f64>,
    /// Learning rates in the grid.
    pub tried: usize,
    /// Learning rates at which at least one seed diverged.
    pub diverged: usize,
}

/// A convex parabola through the valley of a loss curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parabola {
    /// Log2 of the learning rate at the vertex.
    pub log2_lr: f64,
    /// Loss at the vertex in nats.
    pub loss: f64,
    /// Second derivative of the loss in the natural logarithm of the learning rate, in nats.
    pub curvature: f64,
    /// Log2 of the smallest and the largest learning rate the parabola was fitted to.
    pub kept: [f64; 2],
}

impl Parabola {
    /// Whether a learning rate, given as log2, is among those the parabola was fitted to.
    pub fn covers(&self, log2_lr: f64) -> bool {
        (self.kept[0]..=self.kept[1]).contains(&log2_lr)
    }

    /// How much worse than the vertex a learning rate is, given as log2: nats, never negative.
    pub fn excess(&self, log2_lr: f64) -> f64 {
        0.5 * self.curvature * ((log2_lr - self.log2_lr) * LN_2).powi(2)
    }
}

/// Finds the best learning rate of `rule` at `width` among the rows.
///
/// `max_octaves` limits the parabola to that distance from the best grid point.
///
/// # Errors
///
/// When there are no such rows, a learning rate is not positive, or a trial is listed twice with
/// different losses.
pub fn optimum(
    rows: &[Row],
    rule: &str,
    width: usize,
    max_octaves: Option<f64>,
) -> Result<Optimum, AnalysisError> {
    curve::check(rows)?;
    let points = points(rows, rule, width);
    if points.is_empty() {
        Err(AnalysisError::Empty)
    } else {
        Ok(of_points(&points, width, max_octaves))
    }
}

/// The points that the parabola is fitted to.
pub(super) fn kept_points(points: &[Point], max_octaves: Option<f64>) -> Vec<&Point> {
    best_point(points)
        .map(|best| window(&valley(points, best), best, max_octaves))
        .unwrap_or_default()
}

pub(super) fn of_points(points: &[Point], width: usize, max_octaves: Option<f64>) -> Optimum {
    let best = best_point(points);
    let whole = best.map(|best| valley(points, best)).unwrap_or_default();
    let kept = best
        .map(|best| window(&whole, best, max_octaves))
        .unwrap_or_default();
    let fit = best.map_or(Err(Flag::Diverged), |best| vertex(points, &kept, best));
    let mut flags: Vec<Flag> = fit
        .as_ref()
        .err()
        .copied()
        .into_iter()
        .chain(seed_flag(&kept))
        .collect();
    let parabola = fit.ok();
    flags.extend(
        parabola
            .as_ref()
            .filter(|fit| !fit.covers(fit.log2_lr))
            .map(|_| Flag::Extrapolated),
    );
    flags.sort_unstable();
    Optimum {
        width,
        log2_lr: parabola
            .as_ref()
            .map(|fit| fit.log2_lr)
            .or(best.map(|best| best.log2_lr)),
        lr: parabola
            .as_ref()
            .map(|fit| fit.log2_lr.exp2())
            .or(best.map(|best| best.lr)),
        loss: parabola
            .as_ref()
            .map(|fit| fit.loss)
            .or(best.and_then(|best| best.loss)),
        flag: flags.first().copied(),
        flags,
        raw_log2_lr: best.map(|best| best.log2_lr),
        raw_loss: best.and_then(|best| best.loss),
        parabola,
        whole_valley_log2_lr: best
            .and_then(|best| vertex(points, &whole, best).ok())
            .map(|fit| fit.log2_lr),
        tried: points.len(),
        diverged: points.iter().filter(|point| point.loss.is_none()).count(),
    }
}

/// The grid point with the lowest loss. `min_by` returns the first of equals, which is the smaller
/// learning rate.
fn best_point(points: &[Point]) -> Option<&Point> {
    let stable = points.iter().filter_map(|point| Some((point, point.loss?)));
    stable
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(point, _)| point)
}

/// The stable points whose loss is near the lowest.
fn valley<'a>(points: &'a [Point], best: &Point) -> Vec<&'a Point> {
    let near = |point: &&Point| {
        point
            .loss
            .zip(best.loss)
            .is_some_and(|(loss, lowest)| loss <= VALLEY * lowest)
    };
    points.iter().filter(near).collect()
}

/// The part of the valley within `max_octaves` of the best grid point.
fn window<'a>(valley: &[&'a Point], best: &Point, max_octaves: Option<f64>) -> Vec<&'a Point> {
    let reach = max_octaves.unwrap_or(f64::INFINITY) + SAME_OCTAVES;
    valley
        .iter()
        .copied()
        .filter(|point| (point.log2_lr - best.log2_lr).abs() <= reach)
        .collect()
}

/// The parabola around the best grid point, or the reason why there is none.
///
/// A diverged learning rate counts as a bracket, so that an optimum below a cliff is told from one
/// at the edge of the grid, but it has no loss and cannot support a vertex.
fn vertex(points: &[Point], kept: &[&Point], best: &Point) -> Result<Parabola, Flag> {
    let above = |point: &Point| point.lr > best.lr;
    let below = |point: &Point| point.lr < best.lr;
    if points.len() < 3 {
        Err(Flag::TooFew)
    } else if !points.iter().any(above) || !points.iter().any(below) {
        Err(Flag::EdgeOptimum)
    } else if points
        .iter()
        .filter(|point| above(point))
        .all(|point| point.loss.is_none())
    {
        Err(Flag::Cliff)
    } else if kept.len() < 3
        || !kept.iter().any(|point| above(point))
        || !kept.iter().any(|point| below(point))
    {
        Err(Flag::TooFew)
    } else {
        fit(kept).ok_or(Flag::NotConvex)
    }
}

/// Least squares of `loss = a0 + a1 z + a2 z²`, with z the centred natural logarithm of the
/// learning rate, written in polynomials orthogonal on the grid: 1, z and `square = z² - skew z -
/// spread`. `None` unless `a2 > 0`.
fn fit(kept: &[&Point]) -> Option<Parabola> {
    let count = kept.len() as f64;
    let center = kept.iter().map(|point| point.log2_lr * LN_2).sum::<f64>() / count;
    let z: Vec<f64> = kept
        .iter()
        .map(|point| point.log2_lr * LN_2 - center)
        .collect();
    let losses: Vec<f64> = kept.iter().filter_map(|point| point.loss).collect();
    let moment = |power: i32| z.iter().map(|z| z.powi(power)).sum::<f64>();
    let (skew, spread) = (moment(3) / moment(2), moment(2) / count);
    let square: Vec<f64> = z.iter().map(|z| z * z - skew * z - spread).collect();
    let slope = dot(&z, &losses) / moment(2);
    let a2 = dot(&square, &losses) / dot(&square, &square);
    let a1 = slope - a2 * skew;
    let a0 = losses.iter().sum::<f64>() / count - a2 * spread;
    (a2 > 0.0).then(|| Parabola {
        log2_lr: (center - a1 / (2.0 * a2)) / LN_2,
        loss: a0 - a1 * a1 / (4.0 * a2),
        curvature: 2.0 * a2,
        kept: [kept[0].log2_lr, kept[kept.len() - 1].log2_lr],
    })
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

/// What the seeds say: a single one leaves the noise unknown, several may show that the valley
/// drowns in it.
fn seed_flag(kept: &[&Point]) -> Option<Flag> {
    if kept.iter().any(|point| point.seeds == 1) {
        return Some(Flag::FewSeeds);
    }
    let losses = || kept.iter().filter_map(|point| point.loss);
    let depth = losses().fold(f64::NEG_INFINITY, f64::max) - losses().fold(f64::INFINITY, f64::min);
    let variance = kept
        .iter()
        .filter_map(|point| point.standard_error)
        .map(|error| error * error)
        .sum::<f64>();
    let noise = (variance / kept.len() as f64).sqrt();
    (depth < 2.0 * noise).then_some(Flag::NoiseLimited)
}
