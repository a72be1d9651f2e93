//! The lowest point of a function of one variable.

/// Points of the first scan: the functions minimised here have few valleys, all wider than this
/// resolves.
const SCAN: usize = 64;

/// Halvings by the golden ratio: enough for eleven digits of the distance between two points of the
/// scan.
const REFINEMENTS: usize = 52;

const GOLDEN: f64 = 0.618_033_988_749_894_8;

/// Where between `low` and `high` the function is lowest, ends included. A scan finds the valley,
/// whatever the shape of the rest; golden sections find its bottom.
pub(super) fn minimum(low: f64, high: f64, function: impl Fn(f64) -> f64) -> f64 {
    let step = (high - low) / (SCAN - 1) as f64;
    let at = |index: usize| low + step * index as f64;
    let heights = (0..SCAN).map(|index| (index, function(at(index))));
    let best = heights
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(index, _)| index);
    let (mut left, mut right) = (at(best.saturating_sub(1)), at((best + 1).min(SCAN - 1)));
    let (mut inner, mut outer) = (
        right - GOLDEN * (right - left),
        left + GOLDEN * (right - left),
    );
    let (mut inner_height, mut outer_height) = (function(inner), function(outer));
    for _ in 0..REFINEMENTS {
        if inner_height <= outer_height {
            (right, outer, outer_height) = (outer, inner, inner_height);
            inner = right - GOLDEN * (right - left);
            inner_height = function(inner);
        } else {
            (left, inner, inner_height) = (inner, outer, outer_height);
            outer = left + GOLDEN * (right - left);
            outer_height = function(outer);
        }
    }
    f64::midpoint(left, right)
}
