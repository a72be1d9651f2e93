//! Neural tangent parametrization: the wide limit is kernel regression, and no feature is learned.
//!
//! # Init
//! Variance 1 everywhere.
//! # Multiplier
//! 1/√fan-in on hidden matrices and readout (TP4 Table 1, column NTP; 2308.01814 definition 2.4.1).
//! # Learning rate
//! SGD: constant. Entrywise: c = (1/2, 1, 1/2) (definition 2.4.1, 2.9.11). The trust-ratio and
//! spectral tables are those of μP slowed down by √m_out, as for the other two families.
//! # Epsilon
//! d = (1/2, 1, 1/2) (definition 2.4.1).
//! # Source
//! Jacot et al.; TP4 (arXiv 2011.14522) Table 1; arXiv 2308.01814.

use super::definition::{Definition, DepthLaw, OwnForm, Tables};
use super::mup;
use crate::law::{Law, Laws};
use crate::power::Power;
use crate::roles::Roles;

const ROOT: Power = Power::fan_in(-1, 2);
const ROOT_OUT: Power = Power::fan_out(-1, 2);

pub(super) const NTK: Definition = Definition {
    name: "ntk",
    summary: "neural tangent: no feature learning",
    source: "TP4 Table 1, 2308.01814 Def. 2.4.1",
    form: OwnForm::Own,
    tables: Tables::new([RAW_GRADIENT, ENTRYWISE, FROBENIUS, SPECTRAL]),
    attention: mup::ATTENTION,
    depth: DepthLaw::COMPLETE,
    entry_eps: Roles::all(true),
    ..Definition::PLAIN
};

pub(super) const RAW_GRADIENT: Laws = {
    let matrix = Law {
        multiplier: ROOT,
        ..Law::ONE
    };
    Laws {
        hidden: matrix,
        output: matrix,
        ..Laws::ONE
    }
};

pub(super) const ENTRYWISE: Laws = {
    let vector = Law {
        learning_rate: ROOT_OUT,
        eps: ROOT_OUT,
        ..Law::ONE
    };
    let both = ROOT.and(ROOT_OUT);
    let hidden = Law {
        multiplier: ROOT,
        learning_rate: both,
        eps: both,
        ..Law::ONE
    };
    let output = Law {
        multiplier: ROOT,
        learning_rate: ROOT,
        eps: ROOT,
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

pub(super) const FROBENIUS: Laws = Laws {
    output: Law {
        learning_rate: ROOT,
        ..ENTRYWISE.output
    },
    ..ENTRYWISE
};

pub(super) const SPECTRAL: Laws = {
    // μP's √(m_out/m_in), over √m_out, times √m_in for the multiplier.
    let hidden = Law {
        learning_rate: Power::own(-1, 1),
        ..ENTRYWISE.hidden
    };
    Laws {
        hidden,
        ..ENTRYWISE
    }
};
