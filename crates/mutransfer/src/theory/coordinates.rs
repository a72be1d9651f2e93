//! What a coordinate check should find: how activations, their changes and updates follow the width
//! under a table.

use num_rational::Rational32;
use serde::{Deserialize, Serialize};
use strum::Display;

use super::classify::Theory;

/// The end of the network that a module belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Embedding or first layer.
    Input,
    /// Everything between.
    Hidden,
    /// Logits.
    Output,
    /// Products of queries and keys, scaled.
    Attention,
    /// Scores of experts.
    Router,
}

/// What is measured of a module (2203.03466 figure 5).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "lowercase")]
pub enum Quantity {
    /// Its output.
    Activation,
    /// Its output minus its output before the first update, on the same batch.
    Change,
    /// What its own update does to its present input: `A (W_t - W_0) x_t`, with the forward
    /// multiplier `A`.
    #[strum(to_string = "own update")]
    OwnUpdate,
}

/// Slopes of sizes against width, both in logarithms, at infinite width (2308.01814 definition
/// 2.8.5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    /// Own updates of input, hidden and output layers, `-r_l`.
    own: [f64; 3],
    /// Changes of input and hidden activations, `-r` of the layers up to there.
    change: [f64; 2],
    /// Of the first logits, and of their change; none where they are mixtures.
    logits: [Option<f64>; 2],
    first_attention: f64,
    /// Whether gradients enter as they are, whatever their size.
    is_raw: bool,
}

fn number(exponent: Rational32) -> f64 {
    f64::from(*exponent.numer()) / f64::from(*exponent.denom())
}

/// The slope of what falls as `n^-r`; where it would grow, of what stays.
fn falls(r: Rational32) -> f64 {
    0.0 - number(r).max(0.0)
}

impl Expectation {
    /// What a table promises; where it is unstable, what it should promise: that nothing grows.
    ///
    /// `heads_grow` says whether the size of attention heads follows the width, rather than their
    /// number.
    pub fn of(theory: &Theory, heads_grow: bool) -> Self {
        let (updates, output) = (theory.updates, theory.exponents.layers.output);
        Self {
            own: [updates.input, updates.hidden, updates.output].map(falls),
            change: [falls(updates.input), falls(theory.r)],
            logits: [
                Some((0.5 - number(output.a + output.b)).min(0.0)),
                Some(0.0),
            ],
            first_attention: if heads_grow {
                number(theory.exponents.attention).min(0.0)
            } else {
                0.0
            },
            is_raw: theory.faithfulness.is_empty(),
        }
    }

    /// Of a model whose readout is its embedding, and so starts at random. The first logits mix the
    /// one product with the token that is still there, which adds up, with many that do not; their
    /// change mixes what the readout learned with what reaches it through its random start, which
    /// falls as width^-1/2 until it is small. Only the readout's own update is judged.
    pub fn with_tied_readout(self) -> Self {
        Self {
            logits: [None; 2],
            ..self
        }
    }

    /// The slope that a quantity must not exceed, where it mixes what was there with what was
    /// learned and so has none of its own: logits, of the readout and of attention, must not blow
    /// up.
    ///
    /// The gradient of a score is a product of what an expert says with how the loss falls. Until
    /// the expert has learned, these are independent, and their product is smaller by width^-1/2;
    /// where gradients enter as they are, so is what the router's update does.
    pub fn bound(&self, layer: Layer, quantity: Quantity, step: usize) -> Option<f64> {
        match (quantity, layer) {
            (Quantity::Activation, Layer::Output) if step > 0 => self.logits[1],
            (Quantity::Activation, Layer::Attention) if step > 0 => Some(0.0),
            (Quantity::OwnUpdate, Layer::Router) if self.is_raw => Some(self.own[1]),
            _ => None,
        }
    }

    /// Whether it promises something else of embeddings than of layers inside.
    pub fn tells_inputs(&self) -> bool {
        self.own[0] != self.own[1] || self.change[0] != self.change[1]
    }

    /// The slope of a quantity after `step` updates; none where it is not judged, as it mixes what
    /// was there with what was learned.
    pub fn slope(&self, layer: Layer, quantity: Quantity, step: usize) -> Option<f64> {
        match (quantity, layer, step) {
            (Quantity::Activation, Layer::Output, 0) => self.logits[0],
            (Quantity::Activation, Layer::Attention, 0) => Some(self.first_attention),
            (Quantity::Activation, Layer::Output | Layer::Attention, _) => None,
            (Quantity::Activation, ..) => Some(0.0),
            (Quantity::Change, Layer::Input, _) => Some(self.change[0]),
            (Quantity::Change, Layer::Hidden | Layer::Router, _) => Some(self.change[1]),
            (Quantity::Change, Layer::Output, _) => self.logits[1],
            (Quantity::Change, Layer::Attention, _) => Some(0.0),
            (Quantity::OwnUpdate, Layer::Input, _) => Some(self.own[0]),
            (Quantity::OwnUpdate, Layer::Router, _) if self.is_raw => None,
            (Quantity::OwnUpdate, Layer::Hidden | Layer::Attention | Layer::Router, _) => {
                Some(self.own[1])
            }
            (Quantity::OwnUpdate, Layer::Output, _) => Some(self.own[2]),
        }
    }
}
