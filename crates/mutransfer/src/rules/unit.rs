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
//! ([`residual_tau`](crate::residual_tau)).
//! # Learning rate
//! Adam: 1/√fan-out for inputs, 1/√fan-in for hidden matrices, 1 for the readout, biases and gains;
//! all in the residual stack times 1/√depth. SGD: fan-out for biases and gains, √fan-in for
//! matrices, √fan-out for embeddings.
//! # Epsilon
//! Constant: gradients have unit scale.

use crate::law::Laws;
use crate::{Law, Power};

const ROOT: Power = Power::fan_in(-1, 2);

const fn laws(vector: Power, input: Power, hidden: Power) -> Laws {
    Laws {
        fixed: Law::ONE,
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
    }
}

pub(super) const RAW_GRADIENT: Laws = laws(
    Power::fan_out(1, 1),
    Power::fan_out(1, 2),
    Power::fan_in(1, 2),
);
pub(super) const ENTRYWISE: Laws = laws(Power::ONE, Power::fan_out(-1, 2), ROOT);
