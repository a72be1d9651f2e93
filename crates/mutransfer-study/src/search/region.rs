//! The box around the best point in which the next run is looked for, and the points in it.

use super::random::Draws;

/// Half of its width at first, at least and at most, in octaves.
const START: f64 = 2.0;
const LEAST: f64 = 1.0;
const MOST: f64 = 3.0;

/// What a success and too many failures make of it.
const GROWTH: f64 = 1.4;
const SHRINKAGE: f64 = 1.6;

/// Widths of the clouds around the center, over the half-width of the box.
const CLOUDS: [f64; 3] = [0.1, 0.25, 0.5];

/// A trust region.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Region {
    half_width: f64,
    failures: usize,
    patience: usize,
}

impl Region {
    /// The first one along so many axes.
    pub(super) fn of(axes: usize) -> Self {
        Self {
            half_width: START,
            failures: 0,
            patience: axes.max(3),
        }
    }

    /// Learns whether a run was better than all before it.
    pub(super) fn learn(&mut self, is_success: bool) {
        self.failures = if is_success { 0 } else { self.failures + 1 };
        if is_success {
            self.half_width = (self.half_width * GROWTH).min(MOST);
        } else if self.failures >= self.patience {
            self.half_width = (self.half_width / SHRINKAGE).max(LEAST);
            self.failures = 0;
        }
    }

    /// The box around a point, within limits.
    pub(super) fn around(&self, center: &[f64], limits: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let side = |(at, (low, high)): (&f64, &(f64, f64))| {
            (
                (at - self.half_width).max(*low),
                (at + self.half_width).min(*high),
            )
        };
        center.iter().zip(limits).map(side).collect()
    }
}

/// Points anywhere in a box.
pub(super) fn anywhere(sides: &[(f64, f64)], count: usize, draws: &mut Draws) -> Vec<Vec<f64>> {
    let point = |draws: &mut Draws| sides.iter().map(|side| between(*side, draws)).collect();
    (0..count).map(|_| point(draws)).collect()
}

/// Points of a box near a point, closer and further.
pub(super) fn near(
    center: &[f64],
    sides: &[(f64, f64)],
    count: usize,
    draws: &mut Draws,
) -> Vec<Vec<f64>> {
    let moved = |at: f64, (low, high): (f64, f64), width: f64, draws: &mut Draws| {
        (at + width * (high - low) / 2.0 * draws.normal()).clamp(low, high)
    };
    let point = |number: usize| {
        let width = CLOUDS[number % CLOUDS.len()];
        let pairs = center.iter().zip(sides);
        pairs
            .map(|(at, side)| moved(*at, *side, width, draws))
            .collect()
    };
    (0..count).map(point).collect()
}

/// Points of a box that differ from a point on one axis or two.
pub(super) fn moves(
    center: &[f64],
    sides: &[(f64, f64)],
    count: usize,
    draws: &mut Draws,
) -> Vec<Vec<f64>> {
    let point = |number: usize| {
        let mut point = center.to_vec();
        let axis = number % center.len();
        let other = (draws.uniform() * center.len() as f64) as usize;
        point[axis] = between(sides[axis], draws);
        if draws.uniform() < 0.5 {
            point[other] = between(sides[other], draws);
        }
        point
    };
    (0..count).map(point).collect()
}

fn between((low, high): (f64, f64), draws: &mut Draws) -> f64 {
    low + (high - low) * draws.uniform()
}
