//! How the best hyperparameter, the loss there and the curvature follow the width: the exponents of
//! Kalra and Barkeshli (arXiv 2605.21486).

use crate::statistics::line::Line;
use crate::statistics::minimum::minimum;
use crate::transfer::flag::Flag;
use crate::transfer::optimum::Optimum;

/// Range of the exponent of the loss. Below, a power law cannot be told from a logarithm; above,
/// from a step.
const ALPHA: (f64, f64) = (0.01, 4.0);

/// Widths that a straight line and a power law with a limit need.
const LINE_WIDTHS: usize = 3;
pub(crate) const LIMIT_WIDTHS: usize = 4;

/// The bottom of one loss curve, in natural logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Vertex {
    /// ln of the width.
    pub(crate) ln_at: f64,
    /// ln of the best value of the hyperparameter.
    pub(crate) ln_best: f64,
    /// Loss there in nats.
    pub(crate) loss: f64,
    /// Second derivative of the loss in ln of the hyperparameter, in nats.
    pub(crate) curvature: f64,
    /// The lowest mean loss of the grid, in nats.
    pub(crate) raw_loss: f64,
}

impl Vertex {
    /// The vertex of an optimum, where it is safe to build on.
    pub(crate) fn of(at: f64, optimum: &Optimum) -> Option<Self> {
        let unsafe_ones = [Flag::Extrapolated, Flag::NoiseLimited];
        let valley = optimum.valley.as_ref()?;
        let safe = !optimum.flags.iter().any(|flag| unsafe_ones.contains(flag));
        safe.then_some(Self {
            ln_at: at.ln(),
            ln_best: valley.log2 * std::f64::consts::LN_2,
            loss: valley.loss,
            curvature: valley.curvature,
            raw_loss: optimum.raw_loss?,
        })
    }
}

/// A loss that falls with width to a limit: `limit + amplitude * width^-exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decay {
    /// The loss at infinite width, in nats.
    pub limit: f64,
    /// Its reducible part at width 1, in nats.
    pub amplitude: f64,
    /// alpha.
    pub exponent: f64,
    /// Whether the limit is 0 or the lowest loss, or the exponent at its bound, so that neither
    /// means much.
    pub pinned: bool,
}

impl Decay {
    /// Bounded least squares through pairs of ln width and loss: the limit at most the lowest loss,
    /// and at least 0 unless that is negative, the exponent at most 4. None for fewer than four
    /// widths.
    ///
    /// Given the exponent, the rest is linear, so that a scan over the exponent alone finds the
    /// best of all fits.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < LIMIT_WIDTHS {
            return None;
        }
        let first = points
            .iter()
            .map(|point| point.0)
            .fold(f64::INFINITY, f64::min);
        let lowest = points
            .iter()
            .map(|point| point.1)
            .fold(f64::INFINITY, f64::min);
        // Relative to the narrowest width, so that all powers are at most 1.
        let relative: Vec<(f64, f64)> = points
            .iter()
            .map(|(ln_at, loss)| (ln_at - first, *loss))
            .collect();
        let exponent = minimum(ALPHA.0, ALPHA.1, |exponent| {
            bounded(&relative, lowest, exponent).residual
        });
        let Bounded {
            limit, amplitude, ..
        } = bounded(&relative, lowest, exponent);
        let highest = points.iter().map(|point| point.1).fold(lowest, f64::max);
        let bounds = [
            (limit, floor(lowest), highest - lowest),
            (limit, lowest, highest - lowest),
            (exponent, ALPHA.0, 1.0),
            (exponent, ALPHA.1, 1.0),
        ];
        Some(Self {
            limit,
            amplitude: amplitude * (exponent * first).exp(),
            exponent,
            pinned: bounds.into_iter().any(is_at_bound),
        })
    }
}

/// `scale` is what a difference is large or small against.
fn is_at_bound((value, bound, scale): (f64, f64, f64)) -> bool {
    (value - bound).abs() <= 1e-6 * scale
}

/// Below which no limit of losses can be of which this is the lowest: most losses are never
/// negative, but those of densities may be.
pub(crate) fn floor(lowest: f64) -> f64 {
    if lowest < 0.0 { f64::NEG_INFINITY } else { 0.0 }
}

struct Bounded {
    limit: f64,
    amplitude: f64,
    residual: f64,
}

/// The best limit and amplitude for one exponent.
fn bounded(points: &[(f64, f64)], lowest: f64, exponent: f64) -> Bounded {
    let powers: Vec<f64> = points
        .iter()
        .map(|(ln_at, _)| (-exponent * ln_at).exp())
        .collect();
    let count = points.len() as f64;
    let (mut sum, mut squares, mut losses, mut products) = (0.0, 0.0, 0.0, 0.0);
    for (power, (_, loss)) in powers.iter().zip(points) {
        sum += power;
        squares += power * power;
        losses += loss;
        products += power * loss;
    }
    let free = (losses * squares - sum * products) / (count * squares - sum * sum);
    let limit = free.clamp(floor(lowest), lowest);
    let amplitude = (products - limit * sum) / squares;
    let residual = powers
        .iter()
        .zip(points)
        .map(|(power, (_, loss))| (loss - limit - amplitude * power).powi(2))
        .sum();
    Bounded {
        limit,
        amplitude,
        residual,
    }
}

/// Everything that a few vertices say about how things scale; absent where there are too few
/// widths.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scaling {
    /// ln of the best hyperparameter against ln width; its slope is -beta.
    pub(crate) best: Option<Line>,
    /// ln of the curvature in ln of the hyperparameter against ln width; its slope is s.
    pub(crate) curvature: Option<Line>,
    /// The loss at the vertices.
    pub(crate) loss: Option<Decay>,
}

impl Scaling {
    pub(crate) fn of(vertices: &[Vertex]) -> Self {
        Self {
            best: line(vertices, |vertex| vertex.ln_best),
            curvature: line(vertices, |vertex| vertex.curvature.ln()),
            loss: Decay::through(&along(vertices, |vertex| vertex.loss)),
        }
    }

    pub(crate) fn beta(&self) -> Option<f64> {
        self.best.map(|line| -line.slope())
    }

    pub(crate) fn s(&self) -> Option<f64> {
        self.curvature.map(|line| line.slope())
    }

    pub(crate) fn alpha(&self) -> Option<f64> {
        self.loss.map(|loss| loss.exponent)
    }

    /// Exponent of the curvature in the hyperparameter itself, S / eta².
    pub(crate) fn gamma(&self) -> Option<f64> {
        Some(self.s()? + 2.0 * self.beta()?)
    }

    /// What an error of the hyperparameter costs, relative to the reducible loss, scales as width
    /// to this exponent.
    pub(crate) fn kappa(&self) -> Option<f64> {
        Some(self.alpha()? + self.s()?)
    }
}

/// kappa as in the authors' code, where alpha comes from the lowest losses of the grids.
pub(crate) fn kappa_of_grid(vertices: &[Vertex], scaling: &Scaling) -> Option<f64> {
    let lowest = along(vertices, |vertex| vertex.raw_loss);
    Some(Decay::through(&lowest)?.exponent - 2.0 * scaling.beta()? + scaling.gamma()?)
}

/// Something of every vertex against ln width.
pub(crate) fn along(vertices: &[Vertex], of: fn(&Vertex) -> f64) -> Vec<(f64, f64)> {
    vertices
        .iter()
        .map(|vertex| (vertex.ln_at, of(vertex)))
        .collect()
}

fn line(vertices: &[Vertex], of: fn(&Vertex) -> f64) -> Option<Line> {
    Line::through(&along(vertices, of)).filter(|line| line.count() >= LINE_WIDTHS)
}
