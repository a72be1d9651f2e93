//! How a quantity falls or grows with width: the exponent of the power law, seed by seed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{AnalysisError, Line};
use crate::record::KernelRow;

/// Quantiles of Student's t at 97.5 %, for 1 to 30 degrees of freedom; beyond, the normal one is
/// within 3 %.
const STUDENT: [f64; 30] = [
    12.7062047, 4.30265273, 3.18244631, 2.77644511, 2.57058184, 2.44691185, 2.36462425, 2.30600414,
    2.26215716, 2.22813885, 2.20098516, 2.17881283, 2.16036866, 2.14478669, 2.13144955, 2.1199053,
    2.10981558, 2.10092204, 2.09302405, 2.08596345, 2.07961384, 2.07387307, 2.06865761, 2.06389856,
    2.05953855, 2.05552944, 2.05183052, 2.04840714, 2.04522964, 2.04227246,
];
pub(super) const NORMAL: f64 = 1.960;

/// The quantile for this many degrees of freedom, one or more.
pub(super) fn student(freedom: usize) -> f64 {
    STUDENT.get(freedom - 1).copied().unwrap_or(NORMAL)
}

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
    pub fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / (count - 1.0);
        let quantile = values
            .len()
            .checked_sub(1)
            .filter(|freedom| *freedom > 0)
            .map(student);
        Self {
            mean,
            margin: quantile.map(|quantile| quantile * (variance / count).sqrt()),
        }
    }

    /// The standard error of the mean of `count` values; absent with a single one.
    pub(super) fn standard_error(&self, count: usize) -> Option<f64> {
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

/// What training changes in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Changed {
    /// Its last activations.
    Features,
    /// Its neural tangent kernel.
    Kernel,
}

impl Changed {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Features, Self::Kernel];

    /// The relative change of one run.
    pub fn of(self, row: &KernelRow) -> f64 {
        match self {
            Self::Features => row.features,
            Self::Kernel => row.kernel,
        }
    }
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Features => "features",
            Self::Kernel => "kernel",
        })
    }
}

/// How one relative change follows the width under one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slope {
    /// Name of the parametrization.
    pub rule: String,
    /// What changes.
    pub changed: Changed,
    /// Slope of log2 of the change against log2 of the width.
    pub slope: Estimate,
    /// Log2 of the change at each width.
    pub log2_change: BTreeMap<usize, Estimate>,
}

/// The slopes of both changes for every rule, in the order in which the rules first occur.
///
/// # Errors
/// When a change is not positive, or a rule or seed was measured at a single width.
pub fn slopes(rows: &[KernelRow]) -> Result<Vec<Slope>, AnalysisError> {
    if rows.is_empty() {
        return Err(AnalysisError::Empty);
    }
    let mut seen = BTreeSet::new();
    let rules = rows
        .iter()
        .map(|row| row.rule.as_str())
        .filter(|rule| seen.insert(*rule));
    let both = rules.flat_map(|rule| Changed::ALL.map(|changed| (rule, changed)));
    both.map(|(rule, changed)| slope(rows, rule, changed))
        .collect()
}

fn slope(rows: &[KernelRow], rule: &str, changed: Changed) -> Result<Slope, AnalysisError> {
    let mut by_seed: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    let mut by_width: BTreeMap<usize, BTreeMap<u64, f64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.rule == rule) {
        let change = changed.of(row);
        if !(change.is_finite() && change > 0.0) {
            let (rule, width, seed) = (row.rule.clone(), row.width, row.seed);
            return Err(AnalysisError::Change {
                rule,
                width,
                seed,
                changed,
                change,
            });
        }
        by_seed
            .entry(row.seed)
            .or_default()
            .push(((row.width as f64).log2(), change.log2()));
        by_width
            .entry(row.width)
            .or_default()
            .insert(row.seed, change.log2());
    }
    let one_width = |seed| AnalysisError::OneWidth {
        rule: rule.to_owned(),
        seed,
    };
    let slopes = by_seed
        .iter()
        .map(|(seed, points)| least_squares(points).ok_or_else(|| one_width(*seed)));
    let slope = Estimate::of(&slopes.collect::<Result<Vec<_>, _>>()?);
    let over_seeds =
        |values: &BTreeMap<u64, f64>| Estimate::of(&values.values().copied().collect::<Vec<_>>());
    let log2_change = by_width
        .iter()
        .map(|(width, values)| (*width, over_seeds(values)))
        .collect();
    Ok(Slope {
        rule: rule.to_owned(),
        changed,
        slope,
        log2_change,
    })
}

/// Slope of the line through the points; none where all have the same abscissa.
fn least_squares(points: &[(f64, f64)]) -> Option<f64> {
    // Sums must not depend on the order of the rows.
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    Line::through(&points).map(|line| line.slope)
}
