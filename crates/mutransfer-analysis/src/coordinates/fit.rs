//! The slope of a size against width, and what it shows.

use serde::Serialize;

use crate::coordinates::bend::{Lag, lag};
use crate::coordinates::design::Design;
use crate::coordinates::looks::Chances;
use crate::coordinates::sizes::Sizes;
use crate::statistics::distribution::{exceeds, two_sided};
use crate::statistics::line::Parallel;
use crate::statistics::sample::{mean, variance};
use crate::verdict::Verdict;

/// The `mup` package accepts a factor of 1.2 between widths 4 apart: log2(1.2)/2.
pub const TOLERANCE: f64 = 0.13;

/// Degrees of freedom below which the spread of seeds is more luck than knowledge.
const ENOUGH: usize = 3;

/// Chance that an interval leaves out the truth.
const CHANCE: f64 = 0.05;

/// Chance of a misfit by noise alone below which a line is taken for bent: there are a hundred.
const BENT: f64 = 0.01;

/// Scatter of log2 sizes that is no more than rounding of single-precision numbers.
const ROUNDING: f64 = 1e-6;

/// A slope of log2 of a size against log2 of the width.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fit {
    /// The slope that is judged; null where it is not finite.
    #[cfg_attr(test, schemars(with = "Option<f64>"))]
    pub slope: f64,
    /// Its 95% interval; null where an end is not finite.
    #[cfg_attr(test, schemars(with = "(Option<f64>, Option<f64>)"))]
    pub interval: (f64, f64),
    /// The slope of a straight line over all widths.
    #[cfg_attr(test, schemars(with = "Option<f64>"))]
    pub straight: f64,
    /// Where narrow widths bend the line by more than noise, the slope that is judged is that of
    /// the limit: sizes go as the width to its power, times sqrt(1 + lag / width). Null where a
    /// straight line describes them.
    pub lag: Option<f64>,
    /// Seeds behind it.
    pub seeds: usize,
    /// The slope and how noisy it is.
    #[serde(skip)]
    noisy: Noisy,
    /// The slope of the limit, where a straight line is judged.
    #[serde(skip)]
    limit: Option<Noisy>,
    /// The straight slope, as far as narrow widths cannot explain it.
    #[serde(skip)]
    sure: Sure,
}

impl Fit {
    /// No straight line: a size is not finite, or zero at some width only.
    pub(crate) const NONE: Self = Self {
        slope: f64::NAN,
        interval: (f64::NAN, f64::NAN),
        straight: f64::NAN,
        lag: None,
        seeds: 0,
        noisy: Noisy::NONE,
        limit: None,
        sure: Sure::NONE,
    };

    /// The slope of what was measured; none at a single width.
    ///
    /// A seed is also a batch, which makes all of its sizes larger or smaller and may tilt them, so
    /// every seed has a slope of its own, and what they scatter by is the noise. Where they are
    /// too few to know it, the noise is at least what single sizes scatter by, and where some seeds
    /// lack widths, it is that alone.
    pub(crate) fn through(sizes: &Sizes) -> Option<Self> {
        let Some(rows) = sizes.rows().filter(|rows| rows.len() > 1) else {
            let line = Noisy::of(&Parallel::through(&sizes.groups())?);
            let fit = Self::new(line, sizes.seeds());
            let sure = Sure::of(line, sizes, None);
            return Some(Self { sure, ..fit });
        };
        let widths = sizes.widths();
        let straight = Line::through(rows, &Design::straight(widths));
        let bent = lag(&straight.middle, widths).map(|lag| {
            let rows = lag.straightened(rows, widths);
            (lag, Line::through(&rows, &lag.design(widths)).slope())
        });
        let fit = Self::new(straight.slope(), rows.len());
        let visible = bent.filter(|_| !straight.fits());
        let sure = Sure::of(
            straight.slope_of_seeds(),
            sizes,
            visible.map(|(lag, _)| lag),
        );
        Some(match visible {
            Some((lag, bent)) => Self {
                straight: fit.slope,
                lag: Some(lag.0),
                sure,
                ..Self::new(bent, rows.len())
            },
            None => Self {
                limit: bent.map(|(_, bent)| bent),
                sure,
                ..fit
            },
        })
    }

    fn new(noisy: Noisy, seeds: usize) -> Self {
        Self {
            slope: noisy.slope,
            interval: noisy.interval(CHANCE),
            straight: noisy.slope,
            seeds,
            noisy,
            ..Self::NONE
        }
    }

    /// Half of the interval that leaves out the truth with this chance; infinite where nothing says
    /// how noisy the slope is.
    pub(crate) fn margin(&self, chance: f64) -> f64 {
        self.noisy.margin(chance)
    }

    /// Whether it is the expected slope, or, where only a bound is promised, not above it.
    ///
    /// The theory speaks of infinite width. What narrow widths may explain does not fail, even
    /// where it is too little to show as a bend.
    pub(crate) fn against(&self, promise: Promise, chances: Chances) -> Verdict {
        if !self.slope.is_finite() {
            return Verdict::Fail;
        }
        let over = promise.excess(self.slope);
        if over + self.margin(chances.pass) <= TOLERANCE {
            return Verdict::Pass;
        }
        let excludes = |noisy: Noisy| promise.excludes(noisy.interval(chances.fail));
        // Where nothing shows a bend, a line that is wrong may still be a bent one that is right.
        let is_wrong = match (self.lag, self.limit) {
            (Some(_), _) => excludes(self.noisy),
            (None, limit) => excludes(self.noisy) && limit.is_some_and(excludes),
        };
        if is_wrong || promise.excludes(self.sure.interval(chances.fail)) {
            Verdict::Fail
        } else {
            Verdict::Undetermined
        }
    }

    /// Seeds after which this would be decided if slope and scatter stayed as they are; none where
    /// there is no telling.
    pub(crate) fn enough_seeds(&self, promise: Promise, chances: Chances) -> Option<usize> {
        let room = TOLERANCE - promise.excess(self.slope);
        let chance = if room > 0.0 {
            chances.pass
        } else {
            chances.fail
        };
        let seeds = self.seeds as f64 * (self.margin(chance) / room).powi(2);
        (seeds.is_finite() && self.noisy.freedom > 0).then_some(seeds.ceil() as usize)
    }
}

/// A slope and how noisy it is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Noisy {
    slope: f64,
    /// Standard error; not a number where nothing says how noisy it is.
    error: f64,
    /// Degrees of freedom of that.
    freedom: usize,
}

impl Noisy {
    const NONE: Self = Self {
        slope: f64::NAN,
        error: f64::NAN,
        freedom: 0,
    };

    fn of(lines: &Parallel) -> Self {
        Self {
            slope: lines.slope,
            error: lines.standard_error().unwrap_or(f64::NAN),
            freedom: lines.freedom,
        }
    }

    fn margin(&self, chance: f64) -> f64 {
        if self.error.is_nan() {
            return f64::INFINITY;
        }
        two_sided(chance, self.freedom) * self.error
    }

    fn interval(&self, chance: f64) -> (f64, f64) {
        let margin = self.margin(chance);
        (self.slope - margin, self.slope + margin)
    }
}

/// What a rule promises of a slope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Promise {
    pub(crate) slope: f64,
    /// Whether the promise is only that it is no larger.
    pub(crate) at_most: bool,
}

impl Promise {
    /// How far a slope is from what is promised.
    pub(crate) fn excess(self, slope: f64) -> f64 {
        let over = slope - self.slope;
        if self.at_most { over } else { over.abs() }
    }

    /// Whether all of an interval is further from it than is tolerated.
    fn excludes(self, (low, high): (f64, f64)) -> bool {
        low - self.slope > TOLERANCE || (!self.at_most && self.slope - high > TOLERANCE)
    }
}

/// A straight slope, and what narrow widths may have added to it at most.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sure {
    line: Noisy,
    /// What may make it too large, and too small.
    doubt: (f64, f64),
}

/// Lags that may hide in noise, in narrowest widths: sizes at the narrowest width are half, or
/// twice, what they would be.
const HIDDEN: (f64, f64) = (-0.75, 3.0);

impl Sure {
    const NONE: Self = Self {
        line: Noisy::NONE,
        doubt: (f64::INFINITY, f64::INFINITY),
    };

    fn of(line: Noisy, sizes: &Sizes, lag: Option<Lag>) -> Self {
        let (below, above) = (bias(sizes, HIDDEN.0), bias(sizes, HIDDEN.1));
        // A lag that shows may be larger than one that hides.
        let is_larger = lag.is_some_and(|lag| lag.0 > 0.0);
        let above = if is_larger { f64::INFINITY } else { above };
        Self {
            line,
            doubt: (below, above),
        }
    }

    fn interval(&self, chance: f64) -> (f64, f64) {
        let (low, high) = self.line.interval(chance);
        (low - self.doubt.0, high + self.doubt.1)
    }
}

/// How much a lag of so many narrowest widths changes the slope.
fn bias(sizes: &Sizes, lag: f64) -> f64 {
    let groups = sizes.groups();
    let widths = groups.iter().flatten().map(|point| point.0);
    let lag = Lag(lag * widths.fold(f64::INFINITY, f64::min).exp2());
    let bend = |group: &Vec<(f64, f64)>| -> Vec<(f64, f64)> {
        let points = group.iter().map(|point| point.0);
        points.map(|width| (width, lag.excess(width))).collect()
    };
    let bends: Vec<Vec<(f64, f64)>> = groups.iter().map(bend).collect();
    Parallel::through(&bends).map_or(0.0, |lines| lines.slope.abs())
}

/// The mean of all seeds' lines of one design.
struct Line {
    /// One per seed.
    slopes: Vec<f64>,
    /// Sizes at each width, averaged over the seeds.
    middle: Vec<f64>,
    /// How far that misses the line, over how far noise would have it.
    ratio: f64,
    /// Standard error of the slope if only single sizes scattered.
    error: f64,
    /// Widths to spare, and what the noise of single sizes was estimated from.
    freedom: (usize, usize),
}

impl Line {
    fn through(rows: &[Vec<f64>], design: &Design) -> Self {
        let seeds = rows.len() as f64;
        let left: Vec<Vec<f64>> = rows.iter().map(|row| design.left(row)).collect();
        let middles = |rows: &[Vec<f64>]| -> Vec<f64> {
            let at = |width: usize| rows.iter().map(|row| row[width]).sum::<f64>() / seeds;
            (0..rows[0].len()).map(at).collect()
        };
        let missed = middles(&left);
        let scatter = |row: &Vec<f64>| -> f64 {
            row.iter()
                .zip(&missed)
                .map(|(left, missed)| (left - missed).powi(2))
                .sum()
        };
        let (spare, freedom) = (design.spare(), design.spare() * (rows.len() - 1));
        let noise = left.iter().map(scatter).sum::<f64>() / freedom as f64;
        let noise = noise.max(ROUNDING.powi(2));
        let misfit = missed.iter().map(|missed| missed * missed).sum::<f64>();
        Self {
            slopes: rows.iter().map(|row| design.slope(row)).collect(),
            middle: middles(rows),
            ratio: seeds * misfit / spare as f64 / noise,
            error: design.error(noise / seeds),
            freedom: (spare, freedom),
        }
    }

    /// Whether noise explains how far the means of the widths lie off the line.
    fn fits(&self) -> bool {
        let (spare, noise) = self.freedom;
        spare == 0 || !exceeds(self.ratio, spare, noise, BENT)
    }

    /// With the noise of the seeds' slopes, at least that of single sizes where seeds are few.
    fn slope_of_seeds(&self) -> Noisy {
        let seeds = self.slopes.len();
        let own = (variance(&self.slopes) / seeds as f64).sqrt();
        let (error, freedom) = match self.freedom {
            (1.., freedom) if seeds <= ENOUGH => (own.max(self.error), freedom),
            _ => (own, seeds - 1),
        };
        Noisy {
            slope: mean(&self.slopes),
            error,
            freedom,
        }
    }

    /// With that noise and that of the widths: what the seeds agree on and the line misses is no
    /// noise of theirs, and is known from a few widths only (Satterthwaite's degrees of freedom).
    fn slope(&self) -> Noisy {
        let Noisy { error, freedom, .. } = self.slope_of_seeds();
        let own = error.powi(2);
        let widths = if self.freedom.0 > 0 {
            (self.ratio - 1.0).max(0.0) * self.error.powi(2)
        } else {
            0.0
        };
        let both = own + widths;
        let parts = own.powi(2) / freedom as f64 + widths.powi(2) / self.freedom.0.max(1) as f64;
        let freedom = (both.powi(2) / parts).floor().max(1.0);
        Noisy {
            slope: mean(&self.slopes),
            error: both.sqrt(),
            freedom: freedom as usize,
        }
    }
}
