//! Whether transfer is fast: Ghosh, Wu and Bietti (arXiv 2512.22768).
//!
//! With a loss gap `n^-alpha` and a gap of the best hyperparameter `n^-b`, transfer is fast, and
//! beats a search at the target for the same computations, if and only if `b > alpha / 2`.

use serde::{Deserialize, Serialize};

use crate::statistics::minimum::minimum;
use crate::transfer::scaling::Vertex;

/// Whether the best hyperparameter converges fast enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Speed {
    /// It converges faster than the root of the loss gap.
    Fast,
    /// It does not.
    Slow,
    /// The interval allows for both.
    Undetermined,
    /// No width's optimum differs from that of the widest by more than noise.
    Converged,
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Undetermined => "undetermined",
            Self::Converged => "converged",
        })
    }
}

/// Range of the exponent of the gap. Negative ones are optima that run away ever faster.
const EXPONENT: (f64, f64) = (-2.0, 4.0);

/// Gaps below this are rounding, whatever the noise.
const ROUNDING: f64 = 1e-9;

/// Which widths' optima differ from that of the widest by more than twice their standard error; the
/// widest never does.
pub(crate) fn above_noise(vertices: &[Vertex], errors: &[f64]) -> Vec<bool> {
    let widest = vertices[vertices.len() - 1];
    vertices
        .iter()
        .zip(errors)
        .map(|(vertex, error)| {
            let gap = (vertex.ln_best - widest.ln_best).abs();
            gap > (2.0 * error).max(ROUNDING)
        })
        .collect()
}

/// The exponent b of the gap, by least squares in logarithms over the widths that count.
///
/// The widest model stands in for the infinite one. A gap `C n^-b` then shows as `C (n^-b -
/// widest^-b)`, which is what is fitted: a straight line through `ln gap` against `ln n` would have
/// any steady drift converge, for the gap to the widest is always smaller the nearer one comes.
pub(crate) fn exponent(vertices: &[Vertex], counts: &[bool]) -> Option<f64> {
    let widest = vertices.last()?;
    let counted = vertices.iter().zip(counts).filter(|(_, counts)| **counts);
    let gaps: Vec<(f64, f64)> = counted
        .map(|(vertex, _)| {
            (
                widest.ln_at - vertex.ln_at,
                (vertex.ln_best - widest.ln_best).abs().max(ROUNDING).ln(),
            )
        })
        .collect();
    (gaps.len() >= 2).then(|| minimum(EXPONENT.0, EXPONENT.1, |exponent| misfit(&gaps, exponent)))
}

/// Squared distance of the logarithms of the gaps from a law of this exponent and the best factor.
fn misfit(gaps: &[(f64, f64)], exponent: f64) -> f64 {
    let count = gaps.len() as f64;
    let (mut sum, mut squares) = (0.0, 0.0);
    for (distance, gap) in gaps {
        let off = gap - shape(*distance, exponent).ln();
        sum += off;
        squares += off * off;
    }
    squares - sum * sum / count
}

/// `n^-b - N^-b`, up to a factor that is the same for all n, at `ln(N/n)`.
fn shape(distance: f64, exponent: f64) -> f64 {
    if exponent == 0.0 {
        distance
    } else {
        (exponent * distance).exp_m1() / exponent
    }
}

/// The verdict from `b - alpha/2` and its interval.
pub(crate) fn speed(counts: &[bool], interval: Option<[f64; 2]>) -> Speed {
    match interval {
        _ if counts.len() > 1 && counts.iter().all(|counts| !counts) => Speed::Converged,
        Some([low, _]) if low > 0.0 => Speed::Fast,
        Some([_, high]) if high < 0.0 => Speed::Slow,
        _ => Speed::Undetermined,
    }
}
