//! What stability and faithfulness ask of a table.

use num_rational::Rational32;

use super::classify::entries;
use super::exponents::{Abcd, Exponents, Layers};
use crate::optimizer::Family;
use crate::role::Role;

const ZERO: Rational32 = Rational32::new_raw(0, 1);
const HALF: Rational32 = Rational32::new_raw(1, 2);
const ONE: Rational32 = Rational32::new_raw(1, 1);

/// One inequality or equation that a table meets or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The role of the layer it is about.
    pub layer: Role,
    /// As the paper writes it.
    pub statement: &'static str,
    /// The left side.
    pub value: Rational32,
    /// Whether it is met.
    pub holds: bool,
    /// What happens if it is not.
    pub otherwise: &'static str,
}

impl Condition {
    fn equal(layer: Role, statement: &'static str, value: Rational32, wanted: Rational32) -> Self {
        Self {
            layer,
            statement,
            value,
            holds: value == wanted,
            otherwise: "activations change size with width at init",
        }
    }

    fn at_least(
        layer: Role,
        statement: &'static str,
        value: Rational32,
        least: Rational32,
        otherwise: &'static str,
    ) -> Self {
        Self {
            layer,
            statement,
            value,
            holds: value >= least,
            otherwise,
        }
    }
}

pub(super) fn stable_init(layers: Layers<Abcd>) -> [Condition; 3] {
    let init = layers.map(|layer| layer.a + layer.b);
    [
        Condition::equal(Role::Input, "a + b = 0", init.input, ZERO),
        Condition::equal(Role::Hidden, "a + b = 1/2", init.hidden, HALF),
        Condition::at_least(
            Role::Output,
            "a + b >= 1/2",
            init.output,
            HALF,
            "logits grow at init",
        ),
    ]
}

pub(super) fn stable_updates(
    updates: Layers<Rational32>,
    vector: Rational32,
    propagated: Rational32,
) -> [Condition; 5] {
    let grow = "its updates change activations more the wider the network is";
    [
        Condition::at_least(Role::Vector, "r >= 0", vector, ZERO, grow),
        Condition::at_least(Role::Input, "r >= 0", updates.input, ZERO, grow),
        Condition::at_least(Role::Hidden, "r >= 0", updates.hidden, ZERO, grow),
        Condition::at_least(
            Role::Output,
            "r >= 0",
            updates.output,
            ZERO,
            "its updates make logits grow with width",
        ),
        Condition::at_least(
            Role::Output,
            "a + b + r >= 1",
            propagated,
            ONE,
            "it passes changes of activations on too strongly",
        ),
    ]
}

/// A raw gradient's signal already counts what updates make of the readout.
pub(super) fn stable_backward(exponents: &Exponents) -> Option<Condition> {
    let output = exponents.layers.output;
    let slack = entries(exponents, output, false) - output.b;
    let otherwise =
        "its updates outgrow its init, so that the gradients of earlier layers change size";
    let condition = Condition::at_least(Role::Output, "c - b >= 0", slack, ZERO, otherwise);
    Some(condition).filter(|_| exponents.family != Family::RawGradient)
}

/// 2308.01814 lemma 2.8.11.
pub(super) fn faithfulness(exponents: &Exponents) -> Vec<Condition> {
    // A raw gradient meets no epsilon.
    let rows = exponents.named().into_iter();
    rows.filter(|_| exponents.family != Family::RawGradient)
        .filter_map(|(role, own)| Some(faithful(role, own.d, exponents.faithful(role)?)))
        .collect()
}

fn faithful(layer: Role, d: Rational32, wanted: Rational32) -> Condition {
    Condition {
        layer,
        statement: match layer {
            Role::Output => "d - a = 0",
            _ => "d - a - a_out - b_out = 0",
        },
        value: d - wanted,
        holds: d == wanted,
        otherwise: if d < wanted {
            "gradients fall below epsilon as the network grows"
        } else {
            "epsilon falls faster than gradients"
        },
    }
}
