//! Standard parametrization: what frameworks do by default, and the baseline of every comparison.
//!
//! # Init
//! Variance 1/fan-in; embeddings do not change (TP4, arXiv 2011.14522, Table 1, column SP). With a
//! constant standard deviation, as in GPT-2, hidden weights do not change either (2505.01618 Table
//! 1, column SP).
//! # Multiplier
//! None. Attention logits are divided by `√head_dim`.
//! # Learning rate
//! The same for all. `sp-inverse-width` divides it by the width, the largest rate that is stable
//! under SGD (TP4). `sp-per-layer` gives each layer the largest that is stable for it (2407.05872;
//! the exponents are solved from that paper's constraints in `theory::alignment` and compared with
//! these tables).
//! # Epsilon
//! Constant, as frameworks have it.
//! # Source
//! TP5 (arXiv 2203.03466) Table 8, in parentheses.

use crate::law::Laws;
use crate::{Law, Power};

const ROOT: Power = Power::fan_in(-1, 2);
const PER_IN: Power = Power::fan_in(-1, 1);
const PER_OUT: Power = Power::fan_out(-1, 1);

const MATRIX: Law = Law {
    init_std: ROOT,
    ..Law::ONE
};

/// The same for every optimizer family.
pub(super) const FAN_IN: Laws = Laws {
    hidden: MATRIX,
    output: MATRIX,
    ..Laws::ONE
};

/// The same for every optimizer family.
pub(super) const CONSTANT_STD: Laws = Laws::ONE;

/// One learning rate for all, divided by the width; scalars keep it.
pub(super) const INVERSE_WIDTH: Laws = {
    let vector = Law {
        learning_rate: PER_OUT,
        ..Law::ONE
    };
    let matrix = Law {
        learning_rate: PER_IN,
        ..MATRIX
    };
    Laws {
        vector,
        input: vector,
        hidden: matrix,
        output: matrix,
        ..Laws::ONE
    }
};

const fn per_layer(input: Power, hidden: Power, output: Power) -> Laws {
    let vector = Law {
        learning_rate: input,
        ..Law::ONE
    };
    Laws {
        fixed: Law::ONE,
        vector,
        input: vector,
        hidden: Law {
            learning_rate: hidden,
            ..MATRIX
        },
        output: Law {
            learning_rate: output,
            ..MATRIX
        },
    }
}

/// Full alignment.
pub(super) mod aligned {
    use super::{Laws, PER_IN, Power, ROOT, per_layer};

    pub(in super::super) const RAW_GRADIENT: Laws = per_layer(Power::fan_out(1, 2), ROOT, PER_IN);
    pub(in super::super) const ENTRYWISE: Laws = per_layer(Power::ONE, PER_IN, PER_IN);
    pub(in super::super) const FROBENIUS: Laws = per_layer(Power::ONE, ROOT, ROOT);
}

/// No alignment.
pub(super) mod unaligned {
    use super::{Laws, Power, ROOT, per_layer};

    pub(in super::super) const RAW_GRADIENT: Laws =
        per_layer(Power::fan_out(1, 2), Power::ONE, ROOT);
    pub(in super::super) const ENTRYWISE: Laws = per_layer(Power::ONE, ROOT, ROOT);
    pub(in super::super) const FROBENIUS: Laws = per_layer(Power::ONE, Power::ONE, Power::ONE);
}
