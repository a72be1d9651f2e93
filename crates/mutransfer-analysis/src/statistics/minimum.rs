//! The lowest point of a function of one variable.

/// Points of the first scan where nothing is known of the function: those minimised here have few
/// valleys, all wider than this resolves.
const SCAN: usize = 64;

/// Steps at most, and the share of the first distance to which the place is found.
const STEPS: usize = 100;
const ENOUGH: f64 = 1e-11;

/// The smaller part of the golden section.
const GOLDEN: f64 = 0.381_966_011_250_105_1;

/// Where between `low` and `high` the function is lowest, ends included. A scan finds the valley,
/// whatever the shape of the rest; Brent's method finds its bottom.
pub(crate) fn minimum(low: f64, high: f64, function: impl Fn(f64) -> f64) -> f64 {
    scanned::<SCAN>(low, high, function)
}

/// The same after a scan of so many points.
pub(crate) fn scanned<const SCAN: usize>(
    low: f64,
    high: f64,
    function: impl Fn(f64) -> f64,
) -> f64 {
    let step = (high - low) / (SCAN - 1) as f64;
    let scan: [f64; SCAN] = std::array::from_fn(|index| low + step * index as f64);
    let best = scan
        .iter()
        .map(|at| function(*at))
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(index, _)| index);
    let (left, right) = (best.saturating_sub(1), (best + 1).min(SCAN - 1));
    bottom(scan[left], scan[right], function)
}

/// Brent's method (1973, chapter 5): the vertex of the parabola through the three lowest points so
/// far, or a golden section of the longer part where that does not close in.
fn bottom(mut left: f64, mut right: f64, function: impl Fn(f64) -> f64) -> f64 {
    let enough = ENOUGH * (right - left);
    let at = left + GOLDEN * (right - left);
    let mut lowest = [(at, function(at)); 3];
    let (mut step, mut before) = (0.0_f64, 0.0_f64);
    for _ in 0..STEPS {
        let (at, middle) = (lowest[0].0, f64::midpoint(left, right));
        if (at - middle).abs() <= 2.0 * enough - 0.5 * (right - left) {
            break;
        }
        let vertex = vertex(&lowest).filter(|vertex| {
            (vertex - at).abs() < 0.5 * before.abs() && left < *vertex && *vertex < right
        });
        let golden = || GOLDEN * if at >= middle { left - at } else { right - at };
        (before, step) = match vertex {
            Some(vertex) => (step, vertex - at),
            None => (if at >= middle { left - at } else { right - at }, golden()),
        };
        let next = at + step.signum() * step.abs().max(enough);
        let found = (next, function(next));
        let (nearer, farther) = if found.1 <= lowest[0].1 {
            (next, at)
        } else {
            (at, next)
        };
        if farther < nearer {
            left = farther;
        } else {
            right = farther;
        }
        insert(&mut lowest, found);
    }
    lowest[0].0
}

/// Takes a point among the three lowest, lowest first; the newer of two as low goes first.
fn insert(lowest: &mut [(f64, f64); 3], found: (f64, f64)) {
    let [first, second, third] = *lowest;
    *lowest = if found.1 <= first.1 {
        [found, first, second]
    } else if found.1 <= second.1 || second.0 == first.0 {
        [first, found, second]
    } else if found.1 <= third.1 || third.0 == first.0 || third.0 == second.0 {
        [first, second, found]
    } else {
        *lowest
    };
}

/// Where the parabola through three points has its vertex; none where two of them are the same.
fn vertex([(x, fx), (w, fw), (v, fv)]: &[(f64, f64); 3]) -> Option<f64> {
    let (near, far) = ((x - w) * (fx - fv), (x - v) * (fx - fw));
    let vertex = x - 0.5 * ((x - w) * near - (x - v) * far) / (near - far);
    vertex.is_finite().then_some(vertex)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function and where it is lowest.
    type Case = (fn(f64) -> f64, f64);

    #[test]
    fn the_bottom_is_found_in_few_steps_wherever_it_is() {
        let functions: [Case; 5] = [
            (|x| (x - 0.3).powi(2), 0.3),
            (|x| (x + 0.7).abs(), -0.7),
            (|x| (3.0 * x).exp() - x, -(3_f64.ln()) / 3.0),
            (|x| x, -1.0),
            (|x| -x, 2.0),
        ];
        for (function, expected) in functions {
            let evaluations = std::cell::Cell::new(0);
            let found = scanned::<16>(-1.0, 2.0, |x| {
                evaluations.set(evaluations.get() + 1);
                function(x)
            });
            assert!((found - expected).abs() < 1e-8, "{found} is not {expected}");
            assert!(evaluations.get() < 90, "{}", evaluations.get());
        }
    }
}
