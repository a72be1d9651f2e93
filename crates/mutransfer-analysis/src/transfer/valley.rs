//! A valley: loss against the logarithm of a hyperparameter, around its bottom.
//!
//! Losses rise exponentially towards large learning rates, where training becomes unstable, and
//! about linearly towards small ones, where it is only slow. That is the linear-exponential
//! function (Varian 1975; Zellner, J. Am. Stat. Assoc. 81:446, 1986), whose skew 0 is the parabola.
//! A parabola through a skewed valley has its bottom in the wrong place, and a cubic, which
//! describes it as well around the bottom, need not have a bottom at all.

use std::f64::consts::LN_2;

use crate::statistics::minimum::scanned;
use crate::statistics::sample::mean;
use crate::transfer::point::Point;

/// Points that a parabola needs, and a valley with a skew, which takes one more and should leave
/// one to spare.
pub(crate) const FEWEST: usize = 3;
pub(crate) const FEWEST_SKEWED: usize = 5;

/// Most skew either way, by ln of the hyperparameter: the walls of a valley differ by a factor of
/// ten one octave from its bottom. What is steeper is no wall but a cliff.
const MOST_SKEW: f64 = 2.3;

/// Skews that are tried first; the misfit varies slowly with the skew.
const SCAN: usize = 16;

/// A convex valley with a single bottom.
#[derive(Clone, Debug, PartialEq)]
pub struct Valley {
    /// Log2 of the value at the bottom.
    pub log2: f64,
    /// Loss at the bottom in nats.
    pub loss: f64,
    /// Second derivative of the loss in the natural logarithm of the value at the bottom, in nats.
    pub curvature: f64,
    /// How much steeper it is towards large values than towards small ones: the third derivative
    /// over the second. 0 for a parabola.
    pub skew: f64,
    /// Log2 of the smallest and the largest value it was fitted to.
    pub kept: [f64; 2],
}

impl Valley {
    /// Whether a value, given as log2, is among those the valley was fitted to.
    pub fn covers(&self, log2: f64) -> bool {
        (self.kept[0]..=self.kept[1]).contains(&log2)
    }

    /// The points it was fitted to.
    pub(crate) fn points<'a>(&self, points: &'a [Point]) -> Vec<&'a Point> {
        let stable = points.iter().filter(|point| point.loss.is_some());
        stable.filter(|point| self.covers(point.log2)).collect()
    }

    /// How much worse than the bottom a value is, given as log2: nats, never negative.
    pub fn excess(&self, log2: f64) -> f64 {
        self.curvature * rise(self.skew, (log2 - self.log2) * LN_2)
    }

    /// The loss at a value, given as log2, in nats.
    pub(crate) fn at(&self, log2: f64) -> f64 {
        self.loss + self.excess(log2)
    }

    /// Parameters it was fitted with.
    pub(crate) fn parameters(&self) -> usize {
        if self.skew == 0.0 { 3 } else { 4 }
    }

    /// A valley of the same kind through other points; none where it has no bottom among them.
    pub(crate) fn refit(&self, kept: &[&Point]) -> Option<Self> {
        if self.skew == 0.0 {
            Self::parabola(kept)
        } else {
            Self::skewed(kept)
        }
    }

    /// Least squares of a parabola through stable points; none unless it opens upwards.
    pub(crate) fn parabola(kept: &[&Point]) -> Option<Self> {
        Scatter::of(kept).fit(0.0)?.valley(kept)
    }

    /// Least squares of a valley of any skew; none where the best one has no bottom among the
    /// points. Given the skew, the rest is linear.
    pub(crate) fn skewed(kept: &[&Point]) -> Option<Self> {
        let scatter = Scatter::of(kept);
        let skew = scanned::<SCAN>(-MOST_SKEW, MOST_SKEW, |skew| {
            scatter.fit(skew).map_or(f64::INFINITY, |fit| fit.residual)
        });
        let valley = scatter.fit(skew)?.valley(kept)?;
        valley.covers(valley.log2).then_some(valley)
    }
}

/// `(e^(kx) - 1 - kx) / k²`, which is `x²/2` where the skew k is zero.
fn rise(skew: f64, x: f64) -> f64 {
    let t = skew * x;
    if t.abs() < 0.01 {
        // The series, as the difference of near numbers would lose all digits.
        return x * x / 2.0
            * (1.0
                + t / 3.0 * (1.0 + t / 4.0 * (1.0 + t / 5.0 * (1.0 + t / 6.0 * (1.0 + t / 7.0)))));
    }
    (t.exp_m1() - t) / (skew * skew)
}

/// Points about their middle: ln of the value, loss.
struct Scatter {
    points: Vec<(f64, f64)>,
    center: f64,
    height: f64,
}

/// `height + slope z + bend (rise(z) - level)`, about the middle of the points.
struct Fit<'a> {
    of: &'a Scatter,
    skew: f64,
    slope: f64,
    bend: f64,
    /// Mean rise of the points.
    level: f64,
    /// Squared distances of the points, summed.
    residual: f64,
}

impl Scatter {
    fn of(kept: &[&Point]) -> Self {
        let logarithms: Vec<f64> = kept.iter().map(|point| point.log2 * LN_2).collect();
        let losses: Vec<f64> = kept.iter().filter_map(|point| point.loss).collect();
        let (center, height) = (mean(&logarithms), mean(&losses));
        let points = logarithms.iter().zip(&losses);
        Self {
            points: points
                .map(|(ln, loss)| (ln - center, loss - height))
                .collect(),
            center,
            height,
        }
    }

    /// The best valley of a given skew; none unless it opens upwards.
    fn fit(&self, skew: f64) -> Option<Fit<'_>> {
        let rises: Vec<f64> = self.points.iter().map(|(z, _)| rise(skew, *z)).collect();
        let level = mean(&rises);
        let (mut zz, mut zr, mut zy) = (0.0, 0.0, 0.0);
        for ((z, y), rise) in self.points.iter().zip(&rises) {
            (zz, zr, zy) = (zz + z * z, zr + z * (rise - level), zy + z * y);
        }
        // What is left of the rise once its slope is out, so that the two fits are independent.
        let bent = |z: f64, rise: f64| rise - level - zr / zz * z;
        let (mut bb, mut by) = (0.0, 0.0);
        for ((z, y), rise) in self.points.iter().zip(&rises) {
            let bent = bent(*z, *rise);
            (bb, by) = (bb + bent * bent, by + bent * y);
        }
        let bend = by / bb;
        let slope = (zy - bend * zr) / zz;
        let left = |((z, y), rise): ((f64, f64), f64)| y - slope * z - bend * (rise - level);
        let residual = self.points.iter().copied().zip(rises).map(left);
        (bend > 0.0 && bend.is_finite()).then(|| Fit {
            of: self,
            skew,
            slope,
            bend,
            level,
            residual: residual.map(|left| left * left).sum(),
        })
    }
}

impl Fit<'_> {
    /// In terms of its bottom; none where it has none, as it falls forever.
    fn valley(&self, kept: &[&Point]) -> Option<Valley> {
        let (z, growth) = if self.skew == 0.0 {
            (-self.slope / self.bend, 1.0)
        } else {
            let growth = 1.0 - self.skew * self.slope / self.bend;
            (
                (-self.skew * self.slope / self.bend).ln_1p() / self.skew,
                growth,
            )
        };
        let rise = rise(self.skew, z) - self.level;
        z.is_finite().then(|| Valley {
            log2: (self.of.center + z) / LN_2,
            loss: self.of.height + self.slope * z + self.bend * rise,
            curvature: self.bend * growth,
            skew: self.skew,
            kept: [kept[0].log2, kept[kept.len() - 1].log2],
        })
    }
}
