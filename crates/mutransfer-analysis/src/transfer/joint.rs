//! One model of all runs of a rule, over width and hyperparameter at once, and its error E (arXiv
//! 2605.21486).

use serde::{Deserialize, Serialize};

use crate::statistics::descent::Problem;
use crate::statistics::sample::{mean, squares};
use crate::transfer::scaling::{Scaling, Vertex, floor};

/// Parameters: limit, amplitude and alpha of the loss, curvature and its exponent, best
/// hyperparameter and its exponent.
pub const PARAMETERS: usize = 7;

/// How well `limit + A n^-alpha + (1/2) S0 n^s (ln eta - ln B + beta ln n)^2` describes the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Joint {
    /// E: root mean square of what the fit leaves, in nats, over the points whose loss is at
    /// most 1.35 times the lowest of their width, or that its valley was fitted to.
    pub error: f64,
    /// The same by width.
    pub by_width: Vec<f64>,
    /// Points fitted.
    pub points: usize,
    /// Parameters fitted to them.
    pub parameters: usize,
}

/// Makes the errors of resampled tables scatter about that of the table as it scatters itself.
///
/// A resampled table has the noise of the seeds twice: its own and that of the table it was drawn
/// from. So its mean square is larger by `extra` on average, and varies more, since the one noise
/// multiplies the other: with equal noise at all points by `4 extra^2 / freedom`, where `freedom`
/// are the points that the fit leaves free. Whole seeds, of which so many are to spare, make it
/// vary by `2 extra^2 / seeds` more: they know only so many shapes of noise (the moments of a
/// Wishart matrix). All of this is taken out. The table itself cannot have more noise than E.
pub(crate) fn rescatter(joint: &Joint, resampled: Vec<&mut Joint>, seeds: Option<usize>) {
    let errors: Vec<f64> = resampled
        .iter()
        .map(|joint| joint.error * joint.error)
        .collect();
    let center = mean(&errors);
    let variance = squares(&errors) / errors.len() as f64;
    let own = joint.error * joint.error;
    let extra = (center - own).max(0.0);
    let freedom = joint.points.saturating_sub(PARAMETERS).max(1);
    let shared = 4.0 * extra * extra.min(own) / freedom as f64;
    let few = seeds.map_or(0.0, |seeds| 2.0 * extra * extra / seeds as f64);
    let shrink = (1.0 - (shared + few) / variance.max(f64::MIN_POSITIVE))
        .max(0.0)
        .sqrt();
    for (joint, square) in resampled.into_iter().zip(errors) {
        joint.error = (own + shrink * (square - center)).max(0.0).sqrt();
    }
}

/// A point of a loss curve: ln width from the mean one, ln of the hyperparameter, loss.
type Sample = [f64; 3];
type Parameters = [f64; PARAMETERS];

/// The exponent of the loss stays between 0 and this.
const STEEPEST: f64 = 4.0;

/// Fits the model, starting from the fits to the vertices; none where it leaves no point free.
/// `curves` holds, per width, pairs of ln of the hyperparameter and loss.
pub(crate) fn joint(
    vertices: &[Vertex],
    scaling: &Scaling,
    curves: &[Vec<(f64, f64)>],
) -> Option<Joint> {
    let center = vertices.iter().map(|vertex| vertex.ln_at).sum::<f64>() / vertices.len() as f64;
    let start = start(scaling, center)?;
    let mut by_width: Vec<Vec<Sample>> = Vec::new();
    for (vertex, curve) in vertices.iter().zip(curves) {
        let u = vertex.ln_at - center;
        by_width.push(curve.iter().map(|(y, loss)| [u, *y, *loss]).collect());
    }
    let samples = by_width.concat();
    if samples.len() <= PARAMETERS {
        return None;
    }
    let losses = samples.iter().map(|sample| sample[2]);
    let lowest = losses.fold(f64::INFINITY, f64::min).max(start[0]);
    let fitted = problem(&samples).descend(start, |next| {
        next[0] = next[0].clamp(floor(lowest), lowest);
        next[2] = next[2].clamp(0.0, STEEPEST);
    });
    Some(Joint {
        error: error(&fitted, &samples),
        by_width: by_width
            .iter()
            .map(|samples| error(&fitted, samples))
            .collect(),
        points: samples.len(),
        parameters: PARAMETERS,
    })
}

/// The fits to the vertices as parameters.
fn start(scaling: &Scaling, center: f64) -> Option<Parameters> {
    let (best, curvature, loss) = (scaling.best?, scaling.curvature?, scaling.loss?);
    Some([
        loss.limit,
        loss.amplitude * (-loss.exponent * center).exp(),
        loss.exponent,
        curvature.at(center),
        curvature.slope(),
        best.at(center),
        -best.slope(),
    ])
}

fn problem(samples: &[Sample]) -> Problem<'_, Sample, PARAMETERS> {
    Problem { samples, residual }
}

/// Root mean square of what the model leaves.
fn error(fitted: &Parameters, samples: &[Sample]) -> f64 {
    (problem(samples).squares(fitted) / samples.len() as f64).sqrt()
}

/// What the model leaves of a sample, and its derivatives.
fn residual(
    [limit, amplitude, alpha, ln_curvature, s, ln_best, beta]: &Parameters,
    [u, y, loss]: &Sample,
) -> (f64, Parameters) {
    let power = (-alpha * u).exp();
    let curvature = (ln_curvature + s * u).exp();
    let off = y - ln_best + beta * u;
    let bowl = 0.5 * curvature * off * off;
    let slope = curvature * off;
    let residual = limit + amplitude * power + bowl - loss;
    (
        residual,
        [
            1.0,
            power,
            -amplitude * u * power,
            bowl,
            u * bowl,
            -slope,
            u * slope,
        ],
    )
}
