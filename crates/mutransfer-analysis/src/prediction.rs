//! Where the optimum of a width that was not swept should lie.

use super::line::Line;
use super::measured::Measured;
use super::scaling::Vertex;

/// The best hyperparameter at the target, from the widths below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The target.
    pub target: f64,
    /// Log2 of the best hyperparameter there. The interval is that of a further point of a straight
    /// line, as wide as an optimum measured there would vary.
    pub log2: Measured,
    /// What missing the optimum by that much should cost, in nats: half the curvature times the
    /// variance.
    pub excess: Option<f64>,
    /// The target over the widest width that the line was fitted to.
    pub extrapolation: f64,
    /// Widths that it was fitted to.
    pub widths: usize,
}

/// Continues the straight line of ln of the optimum against ln of the width; none with fewer than
/// two widths.
pub(super) fn predict(vertices: &[Vertex], target: f64) -> Option<Prediction> {
    let x = target.ln();
    let line = |value: fn(&Vertex) -> f64| {
        Line::through(
            &vertices
                .iter()
                .map(|vertex| (vertex.ln_at, value(vertex)))
                .collect::<Vec<_>>(),
        )
    };
    let best = line(|vertex| vertex.ln_best)?;
    let curvature = line(|vertex| vertex.curvature.ln())?.at(x).exp();
    let log2 = |ln: f64| ln / std::f64::consts::LN_2;
    let value = best.at(x);
    let interval = best
        .margin_at(x)
        .map(|margin| [log2(value - margin), log2(value + margin)]);
    Some(Prediction {
        target,
        log2: Measured {
            interval,
            ..Measured::plain(log2(value))
        },
        excess: best
            .variance_at(x)
            .map(|variance| 0.5 * curvature * variance),
        extrapolation: target
            / vertices
                .iter()
                .map(|vertex| vertex.ln_at.exp())
                .fold(0.0, f64::max),
        widths: vertices.len(),
    })
}
