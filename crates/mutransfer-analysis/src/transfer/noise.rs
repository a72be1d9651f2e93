//! How noisy the losses of one curve are, and whether the valley misses them by more than that.
//!
//! Runs of one seed share data and initial draws, and with them most of their noise: a level, which
//! does not bend the valley, and a tilt, which only moves it. Whether a fit misses the runs is
//! judged by what is left of the noise once each seed's level and tilt are out.

use crate::statistics::distribution::exceeds;
use crate::table::sweep::{Curve, Trials};
use crate::transfer::flag::Flag;
use crate::transfer::point::Point;
use crate::transfer::valley::Valley;

/// Probability of a misfit by noise alone below which it is not put down to noise.
const CHANCE: f64 = 0.05;

/// Standard errors by which the best run lies above the valley beyond what noise explains.
const ERRORS: f64 = 2.0;

/// Spread between seeds, as a share of the loss, that is no more than rounding.
const ROUNDING: f64 = 1e-9;

/// Passes in which means of values and lines of seeds are taken out in turn, and the share of the
/// squares below which a pass changes nothing. The first is enough where no run is missing.
const PASSES: usize = 50;
const ENOUGH: f64 = 1e-9;

/// A variance in nats², and how many runs to spare it was estimated from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Variance {
    pub(crate) value: f64,
    pub(crate) freedom: usize,
}

impl Variance {
    const UNKNOWN: Self = Self {
        value: 0.0,
        freedom: 0,
    };
}

/// The scatter of single runs about the mean of their value, the same for all points near the
/// bottom of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Noise {
    /// All of it.
    pub(crate) run: Variance,
    /// What is left once the level and the tilt of each seed are out; all of it where no seed was
    /// run at enough values.
    pub(crate) rest: Variance,
    /// That of the levels of seeds, and of their tilts, in nats² per octave², both with what
    /// scatter puts into them.
    pub(crate) mean: Variance,
    pub(crate) tilt: Variance,
}

impl Noise {
    /// None where no value has two seeds.
    pub(crate) fn of(trials: &[&Trials]) -> Option<Self> {
        let runs = deviations(trials);
        let freedom = trials
            .iter()
            .map(|trials| trials.losses.len().saturating_sub(1))
            .sum();
        if freedom == 0 {
            return None;
        }
        let largest = trials.iter().flat_map(|trials| &trials.losses);
        let rounding = ROUNDING * largest.fold(0.0, |most: f64, loss| most.max(loss.abs()));
        let variance = |squares: f64, freedom: usize| Variance {
            value: (squares / freedom as f64).max(rounding * rounding),
            freedom,
        };
        let run = variance(squares(&runs), freedom);
        let mean = of_seeds(&runs, |runs| Some(middle(runs).1));
        let tilt = of_seeds(&runs, tilt);
        let (left, spare) = without_seeds(runs);
        let rest = if spare == 0 {
            run
        } else {
            variance(left, spare)
        };
        Some(Self {
            run,
            rest,
            mean,
            tilt,
        })
    }

    /// The noise of several curves taken together.
    pub(crate) fn pooled(all: &[Self]) -> Option<Self> {
        let pool = |of: fn(&Self) -> Variance| {
            let freedom: usize = all.iter().map(|noise| of(noise).freedom).sum();
            let squares = all
                .iter()
                .map(|noise| of(noise).value * of(noise).freedom as f64);
            (freedom > 0).then(|| Variance {
                value: squares.sum::<f64>() / freedom as f64,
                freedom,
            })
        };
        Some(Self {
            run: pool(|noise| noise.run)?,
            rest: pool(|noise| noise.rest)?,
            mean: pool(|noise| noise.mean).unwrap_or(Variance::UNKNOWN),
            tilt: pool(|noise| noise.tilt).unwrap_or(Variance::UNKNOWN),
        })
    }

    /// Variance of the levels of seeds, in nats².
    pub(crate) fn level(&self) -> f64 {
        (self.run.value - self.rest.value).max(0.0)
    }

    /// By how much the valley misses the points beyond what noise explains: as a variance of one
    /// run, in nats²; zero where chance explains it.
    pub(crate) fn misfit(&self, points: &[Point], valley: &Valley) -> f64 {
        let kept = valley.points(points);
        let spare = kept.len() - valley.parameters().min(kept.len());
        let squares = kept.iter().filter_map(|point| {
            Some((point.loss? - valley.at(point.log2)).powi(2) * point.seeds as f64)
        });
        let Variance { value, freedom } = self.rest;
        let missed = squares.sum::<f64>() / spare as f64;
        if spare > 0 && exceeds(missed / value, spare, freedom, CHANCE) {
            missed - value
        } else {
            0.0
        }
    }

    /// Why the fit should be doubted, worst first.
    pub(crate) fn doubts(&self, points: &[Point], valley: &Valley) -> Vec<Flag> {
        let lowest = valley.points(points).into_iter().filter_map(|point| {
            let error = (self.rest.value / point.seeds as f64).sqrt();
            Some((point.loss?, valley.at(point.log2) + ERRORS * error))
        });
        let best = lowest.min_by(|one, other| one.0.total_cmp(&other.0));
        let is_below = best.is_some_and(|(loss, highest)| loss > highest);
        let doubts = [
            (Flag::Misfit, self.misfit(points, valley) > 0.0),
            (Flag::BelowRuns, is_below),
        ];
        let doubts = doubts.into_iter().filter(|(_, holds)| *holds);
        doubts.map(|(flag, _)| flag).collect()
    }
}

impl Curve {
    /// The runs at values within these, given as log2, of which no seed diverged.
    pub(crate) fn near(&self, [low, high]: [f64; 2]) -> Vec<&Trials> {
        let stable = self.trials.iter().filter(|trials| trials.diverged == 0);
        stable
            .filter(|trials| (low..=high).contains(&trials.value.log2()))
            .collect()
    }
}

/// A run of several at one value.
struct Deviation {
    seed: u64,
    /// Index of its value.
    value: usize,
    log2: f64,
    /// Nats by which it is off the mean.
    nats: f64,
}

/// Of all runs beside others, by seed.
fn deviations(trials: &[&Trials]) -> Vec<Deviation> {
    let mut runs = Vec::new();
    let several = trials.iter().filter(|trials| trials.losses.len() > 1);
    for (value, trials) in several.enumerate() {
        let log2 = trials.value.log2();
        for (nats, seed) in trials.deviations() {
            runs.push(Deviation {
                seed,
                value,
                log2,
                nats,
            });
        }
    }
    runs.sort_unstable_by_key(|run| (run.seed, run.value));
    runs
}

fn squares(runs: &[Deviation]) -> f64 {
    runs.iter().map(|run| run.nats * run.nats).sum()
}

fn is_same_seed(one: &Deviation, other: &Deviation) -> bool {
    one.seed == other.seed
}

/// Squares of what a line for each seed and a mean for each value leave, and how many numbers are
/// free in it.
fn without_seeds(mut runs: Vec<Deviation>) -> (f64, usize) {
    let values = runs.iter().map(|run| run.value + 1).max().unwrap_or(0);
    let mut left = squares(&runs);
    for _ in 0..PASSES {
        runs.chunk_by_mut(is_same_seed).for_each(take_line);
        take_means(&mut runs, values);
        let now = squares(&runs);
        if left - now <= ENOUGH * now {
            break;
        }
        left = now;
    }
    let spare = |runs: &[Deviation]| runs.len().saturating_sub(2);
    let spare: usize = runs.chunk_by(is_same_seed).map(spare).sum();
    (
        squares(&runs),
        spare.saturating_sub(values.saturating_sub(2)),
    )
}

/// Takes out the means of all values, of which there are so many.
fn take_means(runs: &mut [Deviation], values: usize) {
    let mut sums = vec![(0.0, 0.0); values];
    for run in runs.iter() {
        let (sum, count) = &mut sums[run.value];
        (*sum, *count) = (*sum + run.nats, *count + 1.0);
    }
    for run in runs {
        let (sum, count) = sums[run.value];
        run.nats -= sum / count;
    }
}

/// Takes out the line of least squares of one seed; the mean of a single run.
fn take_line(runs: &mut [Deviation]) {
    let (middle, level) = middle(runs);
    let tilt = tilt(runs).unwrap_or(0.0);
    for run in runs {
        run.nats -= level + tilt * (run.log2 - middle);
    }
}

/// Mean log2 of the values of some runs, and mean deviation.
fn middle(runs: &[Deviation]) -> (f64, f64) {
    let count = runs.len() as f64;
    let of = |of: fn(&Deviation) -> f64| runs.iter().map(of).sum::<f64>() / count;
    (of(|run| run.log2), of(|run| run.nats))
}

/// Slope of the line of least squares of one seed, in nats per octave; none for a single run.
fn tilt(runs: &[Deviation]) -> Option<f64> {
    let (middle, _) = middle(runs);
    let (mut squares, mut products) = (0.0, 0.0);
    for run in runs {
        let off = run.log2 - middle;
        (squares, products) = (squares + off * off, products + off * run.nats);
    }
    (squares > 0.0).then(|| products / squares)
}

/// Variance of something of each seed whose mean over all is zero, from deviations by seed.
fn of_seeds(runs: &[Deviation], of: fn(&[Deviation]) -> Option<f64>) -> Variance {
    let all: Vec<f64> = runs.chunk_by(is_same_seed).filter_map(of).collect();
    match all.len().saturating_sub(1) {
        0 => Variance::UNKNOWN,
        freedom => Variance {
            value: all.iter().map(|it| it * it).sum::<f64>() / freedom as f64,
            freedom,
        },
    }
}
