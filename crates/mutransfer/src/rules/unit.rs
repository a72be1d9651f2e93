//! u-μP: unit-scaled μP (arXiv 2407.17465 Table 2; `unit-scaling` library for SGD).
//!
//! It has no base shape: every ratio is the size itself. It asks for norms without parameters,
//! unit-scaled operations and independent weight decay.
//!
//! # Init
//! Variance 1 everywhere.
//! # Multiplier
//! 1/√fan-in on hidden matrices, 1/fan-in on the readout, whose backward pass uses 1/√fan-in.
//! Attention logits are divided by `head_dim`. Residual branches follow the tau rule
//! ([`residual_tau`](crate::horizon::residual_tau)).
//! # Learning rate
//! Adam: 1/√fan-out for inputs, 1/√fan-in for hidden matrices, 1 for the readout, biases and gains;
//! all in the residual stack times 1/√depth. SGD: fan-out for biases and gains, √fan-in for
//! matrices, √fan-out for embeddings.
//! # Epsilon
//! Constant: gradients have unit scale.

use super::definition::{Definition, DepthLaw, OwnForm, Tables};
use super::mup;
use crate::law::{Law, Laws};
use crate::power::Power;
use crate::sizes::Base;

pub(super) const UNIT_MUP: Definition = Definition {
    name: "u-mup",
    summary: "unit-scaled μP without a base",
    source: "2407.17465 Table 2",
    form: OwnForm::Own,
    tables: Tables {
        raw_gradient: Some(RAW_GRADIENT),
        entrywise: Some(ENTRYWISE),
        ..Tables::NONE
    },
    attention: mup::ATTENTION,
    depth: DepthLaw::InverseRoot,
    base: Base::One,
    slow_input: true,
    own_backward: true,
    ..Definition::PLAIN
};

const ROOT: Power = Power::fan_in(-1, 2);

const fn laws(vector: Power, input: Power, hidden: Power) -> Laws {
    Laws {
        vector: Law {
            learning_rate: vector,
            ..Law::ONE
        },
        input: Law {
            learning_rate: input,
            ..Law::ONE
        },
        hidden: Law {
            multiplier: ROOT,
            learning_rate: hidden,
            ..Law::ONE
        },
        output: Law {
            multiplier: Power::fan_in(-1, 1),
            ..Law::ONE
        },
        ..Laws::ONE
    }
}

const RAW_GRADIENT: Laws = laws(
    Power::fan_out(1, 1),
    Power::fan_out(1, 2),
    Power::fan_in(1, 2),
);
const ENTRYWISE: Laws = laws(Power::ONE, Power::fan_out(-1, 2), ROOT);
