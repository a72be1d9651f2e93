//! One model of all runs of a rule, over width and hyperparameter at once, and its error E (arXiv
//! 2605.21486).

use super::scaling::{Scaling, Vertex};

/// Parameters: limit, amplitude and alpha of the loss, curvature and its exponent, best
/// hyperparameter and its exponent.
pub const PARAMETERS: usize = 7;

const STEPS: usize = 100;

/// Relative improvement below which the fit is at its end.
const ENOUGH: f64 = 1e-12;

/// How well `limit + A n^-alpha + (1/2) S0 n^s (ln eta - ln B + beta ln n)^2` describes the loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    /// E: root mean square of what the fit leaves, in nats, over the points that the parabolas were
    /// fitted to.
    pub error: f64,
    /// The same by width.
    pub by_width: Vec<f64>,
    /// Points fitted.
    pub points: usize,
}

/// Makes the errors of resampled tables scatter about that of the table as it scatters itself.
///
/// A resampled table has the noise of the seeds twice: its own and that of the table it was drawn
/// from. So its mean square is larger by `extra` on average, and varies more, since the one noise
/// multiplies the other: with equal noise at all points by `4 extra^2 / freedom`, where `freedom`
/// are the points that the fit leaves free. Both are taken out. The table itself cannot have more
/// noise than E.
pub(super) fn rescatter(joint: &Joint, resampled: Vec<&mut Joint>) {
    let squares: Vec<f64> = resampled
        .iter()
        .map(|joint| joint.error * joint.error)
        .collect();
    let count = squares.len() as f64;
    let mean = squares.iter().sum::<f64>() / count;
    let variance = squares
        .iter()
        .map(|square| (square - mean).powi(2))
        .sum::<f64>()
        / count;
    let own = joint.error * joint.error;
    let extra = (mean - own).max(0.0);
    let shared =
        4.0 * extra * extra.min(own) / joint.points.saturating_sub(PARAMETERS).max(1) as f64;
    let shrink = (1.0 - shared / variance.max(f64::MIN_POSITIVE))
        .max(0.0)
        .sqrt();
    for (joint, square) in resampled.into_iter().zip(squares) {
        joint.error = (own + shrink * (square - mean)).max(0.0).sqrt();
    }
}

/// A point of a loss curve: ln width from the mean one, ln of the hyperparameter, loss.
type Sample = [f64; 3];
type Parameters = [f64; PARAMETERS];

/// Fits the model, starting from the fits to the vertices. `curves` holds, per width, pairs of ln
/// of the hyperparameter and loss.
pub(super) fn joint(
    vertices: &[Vertex],
    scaling: &Scaling,
    curves: &[Vec<(f64, f64)>],
) -> Option<Joint> {
    let (best, curvature, loss) = (scaling.best?, scaling.curvature?, scaling.loss?);
    let center = vertices.iter().map(|vertex| vertex.ln_at).sum::<f64>() / vertices.len() as f64;
    let sample =
        |vertex: &Vertex, (ln_hyper, loss): &(f64, f64)| [vertex.ln_at - center, *ln_hyper, *loss];
    let by_width: Vec<Vec<Sample>> = vertices
        .iter()
        .zip(curves)
        .map(|(vertex, curve)| curve.iter().map(|point| sample(vertex, point)).collect())
        .collect();
    let samples: Vec<Sample> = by_width.concat();
    let start = [
        loss.limit,
        loss.amplitude * (-loss.exponent * center).exp(),
        loss.exponent,
        curvature.at(center),
        curvature.slope,
        best.at(center),
        -best.slope,
    ];
    let fitted = refine(start, &samples);
    let error = |samples: &[Sample]| (squares(&fitted, samples) / samples.len() as f64).sqrt();
    Some(Joint {
        error: error(&samples),
        by_width: by_width.iter().map(|w| error(w)).collect(),
        points: samples.len(),
    })
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

fn squares(parameters: &Parameters, samples: &[Sample]) -> f64 {
    samples
        .iter()
        .map(|sample| residual(parameters, sample).0.powi(2))
        .sum()
}

/// Levenberg and Marquardt's descent, kept within the bounds of the limit and of alpha.
fn refine(start: Parameters, samples: &[Sample]) -> Parameters {
    let lowest = samples
        .iter()
        .map(|sample| sample[2])
        .fold(f64::INFINITY, f64::min)
        .max(start[0]);
    let (mut at, mut height, mut damping) = (start, squares(&start, samples), 1e-3);
    for _ in 0..STEPS {
        let Some(mut next) = step(&at, samples, damping) else {
            break;
        };
        next[0] = next[0].clamp(0.0, lowest);
        next[2] = next[2].clamp(0.0, 4.0);
        let reached = squares(&next, samples);
        if reached < height {
            let enough = height - reached < ENOUGH * height;
            (at, height, damping) = (next, reached, damping * 0.2);
            if enough {
                break;
            }
        } else if damping > 1e8 {
            break;
        } else {
            damping *= 5.0;
        }
    }
    at
}

/// Solves the damped normal equations.
fn step(at: &Parameters, samples: &[Sample], damping: f64) -> Option<Parameters> {
    let mut matrix = [[0.0; PARAMETERS + 1]; PARAMETERS];
    for sample in samples {
        let (residual, slopes) = residual(at, sample);
        for (row, slope) in matrix.iter_mut().zip(slopes) {
            for (entry, other) in row.iter_mut().zip(slopes) {
                *entry += slope * other;
            }
            row[PARAMETERS] -= slope * residual;
        }
    }
    for (index, row) in matrix.iter_mut().enumerate() {
        row[index] = row[index] * (1.0 + damping) + f64::MIN_POSITIVE;
    }
    let change = solve(matrix)?;
    Some(std::array::from_fn(|index| at[index] + change[index]))
}

/// Gauss's elimination with pivots.
fn solve(mut matrix: [[f64; PARAMETERS + 1]; PARAMETERS]) -> Option<Parameters> {
    for column in 0..PARAMETERS {
        let pivot = (column..PARAMETERS).max_by(|a, b| {
            matrix[*a][column]
                .abs()
                .total_cmp(&matrix[*b][column].abs())
        })?;
        matrix.swap(column, pivot);
        let lead = matrix[column];
        for (_, row) in matrix
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| *index != column)
        {
            let factor = row[column] / lead[column];
            for (entry, other) in row.iter_mut().zip(lead).skip(column) {
                *entry -= factor * other;
            }
        }
    }
    let solution: Parameters =
        std::array::from_fn(|index| matrix[index][PARAMETERS] / matrix[index][index]);
    solution
        .iter()
        .all(|value| value.is_finite())
        .then_some(solution)
}
