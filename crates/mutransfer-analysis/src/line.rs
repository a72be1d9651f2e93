//! The straight line through points, and what it says about a further one.

use super::slope::student;

/// Least squares of `y = height + slope (x - center)`.
///
/// ```
/// use mutransfer_analysis::Line;
///
/// let line = Line::through(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).unwrap();
/// assert_eq!((line.slope, line.at(10.0)), (2.0, 21.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Its slope.
    pub slope: f64,
    /// How many points it goes through.
    pub count: usize,
    center: f64,
    height: f64,
    spread: f64,
    residual: f64,
}

impl Line {
    /// The line through the points; none where fewer than two abscissas differ.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (center, height) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(x, _)| (x - center).powi(2)).sum();
        let slope = points
            .iter()
            .map(|(x, y)| (x - center) * (y - height))
            .sum::<f64>()
            / spread;
        let residual = points
            .iter()
            .map(|(x, y)| (y - height - slope * (x - center)).powi(2))
            .sum();
        (spread > 0.0).then_some(Self {
            slope,
            count: points.len(),
            center,
            height,
            spread,
            residual,
        })
    }

    /// Its height at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.height + self.slope * (x - self.center)
    }

    /// Points to spare.
    pub fn freedom(&self) -> usize {
        self.count - 2
    }

    /// Variance of a point about the line; none without points to spare.
    fn variance(&self) -> Option<f64> {
        (self.freedom() > 0).then(|| self.residual / self.freedom() as f64)
    }

    /// Half of the 95% interval of the slope; none without points to spare.
    pub fn margin(&self) -> Option<f64> {
        self.standard_error()
            .map(|error| error * student(self.freedom()))
    }

    /// Standard error of the slope; none without points to spare.
    pub fn standard_error(&self) -> Option<f64> {
        Some((self.variance()? / self.spread).sqrt())
    }

    /// Variance of a further point at `x` about the height there; none without points to spare.
    pub fn variance_at(&self, x: f64) -> Option<f64> {
        let leverage = 1.0 / self.count as f64 + (x - self.center).powi(2) / self.spread;
        Some(self.variance()? * (1.0 + leverage))
    }

    /// Half of the 95% interval of a further point at `x`; none without points to spare.
    pub fn margin_at(&self, x: f64) -> Option<f64> {
        self.variance_at(x)
            .map(|variance| variance.sqrt() * student(self.freedom()))
    }
}
