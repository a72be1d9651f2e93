//! Valleys of losses as published sweeps have them, with known minima.
//!
//! Along one axis a loss rises by 7, 11, 23 and 58 thousandths of a nat at -1, +1, -2 and +2 octaves
//! in the median; the learning rate's sweeps of 2503.04715 have 7, 12, 23 and 60.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// Second derivative by octaves of the learning rate, and of the others, in the median.
const CURVATURE: f64 = 0.0175;
const CURVATURE_OF_OTHERS: f64 = 0.01;

/// How much steeper it rises above the optimum than below.
const SKEW: f64 = 0.7;

/// Standard deviation of a run.
const NOISE: f64 = 0.002;

pub(crate) type Random = ChaCha8Rng;

pub(crate) fn random(seed: u64) -> Random {
    ChaCha8Rng::seed_from_u64(seed)
}

pub(crate) fn normal(random: &mut Random) -> f64 {
    StandardNormal.sample(random)
}

pub(crate) fn uniform(random: &mut Random) -> f64 {
    StandardUniform.sample(random)
}

/// A surface whose minimum is 0, at `optimum`.
#[derive(Clone)]
pub(crate) struct Valley {
    pub(crate) optimum: Vec<f64>,
    pub(crate) curvatures: Vec<f64>,
    pub(crate) skews: Vec<f64>,
    /// Row i: what axis i is mixed from.
    pub(crate) mixing: Vec<Vec<f64>>,
    /// How far above the optimum of the first axis runs diverge.
    pub(crate) cliff: f64,
    pub(crate) noise: f64,
    /// How often a run is lost for no reason.
    pub(crate) lost: f64,
    pub(crate) limits: Option<(f64, f64)>,
}

impl Valley {
    /// A random one: its optimum is 1.2 octaves from the start along one axis and 1 along each of
    /// several, as standard deviations; half of them have a cliff
    /// 1.5 to 3.5 octaves above it (published: 2.5 and 3).
    pub(crate) fn new(seed: u64, axes: usize) -> Self {
        let random = &mut random(seed);
        let spread = if axes == 1 { 1.2 } else { 1.0 };
        let curvature = |axis: usize, random: &mut Random| match axis {
            0 => CURVATURE * (0.4 * normal(random)).exp(),
            _ => CURVATURE_OF_OTHERS * (0.7 * normal(random)).exp(),
        };
        let curvatures = (0..axes).map(|axis| curvature(axis, random)).collect();
        let skews = (0..axes).map(|_| SKEW + 0.25 * normal(random)).collect();
        let optimum = (0..axes).map(|_| spread * normal(random)).collect();
        let entry = |row: usize, column: usize, random: &mut Random| match row.cmp(&column) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => 0.4 * normal(random),
        };
        let mut row = |row: usize| (0..axes).map(|column| entry(row, column, random)).collect();
        let mixing = (0..axes).map(&mut row).collect();
        let cliff = if uniform(random) < 0.5 {
            1.5 + 2.0 * uniform(random)
        } else {
            f64::INFINITY
        };
        let (noise, lost, limits) = (NOISE, 0.0, None);
        Self {
            optimum,
            curvatures,
            skews,
            mixing,
            cliff,
            noise,
            lost,
            limits,
        }
    }

    /// The same, its optimum so much farther from the start along the first axis.
    pub(crate) fn farther(mut self, times: f64) -> Self {
        self.optimum[0] *= times;
        self
    }

    /// The same within limits that begin or end half an octave before its optimum, with the start
    /// inside.
    pub(crate) fn at_edge(mut self) -> Self {
        let at = self.optimum[0];
        self.limits = Some(if at > 0.5 {
            (-6.0, at - 0.5)
        } else {
            (at.min(-0.5) + 0.5, 6.0)
        });
        self
    }

    /// The same, so much shallower.
    pub(crate) fn shallower(mut self, times: f64) -> Self {
        self.curvatures
            .iter_mut()
            .for_each(|curvature| *curvature /= times);
        self
    }

    /// The loss without noise; infinite beyond the cliff.
    pub(crate) fn loss(&self, point: &[f64]) -> f64 {
        let off: Vec<f64> = point
            .iter()
            .zip(&self.optimum)
            .map(|(a, b)| a - b)
            .collect();
        if off[0] > self.cliff {
            return f64::INFINITY;
        }
        let along = |row: &[f64]| -> f64 { row.iter().zip(&off).map(|(a, b)| a * b).sum() };
        let parts = self.curvatures.iter().zip(&self.skews).zip(&self.mixing);
        parts
            .map(|((size, skew), row)| size * skewed(*skew, along(row)))
            .sum()
    }

    /// The lowest loss within its limits, which are along the first axis.
    pub(crate) fn lowest(&self) -> f64 {
        let Some((low, high)) = self.limits else {
            return 0.0;
        };
        let mut point = self.optimum.clone();
        point[0] = point[0].clamp(low, high);
        self.loss(&point)
    }

    /// Losses as they are measured, one for each seed.
    pub(crate) fn measure(&self, point: &[f64], seeds: usize, random: &mut Random) -> Vec<f64> {
        let lost = uniform(random) < self.lost;
        let loss = if lost { f64::NAN } else { self.loss(point) };
        (0..seeds)
            .map(|_| loss + self.noise * normal(random))
            .collect()
    }
}

/// t²/2 near 0, exponential on one side and linear on the other.
fn skewed(skew: f64, t: f64) -> f64 {
    if skew.abs() < 1e-4 {
        return t * t / 2.0;
    }
    ((skew * t).exp_m1() - skew * t) / (skew * skew)
}
