//! What a table might have looked like with other seeds: resampled loss curves.
//!
//! Seeds are drawn anew within every point of a curve, their deviations from the mean scaled by
//! `sqrt(r / (r - 1))` for r seeds, without which intervals are too short. With a single seed the
//! residuals of the parabola take their place, scaled by `sqrt(p / (p - 3))` for p points. Draws
//! are keyed by the name of the rule and the number of the replicate, so they depend on neither
//! threads nor the other rules.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Optimum, Point};

/// Seeds drawn per point at most. Means of more are as good as normal, and scaling gives them their
/// variance.
const MOST_DRAWS: usize = 64;

/// Draws in all replicates together, above which there are fewer replicates, and how few there may
/// be.
const MOST_EFFORT: usize = 50_000_000;
const FEWEST: usize = 100;

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
pub(super) struct Resampler {
    sources: Vec<Source>,
    /// Runs to spare: how many values the noise was estimated from, less those that were fitted.
    pub(super) freedom: usize,
}

impl Resampler {
    /// None where nothing is known about the noise: fewer than four points with a single seed each,
    /// or no parabola.
    pub(super) fn of(
        points: &[Point],
        losses: &[&[f64]],
        kept: &[&Point],
        optimum: &Optimum,
    ) -> Option<Self> {
        let repeated = points
            .iter()
            .zip(losses)
            .all(|(point, losses)| point.loss.is_none() || losses.len() > 1);
        if repeated {
            let sources = points
                .iter()
                .zip(losses)
                .map(|(point, losses)| Source::seeds(point, losses))
                .collect();
            return Some(Self {
                sources,
                freedom: kept.iter().map(|point| point.seeds - 1).sum(),
            });
        }
        let parabola = optimum.parabola.as_ref().filter(|_| kept.len() > 3)?;
        let fitted = |point: &Point| parabola.loss + parabola.excess(point.log2_lr);
        let scale = (kept.len() as f64 / (kept.len() - 3) as f64).sqrt();
        let residuals: Vec<f64> = kept
            .iter()
            .filter_map(|point| Some(scale * (point.loss? - fitted(point))))
            .collect();
        let source = |point: &Point| {
            let is_kept = kept.iter().any(|kept| kept.log2_lr == point.log2_lr);
            if is_kept {
                Source::residuals(point, fitted(point), &residuals)
            } else {
                Source::fixed(point)
            }
        };
        Some(Self {
            sources: points.iter().map(source).collect(),
            freedom: kept.len() - 3,
        })
    }

    /// Numbers that one replicate draws.
    pub(super) fn effort(&self) -> usize {
        self.sources.iter().map(|source| source.draws).sum()
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Vec<Point> {
        self.sources
            .iter()
            .map(|source| source.draw(random))
            .collect()
    }
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

/// How many replicates to make of those asked for: fewer where a table is huge, as its noise is
/// then small.
pub(super) fn affordable(asked: usize, effort: usize) -> usize {
    asked.min((MOST_EFFORT / effort.max(1)).max(FEWEST))
}

/// Draws all curves `count` times and judges each set; a curve without a resampler is `None` in
/// every one.
pub(super) fn replicates<T: Send>(
    rule: &str,
    curves: &[Option<Resampler>],
    count: usize,
    judge: impl Fn(&[Option<Vec<Point>>]) -> T + Sync,
) -> Vec<T> {
    let key = *blake3::hash(rule.as_bytes()).as_bytes();
    let one = |index: usize| {
        let mut random = ChaCha8Rng::from_seed(key);
        random.set_stream(index as u64);
        let drawn: Vec<_> = curves
            .iter()
            .map(|curve| curve.as_ref().map(|curve| curve.draw(&mut random)))
            .collect();
        judge(&drawn)
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(count / FEWEST + 1);
    let share = count.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let starts = (0..count).step_by(share);
        let one = &one;
        let workers: Vec<_> = starts
            .map(|start| {
                scope.spawn(move || {
                    (start..(start + share).min(count))
                        .map(one)
                        .collect::<Vec<T>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a replicate does not panic"))
            .collect()
    })
}
