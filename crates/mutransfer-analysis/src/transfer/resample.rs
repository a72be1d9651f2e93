//! What a table might have looked like with other seeds: resampled loss curves.
//!
//! Runs of one seed share their noise, so whole seeds are drawn. Each replicate gives every seed of
//! a width a normal weight g, and adds `sum g (loss - mean) / sqrt(r (r - 1))` over the r seeds of
//! a value to their mean, which has the variance and the correlations of the seeds. Rules that
//! share seeds share their weights; widths do not. Where seeds mean nothing, every value has a
//! weight of its own, and the scatter of all runs near the bottom.
//!
//! A value with a single seed has the noise of the others of its curve, or of the rule. Where every
//! value has a single seed, what the valleys of all widths leave takes its place.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::statistics::bootstrap::Stream;
use crate::table::sweep::{Curve, Trials};
use crate::transfer::analysis::Seeds;
use crate::transfer::noise::{Noise, Variance};
use crate::transfer::point::Point;
use crate::transfer::rule::Rule;
use crate::transfer::valley::Valley;

/// Runs to spare behind the noise of one curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Freedom {
    /// Of this curve alone.
    Own(usize),
    /// Of all curves that take their noise together.
    Pooled(usize),
}

/// Runs to spare behind what is made of several curves.
pub(crate) fn together(all: impl IntoIterator<Item = Freedom>) -> usize {
    let (mut own, mut pooled) = (0, 0);
    for freedom in all {
        match freedom {
            Freedom::Own(spare) => own += spare,
            Freedom::Pooled(spare) => pooled = spare,
        }
    }
    own + pooled
}

/// One point of a curve and how to draw it: the weights that move it, in nats.
#[derive(Clone, Debug)]
struct Source {
    point: Point,
    /// Loss without noise; none for a point that stays as it is.
    center: Option<f64>,
    terms: Vec<(usize, f64)>,
}

/// One curve and how to draw it.
#[derive(Clone, Debug)]
pub(crate) struct Resampler {
    sources: Vec<Source>,
    streams: Vec<Stream>,
    pub(crate) freedom: Freedom,
}

impl Rule<'_> {
    /// The resamplers of its curves. None where there is no valley, or nothing is known about the
    /// noise: a single seed everywhere, and no more points than the fits need.
    pub(crate) fn resamplers(&self) -> Vec<Option<Resampler>> {
        let (pooled, residual) = (Noise::pooled(&self.noises()), self.residual());
        let of_curve = |index: usize| {
            let valley = self.optima[index].valley.as_ref()?;
            let builder = Builder::new(self, index);
            match (self.optima[index].noise, pooled) {
                (Some(noise), _) => Some(builder.of_seeds(noise, valley)),
                (None, Some(noise)) => Some(builder.of_others(noise)),
                (None, None) => Some(builder.of_residuals(residual?, valley)),
            }
        };
        (0..self.curves.len()).map(of_curve).collect()
    }

    /// Variance of what all valleys leave of single runs.
    pub(crate) fn residual(&self) -> Option<Variance> {
        let (mut squares, mut freedom) = (0.0, 0);
        for (points, optimum) in self.points.iter().zip(&self.optima) {
            let Some(valley) = &optimum.valley else {
                continue;
            };
            let kept = valley.points(points);
            freedom += kept.len() - valley.parameters().min(kept.len());
            let left = kept
                .iter()
                .filter_map(|point| Some(point.loss? - valley.at(point.log2)));
            squares += left.map(|left| left * left).sum::<f64>();
        }
        (freedom > 0).then(|| Variance {
            value: squares / freedom as f64,
            freedom,
        })
    }
}

impl Resampler {
    /// Weights that one replicate takes into its points.
    pub(crate) fn effort(&self) -> usize {
        self.sources.iter().map(|source| source.terms.len()).sum()
    }

    /// With the weights of so many replicates.
    pub(crate) fn weighted(&self, count: usize) -> Weighted<'_> {
        let streams = self.streams.par_iter();
        Weighted {
            sources: &self.sources,
            weights: streams.map(|stream| stream.normals(count)).collect(),
        }
    }
}

/// A curve with the weights of all replicates, by stream.
pub(crate) struct Weighted<'a> {
    sources: &'a [Source],
    weights: Vec<Vec<f64>>,
}

impl Weighted<'_> {
    /// The points of one replicate.
    pub(crate) fn draw(&self, replicate: usize) -> Vec<Point> {
        let weights: Vec<f64> = self
            .weights
            .iter()
            .map(|stream| stream[replicate])
            .collect();
        let sources = self.sources.iter();
        sources.map(|source| source.draw(&weights)).collect()
    }
}

impl Source {
    fn draw(&self, weights: &[f64]) -> Point {
        let terms = self.terms.iter();
        let moved: f64 = terms.map(|(index, nats)| nats * weights[*index]).sum();
        Point {
            loss: self.center.map(|center| center + moved),
            ..self.point.clone()
        }
    }
}

/// Puts a resampler together.
struct Builder<'a> {
    rule: &'a Rule<'a>,
    curve: &'a Curve,
    points: &'a [Point],
    sources: Vec<Source>,
    streams: Vec<Stream>,
    seeds: BTreeMap<u64, usize>,
}

impl<'a> Builder<'a> {
    fn new(rule: &'a Rule<'a>, index: usize) -> Self {
        let points = &rule.points[index];
        let source = |point: &Point| Source {
            point: point.clone(),
            center: point.loss,
            terms: Vec::new(),
        };
        Self {
            rule,
            curve: &rule.curves[index],
            points,
            sources: points.iter().map(source).collect(),
            streams: Vec::new(),
            seeds: BTreeMap::new(),
        }
    }

    /// From runs with several seeds near the bottom.
    fn of_seeds(mut self, noise: Noise, valley: &Valley) -> Resampler {
        let misfit = noise.misfit(self.points, valley);
        for (index, trials) in self.stable() {
            self.vary(index, trials, noise, misfit);
        }
        let freedom = match self.rule.request.seeds {
            Seeds::Shared => of_seeds(&self.curve.near(valley.kept)),
            Seeds::Independent => noise.run.freedom,
        };
        self.build(Freedom::Own(freedom))
    }

    /// From the noise of other curves.
    fn of_others(mut self, noise: Noise) -> Resampler {
        for (index, trials) in self.stable() {
            self.vary(index, trials, noise, 0.0);
        }
        self.build(Freedom::Pooled(noise.run.freedom))
    }

    /// From what valleys leave of single runs.
    fn of_residuals(mut self, residual: Variance, valley: &Valley) -> Resampler {
        for (index, trials) in self.stable() {
            let log2 = trials.value.log2();
            if valley.covers(log2) {
                self.sources[index].center = Some(valley.at(log2));
                self.scatter(index, residual.value);
            }
        }
        self.build(Freedom::Pooled(residual.freedom))
    }

    /// The values at which nothing diverged, with their places among all.
    fn stable(&self) -> Vec<(usize, &'a Trials)> {
        let trials = self.curve.trials.iter().enumerate();
        trials.filter(|(_, trials)| trials.diverged == 0).collect()
    }

    /// Moves a point as its runs vary; `misfit` is a variance of one run that no seed explains.
    fn vary(&mut self, index: usize, trials: &Trials, noise: Noise, misfit: f64) {
        match (self.rule.request.seeds, &trials.seeds[..]) {
            (Seeds::Independent, _) => self.scatter(index, noise.run.value + misfit),
            (Seeds::Shared, [only]) => {
                let stream = self.of_seed(*only);
                let nats = noise.level().sqrt();
                self.sources[index].terms.push((stream, nats));
                self.scatter(index, noise.rest.value + misfit);
            }
            (Seeds::Shared, _) => {
                self.share(index, trials);
                self.scatter(index, misfit);
            }
        }
    }

    /// Moves a point with its seeds.
    fn share(&mut self, index: usize, trials: &Trials) {
        let count = trials.losses.len() as f64;
        let scale = (count * (count - 1.0)).sqrt();
        for (nats, seed) in trials.deviations() {
            let stream = self.of_seed(seed);
            self.sources[index].terms.push((stream, nats / scale));
        }
    }

    /// Moves a point on its own, by this variance of one run in nats².
    fn scatter(&mut self, index: usize, variance: f64) {
        if variance > 0.0 {
            let point = &self.sources[index].point;
            let nats = (variance / point.seeds as f64).sqrt();
            let key = format!("rule {} at {}", self.rule.name, self.curve.at);
            let stream = Stream::of(&key, point.value.to_bits());
            self.sources[index].terms.push((self.streams.len(), nats));
            self.streams.push(stream);
        }
    }

    /// The place of a seed's stream, which is the same for all rules.
    fn of_seed(&mut self, seed: u64) -> usize {
        let (streams, at) = (&mut self.streams, self.curve.at);
        *self.seeds.entry(seed).or_insert_with(|| {
            streams.push(Stream::of(&format!("seeds at {at}"), seed));
            streams.len() - 1
        })
    }

    fn build(self, freedom: Freedom) -> Resampler {
        Resampler {
            sources: self.sources,
            streams: self.streams,
            freedom,
        }
    }
}

/// Seeds to spare: one fewer than there are, on average over the values that have several.
fn of_seeds(near: &[&Trials]) -> usize {
    let counts = near.iter().map(|trials| trials.losses.len());
    let several: Vec<usize> = counts.filter(|count| *count > 1).collect();
    let spare: usize = several.iter().map(|count| count - 1).sum();
    (spare / several.len().max(1)).max(1)
}
