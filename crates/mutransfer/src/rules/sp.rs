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
//! # Depth
//! None, but for `sp-depth-init`, which starts the matrices that end residual branches smaller by
//! the root of the depth, as GPT-2 does: where the base starts them at `1/√(2L)` of their usual
//! size, so does the target.
//! # Epsilon
//! Constant, as frameworks have it.
//! # Source
//! TP5 (arXiv 2203.03466) Table 8, in parentheses.

use super::definition::{Definition, DepthLaw, OwnForm, Tables};
use crate::law::{Law, Laws};
use crate::power::Power;

pub(super) const SP: Definition = Definition {
    name: "sp",
    summary: "standard: initial variance 1/fan_in, one learning rate",
    source: "TP4 Table 1",
    tables: Tables::same(FAN_IN),
    ..STANDARD
};

pub(super) const CONSTANT_STD: Definition = Definition {
    name: "sp-constant-std",
    summary: "standard with a constant initial standard deviation",
    source: "2505.01618 Table 1",
    tables: Tables::same(Laws::ONE),
    ..STANDARD
};

pub(super) const INVERSE_WIDTH: Definition = Definition {
    name: "sp-inverse-width",
    summary: "standard with the learning rate divided by the width",
    source: "TP4 Table 1",
    tables: Tables::same(ALL_SLOWER),
    ..STANDARD
};

pub(super) const PER_LAYER: Definition = Definition {
    name: "sp-per-layer",
    summary: "standard with the largest stable learning rate per layer",
    source: "2407.05872",
    tables: ALIGNED,
    unaligned: Some(UNALIGNED),
    ..STANDARD
};

pub(super) const DEPTH_INIT: Definition = Definition {
    name: "sp-depth-init",
    summary: "standard, ends of branches start smaller by the root of depth",
    source: "GPT-2",
    depth: DepthLaw::RootInit,
    ..SP
};

const STANDARD: Definition = Definition {
    form: OwnForm::Standard,
    ..Definition::PLAIN
};

const ROOT: Power = Power::fan_in(-1, 2);
const PER_IN: Power = Power::fan_in(-1, 1);
const PER_OUT: Power = Power::fan_out(-1, 1);

const MATRIX: Law = Law {
    init_std: ROOT,
    ..Law::ONE
};

const FAN_IN: Laws = Laws {
    hidden: MATRIX,
    output: MATRIX,
    ..Laws::ONE
};

/// One learning rate for all, divided by the width; scalars keep it.
const ALL_SLOWER: Laws = per_layer(PER_OUT, PER_IN, PER_IN);

const fn per_layer(input: Power, hidden: Power, output: Power) -> Laws {
    let vector = Law {
        learning_rate: input,
        ..Law::ONE
    };
    Laws {
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
        ..Laws::ONE
    }
}

/// Full alignment; no rate is published for spectral updates.
const ALIGNED: Tables = Tables {
    raw_gradient: Some(per_layer(Power::fan_out(1, 2), ROOT, PER_IN)),
    entrywise: Some(per_layer(Power::ONE, PER_IN, PER_IN)),
    frobenius: Some(per_layer(Power::ONE, ROOT, ROOT)),
    spectral: None,
};

/// No alignment.
const UNALIGNED: Tables = Tables {
    raw_gradient: Some(per_layer(Power::fan_out(1, 2), Power::ONE, ROOT)),
    entrywise: Some(per_layer(Power::ONE, ROOT, ROOT)),
    frobenius: Some(per_layer(Power::ONE, Power::ONE, Power::ONE)),
    spectral: None,
};
