//! Straight lines through points: their slope, and what they say about a further point.

use crate::statistics::distribution::student;
use crate::statistics::sample::mean;

/// Least squares of parallel lines: one slope for all groups of points, and a height for each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Parallel {
    pub(crate) slope: f64,
    /// Points to spare.
    pub(crate) freedom: usize,
    /// Squared distances of the abscissas from their means.
    spread: f64,
    /// Squared distances of the points from the lines.
    residual: f64,
}

impl Parallel {
    /// The lines through groups of points; none where no two abscissas of a group differ.
    pub(crate) fn through(groups: &[impl AsRef<[(f64, f64)]>]) -> Option<Self> {
        let mut centered = Vec::new();
        for group in groups {
            let group = group.as_ref();
            let (center, height) = middle(group);
            centered.extend(group.iter().map(|(x, y)| (x - center, y - height)));
        }
        let spread: f64 = centered.iter().map(|(x, _)| x * x).sum();
        if spread <= 0.0 || spread.is_nan() {
            return None;
        }
        let slope = centered.iter().map(|(x, y)| x * y).sum::<f64>() / spread;
        Some(Self {
            slope,
            freedom: centered.len().saturating_sub(groups.len() + 1),
            spread,
            residual: centered.iter().map(|(x, y)| (y - slope * x).powi(2)).sum(),
        })
    }

    /// Variance of a point about its line; none without points to spare.
    fn variance(&self) -> Option<f64> {
        (self.freedom > 0).then(|| self.residual / self.freedom as f64)
    }

    /// Standard error of the slope; none without points to spare.
    pub(crate) fn standard_error(&self) -> Option<f64> {
        Some((self.variance()? / self.spread).sqrt())
    }

    /// Half of the 95% interval of the slope; none without points to spare.
    pub(crate) fn margin(&self) -> Option<f64> {
        self.standard_error()
            .map(|error| error * student(self.freedom))
    }
}

/// Mean abscissa and ordinate.
fn middle(points: &[(f64, f64)]) -> (f64, f64) {
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    (mean(&x), mean(&y))
}

/// Least squares of `y = height + slope (x - center)`.
///
/// ```
/// use mutransfer_analysis::Line;
///
/// let line = Line::through(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).unwrap();
/// assert_eq!((line.slope(), line.at(10.0)), (2.0, 21.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    center: f64,
    height: f64,
    count: usize,
    fit: Parallel,
}

impl Line {
    /// The line through the points; none where fewer than two abscissas differ.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let (center, height) = middle(points);
        Some(Self {
            center,
            height,
            count: points.len(),
            fit: Parallel::through(&[points])?,
        })
    }

    /// Its slope.
    pub fn slope(&self) -> f64 {
        self.fit.slope
    }

    /// How many points it goes through.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Its height at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.height + self.fit.slope * (x - self.center)
    }

    /// Half of the 95% interval of the slope; none without points to spare.
    pub fn margin(&self) -> Option<f64> {
        self.fit.margin()
    }

    /// Standard error of the slope; none without points to spare.
    pub fn standard_error(&self) -> Option<f64> {
        self.fit.standard_error()
    }

    /// Variance of a further point at `x` about the height there; none without points to spare.
    pub fn variance_at(&self, x: f64) -> Option<f64> {
        let leverage = 1.0 / self.count as f64 + (x - self.center).powi(2) / self.fit.spread;
        Some(self.fit.variance()? * (1.0 + leverage))
    }

    /// Half of the 95% interval of a further point at `x`; none without points to spare.
    pub fn margin_at(&self, x: f64) -> Option<f64> {
        self.variance_at(x)
            .map(|variance| variance.sqrt() * student(self.fit.freedom))
    }
}
