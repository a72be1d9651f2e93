//! What a table might have looked like with other seeds: resampled loss curves.
//!
//! Runs of one seed share their noise, so whole seeds are drawn. Each replicate gives every seed of
//! a width a normal weight g, and adds `sum g (loss - mean) / sqrt(r (r - 1))` over the r seeds of
//! a value to their mean, which has the variance and the correlations of the seeds. Rules that
//! share seeds share their weights. So do widths, for that part of the level of a seed that the
//! data say they have in common. Where seeds mean nothing, every value has a weight of its own, and
//! the scatter of all runs near the bottom.
//!
//! Two seeds leave one difference at each width. It is the level of their losses; how seeds tilt
//! and scatter a curve, which alone moves its bottom, is then taken from all widths together.
//!
//! A value with a single seed has the noise of the others of its curve, or of the rule. Where every
//! value has a single seed, what the valleys of all widths leave takes its place.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::statistics::bootstrap::Stream;
use crate::statistics::distribution::exceeds;
use crate::statistics::sample::mean;
use crate::table::sweep::{Curve, Trials};
use crate::transfer::analysis::Seeds;
use crate::transfer::noise::{Noise, Variance};
use crate::transfer::point::Point;
use crate::transfer::rule::Rule;
use crate::transfer::sharing::Common;
use crate::transfer::valley::Valley;

/// Probability with which scatter alone passes for levels or tilts of seeds, which to overlook is
/// worse.
const SCATTER: f64 = 0.25;

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

impl Variance {
    fn pooled(self) -> Freedom {
        Freedom::Pooled(self.freedom)
    }
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
    pub(crate) freedoms: Freedoms,
}

/// Runs to spare behind the noise of one curve, by what it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Freedoms {
    /// Behind what moves the losses of all values alike.
    pub(crate) level: Freedom,
    /// Behind what moves the bottom of the valley and bends it.
    pub(crate) shape: Freedom,
}

impl Rule<'_> {
    /// The resamplers of its curves. None where there is no valley, or nothing is known about the
    /// noise: a single seed everywhere, and no more points than the fits need.
    pub(crate) fn resamplers(&self) -> Vec<Option<Resampler>> {
        let (pooled, residual) = (Noise::pooled(&self.noises()), self.residual());
        let common = self.common();
        let of_curve = |index: usize| {
            let valley = self.optima[index].valley.as_ref()?;
            let builder = Builder::new(self, index, &common);
            match (self.optima[index].noise, pooled) {
                (Some(_), Some(all)) if builder.is_of_pair(valley) && all.tilt.freedom > 1 => {
                    Some(builder.of_pair(all, valley))
                }
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
    /// Places of the streams of seeds: of this width, and of all.
    here: BTreeMap<u64, usize>,
    everywhere: BTreeMap<u64, usize>,
    /// What the levels of all widths have in common.
    common: &'a Common,
}

impl<'a> Builder<'a> {
    fn new(rule: &'a Rule<'a>, index: usize, common: &'a Common) -> Self {
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
            here: BTreeMap::new(),
            everywhere: BTreeMap::new(),
            common,
        }
    }

    /// Whether its seeds are two, so that they leave one difference.
    fn is_of_pair(&self, valley: &Valley) -> bool {
        let near = self.curve.near(valley.kept);
        self.rule.request.seeds == Seeds::Shared && near.len() > 1 && of_seeds(&near) == 1
    }

    /// From runs with several seeds near the bottom.
    fn of_seeds(mut self, noise: Noise, valley: &Valley) -> Resampler {
        let misfit = noise.misfit(self.points, valley);
        let near = self.curve.near(valley.kept);
        let levels = levels(&near);
        for (index, trials) in self.stable() {
            self.vary(index, trials, &levels, noise, misfit);
        }
        let freedom = match self.rule.request.seeds {
            Seeds::Shared => of_seeds(&near),
            Seeds::Independent => noise.run.freedom,
        };
        self.build(Freedom::Own(freedom))
    }

    /// From runs with two seeds near the bottom: their levels, and the noise of all curves.
    fn of_pair(mut self, all: Noise, valley: &Valley) -> Resampler {
        let misfit = all.misfit(self.points, valley);
        let near = self.curve.near(valley.kept);
        let (levels, lever) = (levels(&near), Lever::of(&near));
        let of_seeds @ [has_level, has_tilt] = lever.seen_in(&all);
        let tilts = self.stream(Stream::of(&format!("tilts at {}", self.curve.at), 0));
        let stable = self.stable();
        let values: Vec<usize> = stable.iter().map(|(index, _)| self.rest(*index)).collect();
        for (index, trials) in &stable {
            if trials.losses.len() == 1 {
                self.vary(*index, trials, &levels, all, misfit);
                continue;
            }
            let count = trials.losses.len() as f64;
            let [tilt, rest] = [all.tilt, all.rest].map(|noise| (noise.value / count).sqrt());
            let (log2, terms) = (trials.value.log2(), &mut self.sources[*index].terms);
            if has_tilt {
                terms.push((tilts, tilt * (log2 - lever.middle)));
            }
            for ((_, other), stream) in stable.iter().zip(&values) {
                let own = f64::from(u8::from(other.value == trials.value));
                let line = lever.line(log2, other.value.log2(), of_seeds);
                terms.push((*stream, rest * (own - line)));
            }
            if has_level {
                self.share(*index, trials, &levels, |_, level| level);
            }
            self.scatter(*index, misfit);
        }
        Resampler {
            sources: self.sources,
            streams: self.streams,
            freedoms: Freedoms {
                level: if has_level {
                    Freedom::Own(1)
                } else {
                    all.rest.pooled()
                },
                shape: if has_tilt { all.tilt } else { all.rest }.pooled(),
            },
        }
    }

    /// From the noise of other curves.
    fn of_others(mut self, noise: Noise) -> Resampler {
        for (index, trials) in self.stable() {
            self.vary(index, trials, &Levels::new(), noise, 0.0);
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
    fn vary(&mut self, index: usize, trials: &Trials, levels: &Levels, noise: Noise, misfit: f64) {
        match (self.rule.request.seeds, &trials.seeds[..]) {
            (Seeds::Independent, _) => self.scatter(index, noise.run.value + misfit),
            (Seeds::Shared, [only]) => {
                let nats = noise.level().sqrt();
                self.push_of_seed(index, *only, nats, nats, nats * self.common.share.sqrt());
                self.scatter(index, noise.rest.value + misfit);
            }
            (Seeds::Shared, _) => {
                self.share(index, trials, levels, |nats, _| nats);
                self.scatter(index, misfit);
            }
        }
    }

    /// Moves a point with its seeds, by what `of` makes of a deviation and of the seed's level.
    fn share(&mut self, index: usize, trials: &Trials, levels: &Levels, of: fn(f64, f64) -> f64) {
        let count = trials.losses.len() as f64;
        let scale = (count * (count - 1.0)).sqrt().max(1.0);
        for (nats, seed) in trials.deviations() {
            let level = levels.get(&seed).copied().unwrap_or(0.0);
            let common = self.common.levels.get(&seed).copied().unwrap_or(0.0);
            let [nats, level, common] = [of(nats, level), level, common].map(|nats| nats / scale);
            self.push_of_seed(index, seed, nats, level, common);
        }
    }

    /// Moves a point by so many nats with a seed, of which some are its level, and of the level what
    /// is not of this width alone moves with the seed at all widths.
    fn push_of_seed(&mut self, index: usize, seed: u64, nats: f64, level: f64, common: f64) {
        let (streams, at) = (&mut self.streams, self.curve.at);
        let terms = &mut self.sources[index].terms;
        let kept = (1.0 - self.common.share).sqrt();
        let here = place(&mut self.here, streams, seed, || format!("seeds at {at}"));
        terms.push((here, nats - level * (1.0 - kept)));
        if self.common.share > 0.0 {
            let key = || "seeds at all".to_owned();
            let everywhere = place(&mut self.everywhere, streams, seed, key);
            terms.push((everywhere, common));
        }
    }

    /// Moves a point on its own, by this variance of one run in nats².
    fn scatter(&mut self, index: usize, variance: f64) {
        if variance > 0.0 {
            let point = &self.sources[index].point;
            let nats = (variance / point.seeds as f64).sqrt();
            let key = format!("rule {} at {}", self.rule.name, self.curve.at);
            let stream = self.stream(Stream::of(&key, self.points[index].value.to_bits()));
            self.sources[index].terms.push((stream, nats));
        }
    }

    /// The stream of what is left of a value's runs without the lines of seeds, which is the same
    /// for all rules.
    fn rest(&mut self, index: usize) -> usize {
        let key = format!("rest at {}", self.curve.at);
        self.stream(Stream::of(&key, self.points[index].value.to_bits()))
    }

    fn stream(&mut self, stream: Stream) -> usize {
        self.streams.push(stream);
        self.streams.len() - 1
    }

    fn build(self, freedom: Freedom) -> Resampler {
        Resampler {
            sources: self.sources,
            streams: self.streams,
            freedoms: Freedoms {
                level: freedom,
                shape: freedom,
            },
        }
    }
}

/// The place of a seed's stream, which is the same for all rules.
fn place(
    places: &mut BTreeMap<u64, usize>,
    streams: &mut Vec<Stream>,
    seed: u64,
    key: impl FnOnce() -> String,
) -> usize {
    *places.entry(seed).or_insert_with(|| {
        streams.push(Stream::of(&key(), seed));
        streams.len() - 1
    })
}

/// Mean deviations of seeds near the bottom, in nats.
type Levels = BTreeMap<u64, f64>;

fn levels(near: &[&Trials]) -> Levels {
    let mut by_seed: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for trials in near.iter().filter(|trials| trials.losses.len() > 1) {
        for (nats, seed) in trials.deviations() {
            by_seed.entry(seed).or_default().push(nats);
        }
    }
    let all = by_seed.into_iter();
    all.map(|(seed, nats)| (seed, mean(&nats))).collect()
}

/// What a line of least squares through the values near the bottom takes of them.
struct Lever {
    low: f64,
    high: f64,
    count: f64,
    middle: f64,
    squares: f64,
}

impl Lever {
    fn of(near: &[&Trials]) -> Self {
        let values: Vec<f64> = near.iter().map(|trials| trials.value.log2()).collect();
        let middle = mean(&values);
        let squares = values.iter().map(|log2| (log2 - middle).powi(2)).sum();
        Self {
            low: values.iter().copied().fold(f64::INFINITY, f64::min),
            high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            count: values.len() as f64,
            middle,
            squares,
        }
    }

    /// Whether seeds have levels, and whether they have tilts, beyond what scatter makes of lines.
    fn seen_in(&self, noise: &Noise) -> [bool; 2] {
        let both = [(noise.mean, self.count), (noise.tilt, self.squares)];
        both.map(|(of_seeds, runs)| {
            let ratio = of_seeds.value * runs / noise.rest.value;
            exceeds(ratio, of_seeds.freedom, noise.rest.freedom, SCATTER)
        })
    }

    /// Share of a deviation at one value in the line at another, of its level, its tilt or both;
    /// none of those outside.
    fn line(&self, at: f64, of: f64, [level, tilt]: [bool; 2]) -> f64 {
        let is_near = (self.low..=self.high).contains(&of);
        let of_level = f64::from(u8::from(is_near && level)) / self.count;
        let slope = (at - self.middle) * (of - self.middle) / self.squares;
        of_level + f64::from(u8::from(is_near && tilt)) * slope
    }
}

/// Seeds to spare: one fewer than there are, on average over the values that have several.
fn of_seeds(near: &[&Trials]) -> usize {
    let counts = near.iter().map(|trials| trials.losses.len());
    let several: Vec<usize> = counts.filter(|count| *count > 1).collect();
    let spare: usize = several.iter().map(|count| count - 1).sum();
    (spare / several.len().max(1)).max(1)
}
