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
pub(crate) fn minimum(low: f64, high: f64, function: impl Fn(f64) -> f64) -> f64 {
    let step = (high - low) / (SCAN - 1) as f64;
    let scan: [f64; SCAN] = std::array::from_fn(|index| low + step * index as f64);
    let best = scan
        .iter()
        .map(|at| function(*at))
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(index, _)| index);
    let (left, right) = (best.saturating_sub(1), (best + 1).min(SCAN - 1));
    golden_section(scan[left], scan[right], function)
}

fn golden_section(mut left: f64, mut right: f64, function: impl Fn(f64) -> f64) -> f64 {
    let mut inner = right - GOLDEN * (right - left);
    let mut outer = left + GOLDEN * (right - left);
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
