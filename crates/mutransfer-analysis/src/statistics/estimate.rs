//! A mean over seeds with its interval.

use serde::Serialize;

use crate::statistics::distribution::student;
use crate::statistics::sample::{mean, standard_error};

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Half the length of its 95% interval; absent with a single seed.
    pub margin: Option<f64>,
}

impl Estimate {
    /// The mean of values that are independent draws.
    ///
    /// ```
    /// use mutransfer_analysis::Estimate;
    ///
    /// let estimate = Estimate::of(&[1.0, 2.0, 3.0]);
    /// assert_eq!((estimate.mean, estimate.to_string().as_str()), (2.0, "2.00 ± 2.48"));
    /// ```
    pub fn of(values: &[f64]) -> Self {
        Self {
            mean: mean(values),
            margin: standard_error(values).map(|error| student(values.len() - 1) * error),
        }
    }

    /// The standard error of the mean of `count` values; absent with a single one.
    pub(crate) fn standard_error(&self, count: usize) -> Option<f64> {
        self.margin.map(|margin| margin / student(count - 1))
    }

    /// The ends of the interval; both are the mean with a single seed.
    pub fn interval(&self) -> (f64, f64) {
        let margin = self.margin.unwrap_or_default();
        (self.mean - margin, self.mean + margin)
    }
}

impl std::fmt::Display for Estimate {
    /// To two decimals, with the margin where there is one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Adding zero rids it of its sign.
        write!(f, "{:.2}", (self.mean * 100.0).round() / 100.0 + 0.0)?;
        self.margin
            .map_or(Ok(()), |margin| write!(f, " ± {margin:.2}"))
    }
}
