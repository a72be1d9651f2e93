//! What a table might have looked like with other seeds: resampled loss curves.
//!
//! Seeds are drawn anew within every point of a curve, their deviations from the mean scaled by
//! `sqrt(r / (r - 1))` for r seeds, without which intervals are too short. With a single seed the
//! residuals of the parabola take their place, scaled by `sqrt(p / (p - 3))` for p points.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::table::sweep::Curve;
use crate::transfer::optimum::{Optimum, Parabola};
use crate::transfer::point::Point;

/// Seeds drawn per point at most. Means of more are as good as normal, and scaling gives them their
/// variance.
const MOST_DRAWS: usize = 64;

/// One point of a curve and how to draw it.
#[derive(Clone, Debug)]
struct Source {
    point: Point,
    /// Loss without noise.
    center: f64,
    /// Deviations to draw from; none for a point that stays as it is.
    pool: Vec<f64>,
    draws: usize,
}

/// One curve and how to draw it.
#[derive(Clone, Debug)]
pub(crate) struct Resampler {
    sources: Vec<Source>,
    /// Runs to spare: how many values the noise was estimated from, less those that were fitted.
    pub(crate) freedom: usize,
}

impl Resampler {
    /// None where nothing is known about the noise: fewer than four points with a single seed each,
    /// or no parabola. `kept` are the points that the parabola was fitted to.
    pub(crate) fn of(
        curve: &Curve,
        points: &[Point],
        kept: &[&Point],
        optimum: &Optimum,
    ) -> Option<Self> {
        let losses = curve.trials.iter().map(|trials| trials.losses.as_slice());
        let sampled: Vec<(&Point, &[f64])> = points.iter().zip(losses).collect();
        let is_repeated = sampled
            .iter()
            .all(|(point, losses)| point.loss.is_none() || losses.len() > 1);
        if is_repeated {
            return Some(Self {
                sources: sampled
                    .iter()
                    .map(|(point, losses)| Source::seeds(point, losses))
                    .collect(),
                freedom: kept.iter().map(|point| point.seeds - 1).sum(),
            });
        }
        let parabola = optimum.parabola.as_ref().filter(|_| kept.len() > 3)?;
        Some(Self::of_residuals(points, kept, parabola))
    }

    fn of_residuals(points: &[Point], kept: &[&Point], parabola: &Parabola) -> Self {
        let scale = (kept.len() as f64 / (kept.len() - 3) as f64).sqrt();
        let residuals: Vec<f64> = kept
            .iter()
            .filter_map(|point| Some(scale * (point.loss? - fitted(parabola, point))))
            .collect();
        let mut sources = Vec::new();
        for point in points {
            sources.push(if kept.iter().any(|kept| kept.log2 == point.log2) {
                Source::residuals(point, fitted(parabola, point), &residuals)
            } else {
                Source::fixed(point)
            });
        }
        Self {
            sources,
            freedom: kept.len() - 3,
        }
    }

    /// Numbers that one replicate draws.
    pub(crate) fn effort(&self) -> usize {
        self.sources.iter().map(|source| source.draws).sum()
    }

    pub(crate) fn draw(&self, random: &mut ChaCha8Rng) -> Vec<Point> {
        self.sources
            .iter()
            .map(|source| source.draw(random))
            .collect()
    }
}

/// The loss of the parabola at a point.
fn fitted(parabola: &Parabola, point: &Point) -> f64 {
    parabola.loss + parabola.excess(point.log2)
}

impl Source {
    fn fixed(point: &Point) -> Self {
        Self {
            point: point.clone(),
            center: 0.0,
            pool: Vec::new(),
            draws: 0,
        }
    }

    fn seeds(point: &Point, losses: &[f64]) -> Self {
        let Some(center) = point.loss else {
            return Self::fixed(point);
        };
        let count = losses.len() as f64;
        let scale = (count / (count - 1.0)).sqrt();
        let pool = losses.iter().map(|loss| scale * (loss - center)).collect();
        Self {
            point: point.clone(),
            center,
            pool,
            draws: losses.len().min(MOST_DRAWS),
        }
    }

    fn residuals(point: &Point, center: f64, residuals: &[f64]) -> Self {
        Self {
            point: point.clone(),
            center,
            pool: residuals.to_vec(),
            draws: 1,
        }
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Point {
        if self.draws == 0 {
            return self.point.clone();
        }
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..self.draws {
            let index = (u64::from(random.next_u32()) * self.pool.len() as u64) >> 32;
            let deviation = self.pool[index as usize];
            sum += deviation;
            squares += deviation * deviation;
        }
        let (draws, seeds) = (self.draws as f64, self.point.seeds as f64);
        // As large as the mean over all seeds would vary, where fewer were drawn.
        let loss = self.center + sum / draws * (draws / seeds).sqrt();
        let variance = ((squares - sum * sum / draws) / (draws - 1.0)).max(0.0);
        let standard_error = self.point.standard_error.map(|_| (variance / seeds).sqrt());
        Point {
            loss: Some(loss),
            standard_error,
            ..self.point.clone()
        }
    }
}
