//! What the proxy's best hyperparameter costs on the target's own loss curve.

use crate::table::run::{SAME_OCTAVES, is_same};
use crate::transfer::optimum::Optimum;
use crate::transfer::point::Point;

/// What the target's curve says about one value of the hyperparameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Excess {
    /// So many nats above the best.
    Nats(f64),
    /// Training diverges there.
    Diverged,
    /// The curve does not reach that far, or has no bottom.
    Unknown,
}

impl Excess {
    /// The nats, where there is a number of them.
    pub(crate) fn nats(self) -> Option<f64> {
        match self {
            Self::Nats(nats) => Some(nats),
            Self::Diverged | Self::Unknown => None,
        }
    }
}

/// The point of runs at just this value, given as log2.
pub(crate) fn run_at(points: &[Point], log2: f64) -> Option<&Point> {
    points.iter().find(|point| is_same(point.log2, log2))
}

/// Reads the curve at a value given as log2: off the valley where that was fitted, else between
/// the two runs beside it.
pub(crate) fn excess(points: &[Point], optimum: &Optimum, log2: f64) -> Excess {
    if run_at(points, log2).is_some_and(|point| point.loss.is_none()) {
        return Excess::Diverged;
    }
    let valley = optimum.valley.as_ref();
    if let Some(fit) = valley.filter(|fit| fit.covers(log2)) {
        return Excess::Nats(fit.excess(log2));
    }
    let below = points
        .iter()
        .rev()
        .find(|point| point.log2 <= log2 + SAME_OCTAVES);
    let above = points
        .iter()
        .find(|point| point.log2 >= log2 - SAME_OCTAVES);
    match (below, above) {
        (Some(below), Some(above)) => match (below.loss, above.loss, valley) {
            (None, None, _) => Excess::Diverged,
            (Some(_), Some(_), Some(fit)) => Excess::Nats(between(below, above, log2) - fit.loss),
            _ => Excess::Unknown,
        },
        // What diverges at some value diverges at larger ones.
        (Some(last), None) if last.loss.is_none() => Excess::Diverged,
        _ => Excess::Unknown,
    }
}

/// Linear in the logarithm.
fn between(below: &Point, above: &Point, log2: f64) -> f64 {
    let (low, high) = (
        below.loss.unwrap_or_default(),
        above.loss.unwrap_or_default(),
    );
    let distance = above.log2 - below.log2;
    if distance <= SAME_OCTAVES {
        low
    } else {
        low + (high - low) * (log2 - below.log2) / distance
    }
}
