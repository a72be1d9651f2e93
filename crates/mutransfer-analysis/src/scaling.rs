//! How the best hyperparameter, the loss there and the curvature follow the width: the exponents of
//! Kalra and Barkeshli (arXiv 2605.21486).

use super::line::Line;
use super::minimum::minimum;
use super::{Flag, Optimum};

/// Range of the exponent of the loss. Below, a power law cannot be told from a logarithm; above,
/// from a step.
const ALPHA: (f64, f64) = (0.01, 4.0);

/// Widths that a straight line and a power law with a limit need.
const LINE_WIDTHS: usize = 3;
pub(super) const LIMIT_WIDTHS: usize = 4;

/// The bottom of one loss curve, in natural logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vertex {
    /// ln of the width.
    pub(super) ln_at: f64,
    /// ln of the best value of the hyperparameter.
    pub(super) ln_best: f64,
    /// Loss there in nats.
    pub(super) loss: f64,
    /// Second derivative of the loss in ln of the hyperparameter, in nats.
    pub(super) curvature: f64,
    /// The lowest mean loss of the grid, in nats.
    pub(super) raw_loss: f64,
}

impl Vertex {
    /// The vertex of an optimum, where it is safe to build on.
    pub(super) fn of(at: f64, optimum: &Optimum) -> Option<Self> {
        let unsafe_ones = [Flag::Extrapolated, Flag::NoiseLimited];
        let parabola = optimum.parabola.as_ref()?;
        let safe = !optimum.flags.iter().any(|flag| unsafe_ones.contains(flag));
        safe.then_some(Self {
            ln_at: at.ln(),
            ln_best: parabola.log2_lr * std::f64::consts::LN_2,
            loss: parabola.loss,
            curvature: parabola.curvature,
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
    /// Bounded least squares through pairs of ln width and loss: the limit between 0 and the lowest
    /// loss, the exponent at most 4. None for fewer than four widths.
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
        let at_bound = |value: f64, bound: f64| (value - bound).abs() < 1e-6 * bound.abs().max(1.0);
        let pinned = [
            (limit, 0.0),
            (limit, lowest),
            (exponent, ALPHA.0),
            (exponent, ALPHA.1),
        ];
        Some(Self {
            limit,
            amplitude: amplitude * (exponent * first).exp(),
            exponent,
            pinned: pinned
                .into_iter()
                .any(|(value, bound)| at_bound(value, bound)),
        })
    }
}

struct Bounded {
    limit: f64,
    amplitude: f64,
    residual: f64,
}

/// The best limit and amplitude for one exponent.
fn bounded(points: &[(f64, f64)], lowest: f64, exponent: f64) -> Bounded {
    let power = |ln_at: f64| (-exponent * ln_at).exp();
    let count = points.len() as f64;
    let (mut sum, mut squares, mut losses, mut products) = (0.0, 0.0, 0.0, 0.0);
    for (ln_at, loss) in points {
        let power = power(*ln_at);
        sum += power;
        squares += power * power;
        losses += loss;
        products += power * loss;
    }
    let free = (losses * squares - sum * products) / (count * squares - sum * sum);
    let limit = free.clamp(0.0, lowest);
    let amplitude = (products - limit * sum) / squares;
    let residual = points
        .iter()
        .map(|(ln_at, loss)| (loss - limit - amplitude * power(*ln_at)).powi(2))
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
pub(super) struct Scaling {
    /// ln of the best hyperparameter against ln width; its slope is -beta.
    pub(super) best: Option<Line>,
    /// ln of the curvature in ln of the hyperparameter against ln width; its slope is s.
    pub(super) curvature: Option<Line>,
    /// The loss at the vertices.
    pub(super) loss: Option<Decay>,
}

impl Scaling {
    pub(super) fn of(vertices: &[Vertex]) -> Self {
        let line = |value: fn(&Vertex) -> f64| {
            let points: Vec<(f64, f64)> = vertices
                .iter()
                .map(|vertex| (vertex.ln_at, value(vertex)))
                .collect();
            Line::through(&points).filter(|line| line.count >= LINE_WIDTHS)
        };
        let losses: Vec<(f64, f64)> = vertices
            .iter()
            .map(|vertex| (vertex.ln_at, vertex.loss))
            .collect();
        Self {
            best: line(|vertex| vertex.ln_best),
            curvature: line(|vertex| vertex.curvature.ln()),
            loss: Decay::through(&losses),
        }
    }

    pub(super) fn beta(&self) -> Option<f64> {
        self.best.map(|line| -line.slope)
    }

    pub(super) fn s(&self) -> Option<f64> {
        self.curvature.map(|line| line.slope)
    }

    pub(super) fn alpha(&self) -> Option<f64> {
        self.loss.map(|loss| loss.exponent)
    }

    /// Exponent of the curvature in the hyperparameter itself, S / eta².
    pub(super) fn gamma(&self) -> Option<f64> {
        Some(self.s()? + 2.0 * self.beta()?)
    }

    /// What an error of the hyperparameter costs, relative to the reducible loss, scales as width
    /// to this exponent.
    pub(super) fn kappa(&self) -> Option<f64> {
        Some(self.alpha()? + self.s()?)
    }
}

/// kappa as in the authors' code, where alpha comes from the lowest losses of the grids.
pub(super) fn kappa_of_grid(vertices: &[Vertex], scaling: &Scaling) -> Option<f64> {
    let lowest: Vec<(f64, f64)> = vertices
        .iter()
        .map(|vertex| (vertex.ln_at, vertex.raw_loss))
        .collect();
    Some(Decay::through(&lowest)?.exponent - 2.0 * scaling.beta()? + scaling.gamma()?)
}
