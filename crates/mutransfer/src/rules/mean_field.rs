//! Mean field parametrization: μP with its scales in the multipliers, all weights of variance one.
//!
//! # Init
//! Variance 1 everywhere.
//! # Multiplier
//! 1/√fan-in on hidden matrices, 1/fan-in on the readout (2407.05872; TP4 Table 1, column MFP, has
//! the shallow case).
//! # Learning rate
//! SGD: the width, for every layer (c = -1). Adam: (1, 1/√m_in, 1).
//! # Source
//! TP4 (arXiv 2011.14522) Table 1; arXiv 2407.05872. Equivalent to μP, which a test proves for
//! every family.

use super::definition::{Definition, DepthLaw, OwnForm, Tables};
use super::mup;
use crate::law::{Law, Laws};
use crate::power::Power;
use crate::roles::Roles;

const ROOT: Power = Power::fan_in(-1, 2);
const IN: Power = Power::fan_in(1, 1);
const PER_IN: Power = Power::fan_in(-1, 1);
const OUT: Power = Power::fan_out(1, 1);
const PER_OUT: Power = Power::fan_out(-1, 1);

pub(super) const MEAN_FIELD: Definition = Definition {
    name: "mean-field",
    summary: "mean field: μP with all weights of variance one",
    source: "2407.05872",
    form: OwnForm::Own,
    tables: Tables::new([RAW_GRADIENT, ENTRYWISE, FROBENIUS, SPECTRAL]),
    attention: mup::ATTENTION,
    depth: DepthLaw::COMPLETE,
    entry_eps: Roles::all(true),
    ..Definition::PLAIN
};

pub(super) const RAW_GRADIENT: Laws = {
    let vector = Law {
        learning_rate: OUT,
        ..Law::ONE
    };
    let hidden = Law {
        multiplier: ROOT,
        learning_rate: OUT,
        ..Law::ONE
    };
    let output = Law {
        multiplier: PER_IN,
        learning_rate: IN,
        ..Law::ONE
    };
    Laws {
        vector,
        input: vector,
        hidden,
        output,
        ..Laws::ONE
    }
};

pub(super) const ENTRYWISE: Laws = {
    let vector = Law {
        eps: PER_OUT,
        ..Law::ONE
    };
    let hidden = Law {
        multiplier: ROOT,
        learning_rate: ROOT,
        eps: PER_OUT.and(ROOT),
        ..Law::ONE
    };
    let output = Law {
        multiplier: PER_IN,
        eps: PER_IN,
        ..Law::ONE
    };
    Laws {
        vector,
        input: vector,
        hidden,
        output,
        ..Laws::ONE
    }
};

/// As [`ENTRYWISE`]: 1/√m_in on hidden matrices whose weights no longer shrink.
pub(super) const FROBENIUS: Laws = ENTRYWISE;

pub(super) const SPECTRAL: Laws = {
    let learning_rate = Power::fan_out(1, 2).and(Power::own(-1, 1));
    Laws {
        hidden: Law {
            learning_rate,
            ..ENTRYWISE.hidden
        },
        ..ENTRYWISE
    }
};
