//! What a finite width does to a size.
//!
//! What an update does to its input is the sum of what it learned from this input, which does not
//! depend on the width n, and of what it learned from the T - 1 other inputs of the batch, whose
//! products with this one are of size n^-1/2 beside 1. So a size goes as sqrt(c² + T/n), which is
//! sqrt(1 + k/n) times its limit with a lag k = T/c². An average over the width that falls short of
//! its limit by a share k/2n bends the line in the same way, with a negative lag.

use crate::coordinates::design::Design;
use crate::statistics::minimum::minimum;

/// Widths that a lag needs: one to spare for the height, the slope and itself.
const FEWEST: usize = 4;

/// Lags looked for: from this share of the narrowest width below zero to the widest width. Beyond
/// that the limit is nowhere near, and the bend cannot be told from a slope of -1/2.
const MOST_BELOW: f64 = 0.75;

/// How far the width must grow for what it adds to be as small as the limit.
#[derive(Clone, Copy)]
pub(crate) struct Lag(pub(crate) f64);

/// The lag that describes the mean sizes best; none where the widths are too few, or none within
/// bounds describes them.
pub(crate) fn lag(middle: &[f64], widths: &[f64]) -> Option<Lag> {
    if widths.len() < FEWEST {
        return None;
    }
    let design = Design::straight(widths);
    let misfit = |lag: f64| {
        let left = design.left(&Lag(lag).straighten(middle, widths));
        left.iter().map(|part| part * part).sum::<f64>()
    };
    let (narrowest, widest) = (widths[0].exp2(), widths[widths.len() - 1].exp2());
    let bounds = (-MOST_BELOW * narrowest, widest);
    // In steps that are as fine beside the narrowest width as beside the widest.
    let scale = |place: f64| bounds.0 + (bounds.1 - bounds.0) * place.powi(3);
    let lag = scale(minimum(0.0, 1.0, |place| misfit(scale(place))));
    let room = 1e-3 * narrowest;
    (lag > bounds.0 + room && lag < bounds.1 - room).then_some(Lag(lag))
}

impl Lag {
    /// Log2 of what it does to a size at a width given as log2.
    pub(crate) fn excess(self, width: f64) -> f64 {
        0.5 * (1.0 + self.0 / width.exp2()).log2()
    }

    /// Sizes without it.
    fn straighten(self, sizes: &[f64], widths: &[f64]) -> Vec<f64> {
        let both = sizes.iter().zip(widths);
        both.map(|(size, width)| size - self.excess(*width))
            .collect()
    }

    /// All seeds' sizes without it.
    pub(crate) fn straightened(self, rows: &[Vec<f64>], widths: &[f64]) -> Vec<Vec<f64>> {
        rows.iter()
            .map(|row| self.straighten(row, widths))
            .collect()
    }

    /// A line that bends by a little more or less of it.
    pub(crate) fn design(self, widths: &[f64]) -> Design {
        let derivative = |width: &f64| 1.0 / (width.exp2() + self.0);
        let bend: Vec<f64> = widths.iter().map(derivative).collect();
        Design::bent(widths, &bend)
    }
}
