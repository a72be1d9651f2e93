//! The slope of a size against width, over all widths and over the upper half of them.

use serde::Serialize;

use crate::statistics::line::Parallel;
use crate::verdict::Verdict;

/// The `mup` package accepts a factor of 1.2 between widths 4 apart: log2(1.2)/2.
pub const TOLERANCE: f64 = 0.13;

/// Degrees of freedom below which an interval is more luck than knowledge.
const ENOUGH: usize = 3;

/// A slope of log2 of a size against log2 of the width.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Trend {
    /// The slope; null where it is not finite.
    #[cfg_attr(test, schemars(with = "Option<f64>"))]
    pub slope: f64,
    /// Its 95% interval; null where an end is not finite.
    #[cfg_attr(test, schemars(with = "(Option<f64>, Option<f64>)"))]
    pub interval: (f64, f64),
}

impl Trend {
    /// Whether it is the expected slope, or, where only a bound is promised, not above it.
    pub(crate) fn against(&self, expected: f64, at_most: bool) -> Verdict {
        let (low, high) = self.interval;
        let (least, most) = (expected - TOLERANCE, expected + TOLERANCE);
        if (at_most || low >= least) && high <= most {
            return Verdict::Pass;
        }
        let lies_outside = low > most || (!at_most && high < least);
        if lies_outside || !self.slope.is_finite() {
            Verdict::Fail
        } else {
            Verdict::Undetermined
        }
    }
}

/// The slope over all widths, and over the upper half of them, as small widths bend the line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fit {
    /// Over all widths.
    #[serde(flatten)]
    pub all: Trend,
    /// Over the upper half; none where there are too few points for an interval.
    pub upper: Option<Trend>,
}

/// One size of one seed, both in base-2 logarithms.
#[derive(Clone, Copy)]
pub(crate) struct Sized {
    pub(crate) seed: u64,
    pub(crate) width: f64,
    pub(crate) size: f64,
}

impl Fit {
    /// No straight line: a size is not finite, or zero at some width only.
    pub(crate) const NONE: Self = Self {
        all: Trend {
            slope: f64::NAN,
            interval: (f64::NAN, f64::NAN),
        },
        upper: None,
    };

    /// Least squares over all seeds; none at a single width.
    pub(crate) fn through(mut sizes: Vec<Sized>) -> Option<Self> {
        if sizes.iter().any(|size| !size.size.is_finite()) {
            return Some(Self::NONE);
        }
        // Sums must not depend on the order of the rows.
        sizes.sort_by(|a, b| {
            a.seed
                .cmp(&b.seed)
                .then(a.width.total_cmp(&b.width))
                .then(a.size.total_cmp(&b.size))
        });
        let all = trend(&lines(&sizes)?);
        let widths = sizes.iter().map(|size| size.width);
        let narrowest = widths.clone().fold(f64::INFINITY, f64::min);
        let middle = (narrowest + widths.fold(f64::NEG_INFINITY, f64::max)) / 2.0;
        sizes.retain(|size| size.width >= middle);
        let upper = lines(&sizes).filter(|lines| lines.freedom >= ENOUGH);
        Some(Self {
            all,
            upper: upper.as_ref().map(trend),
        })
    }

    /// The theory speaks of infinite width. What is not yet there at small widths must not fail if
    /// it is at large ones: either slope is enough to pass, and both have to fail.
    pub(crate) fn against(&self, expected: f64, at_most: bool) -> Verdict {
        let all = self.all.against(expected, at_most);
        let upper = self
            .upper
            .map_or(all, |upper| upper.against(expected, at_most));
        match (all, upper) {
            (Verdict::Pass, _) | (_, Verdict::Pass) => Verdict::Pass,
            (Verdict::Fail, Verdict::Fail) => Verdict::Fail,
            _ => Verdict::Undetermined,
        }
    }
}

/// A seed is also a batch, which all widths share and which makes all of its sizes larger or
/// smaller. So every seed has a height of its own, unless one of them was measured at a single
/// width.
fn lines(sizes: &[Sized]) -> Option<Parallel> {
    let points: Vec<(f64, f64)> = sizes.iter().map(|size| (size.width, size.size)).collect();
    let mut seeds: Vec<&[(f64, f64)]> = Vec::new();
    let mut rest = points.as_slice();
    for seed in sizes.chunk_by(|a, b| a.seed == b.seed) {
        let (own, others) = rest.split_at(seed.len());
        seeds.push(own);
        rest = others;
    }
    let is_lonely = seeds
        .iter()
        .any(|seed| seed.iter().all(|point| point.0 == seed[0].0));
    if is_lonely {
        seeds = vec![&points];
    }
    Parallel::through(&seeds)
}

/// Infinite where no points are left to estimate the noise from.
fn trend(lines: &Parallel) -> Trend {
    let (slope, margin) = (lines.slope, lines.margin().unwrap_or(f64::INFINITY));
    Trend {
        slope,
        interval: (slope - margin, slope + margin),
    }
}
