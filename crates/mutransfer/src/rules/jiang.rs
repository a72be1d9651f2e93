//! Experts of which a fixed share is active (Jiang et al., arXiv 2601.20205, Table 1 and code).
//!
//! For un-normalised sigmoid gates, whose experts are averaged: the output of a layer is divided by
//! the number of active experts. The share of active experts must stay.
//!
//! # Init
//! As μP; routers 1/m_in; what writes an expert `√m_out/m_in`, as the average of experts adds up.
//! # Multiplier
//! As μP; routed experts times 1/a.
//! # Learning rate
//! As μP, by the fan-in of each tensor: `1/m_in` for what writes an expert is 1 over its width.
//! # Depth
//! As CompleteP.
//! # Weight decay
//! Learning rate times decay stays constant.
//! # Epsilon
//! 1/m_out for embeddings and attention; of experts `1/m_out` where they read, `m_out/m_in²` where
//! they write; constant for norms and biases. In blocks by depth too, norms included, which the
//! paper keeps apart from biases.

use super::definition::{Definition, Tables};
use super::mup;
use crate::experts::RouteScale;
use crate::law::{Law, Laws};
use crate::options::Density;
use crate::power::Power;

pub(super) const JIANG: Definition = Definition {
    name: "jiang-moe",
    summary: "μP over experts of which a fixed share is active",
    source: "2601.20205 Table 1, code",
    tables: Tables {
        entrywise: Some(ENTRYWISE),
        ..Tables::NONE
    },
    states_experts: true,
    route: RouteScale::PerActive,
    density: Density::Forbid,
    ..mup::MUP
};

const PER_IN: Power = Power::fan_in(-1, 1);

const ENTRYWISE: Laws = Laws {
    vector: Law::ONE,
    router: Law {
        init_std: PER_IN,
        learning_rate: PER_IN,
        eps: PER_IN,
        ..Law::ONE
    },
    expert_in: mup::ENTRYWISE.hidden,
    expert_out: Law {
        init_std: PER_IN.and(Power::fan_out(1, 2)),
        learning_rate: PER_IN,
        eps: Power::fan_in(-2, 1).and(Power::fan_out(1, 1)),
        ..Law::ONE
    },
    ..mup::ENTRYWISE
};
