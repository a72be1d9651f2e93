//! Maximal update parametrization, in the multiplier form of TP5 (arXiv 2203.03466) Table 8.
//!
//! Of the equivalent forms this one allows tied embeddings, and its gradient norms do not grow with
//! width, so that a constant clipping threshold and a constant epsilon stay meaningful.
//!
//! # Init
//! Hidden variance 1/fan-in; readout variance constant, as its multiplier already shrinks it; the
//! rest constant.
//! # Multiplier
//! Readout 1/m_in. Attention logits are divided by `head_dim` rather than its root (TP5 definition
//! 4.1), with the constant that makes the base standard: `√base_head_dim / head_dim`.
//! # Learning rate
//! TP5 Table 8. With a raw gradient the hidden rate is m_out/m_in (2310.17813; `mup` package),
//! which is 1 for square matrices as printed in the table. With a trust ratio hidden matrices get
//! 1/√m_in (TP5 B.3). Muon's update needs spectral norm √(fan_out/fan_in) (2310.17813); what the
//! optimizer does of that by itself is divided out.
//! # Depth
//! By the exponent alpha (2505.01618).
//! # Weight decay
//! Learning rate times weight decay stays constant (2308.01814 section 2.10.1; `mup` package).
//! Decay that LAMB or LARS add to their direction is relative to the weights, as their steps are.
//! # Epsilon
//! As the gradient's entries: 1/m_out, for the readout 1/m_in (2308.01814 equation 2.26, rotated
//! into this form). Where it is added to a norm, times that norm's growth: √(m_in/m_out) for Muon
//! (2512.05620, code), and for LARS 1/√m_out, √(m_in/m_out), 1/√m_in.

use super::definition::{Definition, DepthLaw, OwnForm, Tables};
use crate::form::Form;
use crate::law::{Law, Laws};
use crate::power::Power;
use crate::roles::Roles;

pub(super) const MUP: Definition = Definition {
    name: "mup",
    summary: "maximal update, multiplier form",
    source: "TP5 Table 8",
    form: OwnForm::Named(Form::Table8),
    tables: TABLES,
    attention: ATTENTION,
    depth: DepthLaw::COMPLETE,
    entry_eps: Roles::all(true),
    ..Definition::PLAIN
};

pub(super) const TABLES: Tables = Tables::new([RAW_GRADIENT, ENTRYWISE, FROBENIUS, SPECTRAL]);

/// Attention: `1/√head_dim · m^(-1/2) = √base_head_dim / head_dim`.
pub(super) const ATTENTION: Power = Power::fan_in(-1, 2);

const ROOT: Power = Power::fan_in(-1, 2);
const IN: Power = Power::fan_in(1, 1);
const PER_IN: Power = Power::fan_in(-1, 1);
const OUT: Power = Power::fan_out(1, 1);
const PER_OUT: Power = Power::fan_out(-1, 1);

/// SGD, with or without momentum.
pub(super) const RAW_GRADIENT: Laws = {
    let vector = Law {
        learning_rate: OUT,
        ..Law::ONE
    };
    let hidden = Law {
        init_std: ROOT,
        learning_rate: PER_IN.and(OUT),
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

/// Adam, AdamW and every optimizer whose update entries are of order one.
pub(super) const ENTRYWISE: Laws = {
    let vector = Law {
        eps: PER_OUT,
        ..Law::ONE
    };
    let hidden = Law {
        init_std: ROOT,
        learning_rate: PER_IN,
        eps: PER_OUT,
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

/// LAMB, LARS, Adafactor: the update follows the weights' norm, which already falls as 1/√fan-in
/// for hidden matrices.
pub(super) const FROBENIUS: Laws = Laws {
    hidden: Law {
        learning_rate: ROOT,
        ..ENTRYWISE.hidden
    },
    ..ENTRYWISE
};

/// Muon, which takes hidden matrices only and leaves the rest to Adam.
pub(super) const SPECTRAL: Laws = {
    let learning_rate = ROOT.and(Power::fan_out(1, 2)).and(Power::own(-1, 1));
    Laws {
        hidden: Law {
            learning_rate,
            ..ENTRYWISE.hidden
        },
        ..ENTRYWISE
    }
};
