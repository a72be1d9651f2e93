//! Which points of a loss curve a fit looks at.

use crate::table::run::SAME_OCTAVES;
use crate::transfer::point::Point;
use crate::transfer::valley::{FEWEST_SKEWED, Valley};

/// Octaves about the best point within which a valley with a skew is fitted: the nearer one where
/// it holds enough points. No simple function describes real valleys much farther out.
const REACHES: [f64; 2] = [1.5, 2.0];

/// The same for a parabola: it knows no skew, so the nearest points bias it least.
const PARABOLA_REACH: f64 = 1.0;

/// A point that is worse than the best one by more than this multiple of what the points around it
/// are, on the median, lies beyond a cliff and not on the wall of a valley, where two octaves cost
/// four to eight times what one costs. In terms of the depth of the valley, so that losses may be
/// negative or tiny.
const CLIFF: f64 = 12.0;

/// Losses that are above the lowest by at most this share of it belong to the valley that the error
/// E is computed over, as in Kalra and Barkeshli (arXiv 2605.21486). That says nothing where losses
/// are near zero, so the points that the optimum was fitted to always belong to it.
const WHOLE_VALLEY: f64 = 0.35;

/// The points near the best one that a fit may use, smallest value first.
pub(crate) struct Window<'a> {
    best: &'a Point,
    near: Vec<&'a Point>,
    reaches: Vec<f64>,
}

impl<'a> Window<'a> {
    /// About the best of the points; `max_octaves` takes the place of the usual reaches.
    pub(crate) fn about(points: &'a [Point], best: &'a Point, max_octaves: Option<f64>) -> Self {
        let reaches = max_octaves.map_or(REACHES.to_vec(), |octaves| vec![octaves]);
        let farthest = reaches.iter().copied().fold(0.0, f64::max);
        let window = Self {
            best,
            near: points.iter().filter(|point| point.loss.is_some()).collect(),
            reaches,
        };
        let near = below_cliff(&window.within(farthest), best);
        Self { near, ..window }
    }

    /// The points for a valley with a skew; none where there are too few.
    pub(crate) fn skewed(&self) -> Option<Vec<&'a Point>> {
        let mut windows = self.reaches.iter().map(|reach| self.within(*reach));
        windows.find(|window| window.len() >= FEWEST_SKEWED)
    }

    /// The points for a parabola: those within an octave, and the nearest on either side.
    pub(crate) fn parabola(&self) -> Vec<&'a Point> {
        let below = self
            .near
            .iter()
            .rev()
            .find(|point| point.value < self.best.value);
        let above = self.near.iter().find(|point| point.value > self.best.value);
        let nearest = [below, above].map(|side| side.map(|point| point.log2));
        let is_kept = |point: &&&Point| {
            nearest.contains(&Some(point.log2)) || self.distance(point) <= PARABOLA_REACH
        };
        self.near.iter().filter(is_kept).copied().collect()
    }

    fn within(&self, octaves: f64) -> Vec<&'a Point> {
        let near = self.near.iter().copied();
        near.filter(|point| self.distance(point) <= octaves)
            .collect()
    }

    /// Octaves from the best point, the rounding of logarithms taken off.
    fn distance(&self, point: &Point) -> f64 {
        (point.log2 - self.best.log2).abs() - SAME_OCTAVES
    }
}

/// The stable points that do not lie beyond a cliff, on whichever side of the best one.
fn below_cliff<'a>(near: &[&'a Point], best: &Point) -> Vec<&'a Point> {
    let excess = |point: &Point| point.loss.unwrap_or_default() - best.loss.unwrap_or_default();
    let mut excesses: Vec<f64> = near.iter().map(|point| excess(point)).collect();
    excesses.sort_unstable_by(f64::total_cmp);
    let highest = CLIFF * excesses[excesses.len() / 2];
    let is_cliff = |point: &&&Point| highest > 0.0 && excess(point) > highest;
    let cliffs = || near.iter().filter(is_cliff).map(|point| point.log2);
    let low = cliffs()
        .filter(|log2| *log2 < best.log2)
        .fold(f64::NEG_INFINITY, f64::max);
    let high = cliffs()
        .filter(|log2| *log2 > best.log2)
        .fold(f64::INFINITY, f64::min);
    let kept = near
        .iter()
        .filter(|point| low < point.log2 && point.log2 < high);
    kept.copied().collect()
}

/// The grid point with the lowest loss. `min_by` returns the first of equals, which is the smaller
/// value.
pub(crate) fn best_point(points: &[Point]) -> Option<&Point> {
    let stable = points.iter().filter_map(|point| Some((point, point.loss?)));
    stable
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(point, _)| point)
}

/// The points that the error E is computed over.
pub(crate) fn whole_valley<'a>(points: &'a [Point], fitted: &Valley) -> Vec<&'a Point> {
    let lowest = best_point(points).and_then(|best| best.loss);
    let highest = lowest.map(|lowest| lowest + WHOLE_VALLEY * lowest.abs());
    points
        .iter()
        .filter(|point| {
            let losses = point.loss.zip(highest);
            losses.is_some_and(|(loss, highest)| loss <= highest || fitted.covers(point.log2))
        })
        .collect()
}
