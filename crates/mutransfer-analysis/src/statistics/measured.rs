//! Numbers with intervals.

use serde::{Deserialize, Serialize};

use crate::statistics::distribution::{NORMAL, student};
use crate::statistics::estimate::Estimate;

/// Shares of replicates at the ends of a 95% interval.
const ENDS: [f64; 2] = [0.025, 0.975];

/// Share of lost replicates above which an interval is unreliable.
const MOST_LOST: f64 = 0.1;

/// Replicates that an interval needs.
const FEWEST: usize = 20;

/// A number estimated from a table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Measured {
    /// The estimate.
    pub value: f64,
    /// Its 95% interval, low and high; null where nothing says how noisy it is.
    pub interval: Option<[f64; 2]>,
    /// Share of the resampled tables that had no such number; above a tenth the interval is
    /// unreliable.
    pub lost: f64,
}

impl Measured {
    /// A number without an interval.
    pub(crate) fn plain(value: f64) -> Self {
        Self {
            value,
            interval: None,
            lost: 0.0,
        }
    }

    /// The mean over seeds that are independent draws, with Student's interval where there are
    /// two or more.
    pub fn of_seeds(values: &[f64]) -> Self {
        let estimate = Estimate::of(values);
        let (low, high) = estimate.interval();
        Self {
            value: estimate.mean,
            interval: estimate.margin.map(|_| [low, high]),
            lost: 0.0,
        }
    }

    /// A number with the percentile interval of its replicates.
    pub(crate) fn of(value: f64, replicates: impl IntoIterator<Item = Option<f64>>) -> Self {
        let all: Vec<Option<f64>> = replicates.into_iter().collect();
        let mut found: Vec<f64> = all.iter().filter_map(|value| *value).collect();
        found.sort_unstable_by(f64::total_cmp);
        if found.len() < FEWEST {
            return Self::plain(value);
        }
        Self {
            value,
            interval: Some(ENDS.map(|share| quantile(&found, share))),
            lost: 1.0 - found.len() as f64 / all.len() as f64,
        }
    }

    /// The interval widened about the value as Student's t is wider than a normal number:
    /// percentiles know nothing of how few seeds their noise was estimated from. `freedom` are the
    /// runs to spare.
    pub(crate) fn widened(self, freedom: usize) -> Self {
        let factor = if freedom == 0 {
            1.0
        } else {
            student(freedom) / NORMAL
        };
        self.stretched(factor)
    }

    /// The standard deviation that the interval, not yet widened, stands for.
    pub(crate) fn deviation(&self) -> Option<f64> {
        let [low, high] = self.interval?;
        Some((high - low) / (2.0 * NORMAL)).filter(|deviation| *deviation > 0.0)
    }

    /// The interval so many times as long about the value.
    pub(crate) fn stretched(self, factor: f64) -> Self {
        let interval = self
            .interval
            .map(|ends| ends.map(|end| self.value + factor * (end - self.value)));
        Self { interval, ..self }
    }

    /// Whether zero lies within the interval.
    pub(crate) fn reaches_zero(&self) -> bool {
        self.interval
            .is_some_and(|[low, high]| low <= 0.0 && high >= 0.0)
    }

    /// Whether too many replicates were lost to trust the interval.
    pub fn is_unreliable(&self) -> bool {
        self.lost > MOST_LOST
    }
}

/// `-1.00 (-1.20 to -0.80)`.
pub fn with_interval(measured: &Measured, decimals: usize) -> String {
    with_unit(measured, decimals, "")
}

/// `-1.00 octaves (-1.20 to -0.80)`; the unit comes with its space.
pub(crate) fn with_unit(measured: &Measured, decimals: usize, unit: &str) -> String {
    let value = rounded(measured.value, decimals);
    let Some(ends) = measured.interval else {
        return value + unit;
    };
    let [low, high] = ends.map(|end| rounded(end, decimals));
    let mark = if measured.is_unreliable() {
        ", unreliable"
    } else {
        ""
    };
    format!("{value}{unit} ({low} to {high}{mark})")
}

/// With neither a sign without a digit nor a zero for what is only small.
fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.parse() == Ok(0.0) {
        text.replace('-', "")
    } else {
        text
    }
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}
