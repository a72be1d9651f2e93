//! The first points of a search, before a process is believed.

use super::random::{Draws, Purpose};

/// How far the first points along an axis are from the start, in octaves.
const REACH: f64 = 1.5;

/// A step along a single axis, in octaves.
const STEP: f64 = 2.0;

/// A star around the start for two axes; for more, the start and points spread over its box.
pub(super) fn spread(start: &[f64], limits: &[(f64, f64)], seed: u64) -> Vec<Vec<f64>> {
    let mut points = vec![start.to_vec()];
    if start.len() <= 2 {
        for axis in 0..start.len() {
            for side in [-REACH, REACH] {
                let mut point = start.to_vec();
                point[axis] += side;
                points.push(point);
            }
        }
    } else {
        points.extend(quasi_random(start, seed));
    }
    for point in &mut points {
        for (at, (low, high)) in point.iter_mut().zip(limits) {
            *at = at.clamp(*low, *high);
        }
    }
    points
}

/// Points of the sequence of the generalised golden ratio (Roberts 2018), shifted at random: any
/// number of its first ones is spread evenly.
fn quasi_random(start: &[f64], seed: u64) -> Vec<Vec<f64>> {
    let axes = start.len();
    let ratio = (0..64).fold(2.0_f64, |ratio, _| {
        (1.0 + ratio).powf(1.0 / (axes as f64 + 1.0))
    });
    let mut draws = Draws::of(seed, 0, Purpose::Start);
    let shifts: Vec<f64> = start.iter().map(|_| draws.uniform()).collect();
    let coordinate = |number: usize, axis: usize| {
        let step = ratio.powi(-(axis as i32 + 1));
        let place = (shifts[axis] + number as f64 * step).fract();
        start[axis] + REACH * (2.0 * place - 1.0)
    };
    (0..=axes)
        .map(|number| (0..axes).map(|axis| coordinate(number, axis)).collect())
        .collect()
}

/// Where to go from runs along one axis, each a place and a loss, infinite if it diverged: two
/// octaves beyond the best on the sides without a worse run. Lower first, as what is too high
/// diverges. None is left once both sides are worse or the limits are reached.
pub(super) fn downhill(runs: &[(f64, f64)], (low, high): (f64, f64)) -> Vec<f64> {
    let Some(best) = runs
        .iter()
        .filter(|run| run.1.is_finite())
        .min_by(|a, b| a.1.total_cmp(&b.1))
    else {
        let lowest = runs.iter().map(|run| run.0).fold(f64::INFINITY, f64::min);
        return inside(lowest, -STEP, (low, high)).into_iter().collect();
    };
    let mut next = Vec::new();
    if !runs.iter().any(|run| run.0 < best.0) {
        next.extend(inside(best.0, -STEP, (low, high)));
    }
    if !runs.iter().any(|run| run.0 > best.0) {
        next.extend(inside(best.0, STEP, (low, high)));
    }
    next
}

/// A step that ends at the limits, none where it would not leave its place.
fn inside(from: f64, step: f64, (low, high): (f64, f64)) -> Option<f64> {
    let to = (from + step).clamp(low, high);
    (to != from).then_some(to)
}
