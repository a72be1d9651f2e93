//! MSSP (arXiv 2605.14200, code): μP over width and over experts, in three regimes.
//!
//! For un-normalised sigmoid gates. `mssp-fixed-experts` keeps the number of experts, `mssp` grows
//! width, experts and their width, `mssp-bottleneck` grows experts of a fixed width.
//!
//! # Init
//! As μP without multipliers; routers 1/m_in where the experts are fixed, else as matrices. What
//! writes an expert `√m_E` more in the bottleneck. Where experts grow, those of a layer start as
//! copies of one another; the plan does not do that.
//! # Multiplier
//! None; routed experts times the base's active experts over the target's where experts grow.
//! # Learning rate
//! 1 over the width, but for embeddings, norms and what writes experts in the bottleneck.
//! # Depth
//! None.
//! # Weight decay
//! Learning rate times decay stays constant.
//! # Epsilon
//! As the code has it, in powers of width and experts.

use num_rational::Rational32;

use super::definition::{Definition, DepthLaw, OwnForm, Tables};
use super::mup;
use crate::experts::RouteScale;
use crate::form::Form;
use crate::law::{Law, Laws};
use crate::power::{Power, Ratio};

pub(super) const FIXED_EXPERTS: Definition = Definition {
    name: "mssp-fixed-experts",
    summary: "MSSP: μP with experts, of a fixed number",
    tables: entrywise(Laws {
        router: Law {
            init_std: PER_IN,
            eps: Power::ONE,
            ..READING
        },
        ..LAWS
    }),
    route: RouteScale::One,
    ..MSSP
};

pub(super) const MSSP: Definition = Definition {
    name: "mssp",
    summary: "MSSP: μP over width, experts and their width",
    source: "2605.14200, code",
    form: OwnForm::Named(Form::Table3),
    tables: entrywise(Laws {
        router: Law {
            eps: PER_EXPERT,
            ..READING
        },
        expert_in: Law {
            eps: PER_IN.and(PER_EXPERT),
            ..READING
        },
        expert_out: Law {
            eps: PER_OUT.and(PER_EXPERT),
            ..WRITING
        },
        ..LAWS
    }),
    depth: DepthLaw::None,
    states_experts: true,
    route: RouteScale::PerActiveRatio,
    ..mup::MUP
};

pub(super) const BOTTLENECK: Definition = Definition {
    name: "mssp-bottleneck",
    summary: "MSSP: μP over width and experts of a fixed width",
    tables: entrywise(Laws {
        router: Law {
            eps: PER_EXPERT,
            ..READING
        },
        expert_in: Law {
            eps: PER_EXPERT,
            ..READING
        },
        expert_out: Law {
            init_std: ROOT.and(experts(1, 2)),
            learning_rate: Power::ONE,
            eps: PER_OUT.and(PER_EXPERT),
            ..Law::ONE
        },
        ..LAWS
    }),
    ..MSSP
};

const ROOT: Power = Power::fan_in(-1, 2);
const PER_IN: Power = Power::fan_in(-1, 1);
const PER_OUT: Power = Power::fan_out(-1, 1);
const PER_EXPERT: Power = experts(-1, 1);

const fn experts(numerator: i32, denominator: i32) -> Power {
    Power::of(Ratio::Experts, Rational32::new_raw(numerator, denominator))
}

const fn entrywise(laws: Laws) -> Tables {
    Tables {
        entrywise: Some(laws),
        ..Tables::NONE
    }
}

/// What reads the residual stream.
const READING: Law = Law {
    init_std: ROOT,
    learning_rate: PER_IN,
    eps: PER_IN,
    ..Law::ONE
};

/// What writes to it.
const WRITING: Law = Law {
    init_std: ROOT,
    learning_rate: PER_OUT,
    eps: PER_OUT,
    ..Law::ONE
};

const LAWS: Laws = Laws {
    output: Law {
        init_std: PER_IN,
        learning_rate: PER_IN,
        ..Law::ONE
    },
    router: READING,
    expert_in: READING,
    expert_out: WRITING,
    ..mup::ENTRYWISE
};
