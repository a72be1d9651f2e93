//! What a table might have looked like with other seeds: resampled loss curves.
//!
//! Seeds are drawn anew at every point of a curve, from the deviations of all runs near its bottom,
//! each scaled by `sqrt(r / (r - 1))` for r seeds, without which intervals are too short. Where
//! every value has a single seed, what the valleys of all widths leave takes their place, scaled by
//! `sqrt(p / f)` for p points of which the fits leave f free.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::table::sweep::Curve;
use crate::transfer::noise::Noise;
use crate::transfer::optimum::Optimum;
use crate::transfer::point::Point;
use crate::transfer::valley::Valley;

/// Seeds drawn per point at most. Means of more are as good as normal, and scaling gives them their
/// variance.
const MOST_DRAWS: usize = 64;

/// One point of a curve and how to draw it.
#[derive(Clone, Debug)]
struct Source {
    point: Point,
    /// Loss without noise; none for a point that stays as it is.
    center: Option<f64>,
}

/// One curve and how to draw it.
#[derive(Clone, Debug)]
pub(crate) struct Resampler {
    sources: Vec<Source>,
    /// Deviations to draw from.
    pool: Vec<f64>,
    /// Runs to spare: how many values the noise was estimated from, less those that were fitted.
    pub(crate) freedom: usize,
    /// Those of this curve alone.
    pub(crate) own: usize,
}

/// The resamplers of a rule's curves. None where nothing is known about the noise: a single seed
/// everywhere, and no more points than the fits need.
pub(crate) fn resamplers(
    curves: &[Curve],
    points: &[Vec<Point>],
    optima: &[Optimum],
) -> Vec<Option<Resampler>> {
    let mut all = Vec::new();
    for ((curve, points), optimum) in curves.iter().zip(points).zip(optima) {
        let valley = optimum.valley.as_ref();
        let of_fit = || valley.map(|valley| Resampler::of_residuals(points, valley));
        all.push(Resampler::of_seeds(curve, points, valley).or_else(of_fit));
    }
    pool_residuals(&mut all);
    all
}

/// Gives all curves with single seeds the residuals of all of them.
fn pool_residuals(all: &mut [Option<Resampler>]) {
    let single = || all.iter().flatten().filter(|one| one.is_single());
    let freedom: usize = single().map(|one| one.own).sum();
    let residuals: Vec<f64> = single().flat_map(|one| one.pool.clone()).collect();
    let scale = (residuals.len() as f64 / freedom as f64).sqrt();
    let pool: Vec<f64> = residuals.iter().map(|residual| scale * residual).collect();
    for one in all.iter_mut() {
        if one.as_ref().is_some_and(Resampler::is_single) {
            *one = one.take().filter(|_| freedom > 0).map(|one| Resampler {
                pool: pool.clone(),
                freedom,
                ..one
            });
        }
    }
}

impl Resampler {
    /// From the seeds; none where no value near the bottom has two.
    fn of_seeds(curve: &Curve, points: &[Point], valley: Option<&Valley>) -> Option<Self> {
        let noise = valley.map(|valley| Noise::of(points, valley));
        let stretch = noise.map_or(1.0, |noise| noise.stretch);
        let (mut pool, mut freedom) = (Vec::new(), 0);
        for (point, trials) in points.iter().zip(&curve.trials) {
            let is_kept = valley.is_none_or(|valley| valley.covers(point.log2));
            let count = trials.losses.len();
            let Some(center) = point.loss.filter(|_| is_kept && count > 1) else {
                continue;
            };
            let scale = stretch * (count as f64 / (count as f64 - 1.0)).sqrt();
            pool.extend(trials.losses.iter().map(|loss| scale * (loss - center)));
            freedom += count - 1;
        }
        let source = |point: &Point| Source {
            point: point.clone(),
            center: point.loss,
        };
        (freedom > 0).then(|| Self {
            sources: points.iter().map(source).collect(),
            pool,
            freedom,
            own: freedom,
        })
    }

    /// From what the valley leaves of single runs.
    fn of_residuals(points: &[Point], valley: &Valley) -> Self {
        let kept = valley.points(points);
        let residual = |point: &&Point| Some(point.loss? - valley.at(point.log2));
        let source = |point: &Point| Source {
            point: point.clone(),
            center: point
                .loss
                .filter(|_| valley.covers(point.log2))
                .map(|_| valley.at(point.log2)),
        };
        let own = kept.len() - valley.parameters().min(kept.len());
        Self {
            sources: points.iter().map(source).collect(),
            pool: kept.iter().filter_map(residual).collect(),
            freedom: own,
            own,
        }
    }

    /// Whether every value has a single seed.
    fn is_single(&self) -> bool {
        self.sources
            .iter()
            .all(|source| source.point.standard_error.is_none())
    }

    /// Numbers that one replicate draws.
    pub(crate) fn effort(&self) -> usize {
        self.sources.iter().map(Source::draws).sum()
    }

    pub(crate) fn draw(&self, random: &mut ChaCha8Rng) -> Vec<Point> {
        let sources = self.sources.iter();
        sources
            .map(|source| source.draw(&self.pool, random))
            .collect()
    }
}

impl Source {
    fn draws(&self) -> usize {
        self.center.map_or(0, |_| self.point.seeds.min(MOST_DRAWS))
    }

    fn draw(&self, pool: &[f64], random: &mut ChaCha8Rng) -> Point {
        let Some(center) = self.center else {
            return self.point.clone();
        };
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..self.draws() {
            let index = (u64::from(random.next_u32()) * pool.len() as u64) >> 32;
            let deviation = pool[index as usize];
            sum += deviation;
            squares += deviation * deviation;
        }
        let (draws, seeds) = (self.draws() as f64, self.point.seeds as f64);
        // As large as the mean over all seeds would vary, where fewer were drawn.
        let loss = center + sum / draws * (draws / seeds).sqrt();
        let variance = ((squares - sum * sum / draws) / (draws - 1.0)).max(0.0);
        let standard_error = self.point.standard_error.map(|_| (variance / seeds).sqrt());
        Point {
            loss: Some(loss),
            standard_error,
            ..self.point.clone()
        }
    }
}
