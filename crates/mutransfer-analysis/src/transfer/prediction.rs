//! Where the optimum of a width that was not swept should lie.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use crate::statistics::line::Line;
use crate::statistics::measured::Measured;
use crate::transfer::scaling::{Vertex, along};

/// The best hyperparameter at the target, from the widths below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Prediction {
    /// The target.
    pub at: f64,
    /// The best hyperparameter there.
    pub value: f64,
    /// Its base-2 logarithm. The interval is that of a further point of a straight line, as wide as
    /// an optimum measured there would vary.
    pub log2: Measured,
    /// What missing the optimum by that much should cost, in nats: half the curvature times the
    /// variance. That is the variance of an optimum measured at the target about the prediction, so
    /// that the noise of such a measurement is in it too.
    pub expected_excess_loss: Option<f64>,
    /// The target over the widest width that the line was fitted to.
    pub extrapolation: f64,
    /// Widths that it was fitted to.
    pub widths: usize,
}

/// Continues the straight line of ln of the optimum against ln of the width; none with fewer than
/// two widths.
pub(crate) fn predict(vertices: &[Vertex], at: f64) -> Option<Prediction> {
    let x = at.ln();
    let best = Line::through(&along(vertices, |vertex| vertex.ln_best))?;
    let curvatures = Line::through(&along(vertices, |vertex| vertex.curvature.ln()))?;
    let curvature = curvatures.at(x).exp();
    let ln = best.at(x);
    let widest = vertices
        .iter()
        .map(|vertex| vertex.ln_at.exp())
        .fold(0.0, f64::max);
    Some(Prediction {
        at,
        value: (ln / LN_2).exp2(),
        log2: Measured {
            interval: best
                .margin_at(x)
                .map(|margin| [(ln - margin) / LN_2, (ln + margin) / LN_2]),
            ..Measured::plain(ln / LN_2)
        },
        expected_excess_loss: best
            .variance_at(x)
            .map(|variance| 0.5 * curvature * variance),
        extrapolation: at / widest,
        widths: vertices.len(),
    })
}
