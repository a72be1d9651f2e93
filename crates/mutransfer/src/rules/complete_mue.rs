//! Complete-muE (arXiv 2605.23893 Tables 1 and 2): μP over width and depth, and over the number of
//! active experts, their width, all experts and shared ones.
//!
//! A layer of experts is the dense layer of its active width `H_act = a h + shared widths`, so a
//! dense proxy gives the numbers of a sparse target. Two bridges lead there: a dense layer is a
//! layer of which all experts are active (the laws of `m_H`), and which experts are active changes
//! no learning rate to first order. Routing is a sigmoid, normalised over the active experts.
//!
//! # Init
//! As μP; what writes an expert `√(m_H/m_out)` of that, routed or shared.
//! # Multiplier
//! `m_out/m_H` on what writes an expert, which is `A = d/H_act` relative to the base. Routed
//! experts times `R = a` after their weights, which undoes the 1/a of normalising them.
//! # Learning rate
//! As μP in the width of the residual stream alone: no factor of experts, active or all, nor of
//! their width. Routers as hidden matrices.
//! # Depth
//! As CompleteP.
//! # Weight decay
//! Learning rate times decay stays constant. As the paper prints it, constant:
//! `hidden-decay=constant-lambda`.
//! # Epsilon
//! 1/m_N for every tensor of a block. As the paper prints it, constant: `eps=constant`.
//! # Batch and duration
//! [`Horizon::ISO`], which is Table 2.
//! # Source
//! The authors' summary of the paper; what it leaves open is an option.

use super::definition::{Definition, Tables};
use super::mup;
use crate::experts::RouteScale;
use crate::horizon::Horizon;
use crate::law::{Law, Laws};
use crate::power::{Power, Ratio};
use num_rational::Rational32;

pub(super) const COMPLETE_MUE: Definition = Definition {
    name: "complete-mue",
    summary: "Complete-muE: μP over experts, from dense to sparse",
    source: "2605.23893 Tables 1, 2",
    tables: Tables {
        entrywise: Some(ENTRYWISE),
        ..Tables::NONE
    },
    horizon: Some(Horizon::ISO),
    states_experts: true,
    route: RouteScale::Active,
    ..mup::MUP
};

const PER_IN: Power = Power::fan_in(-1, 1);
const PER_OUT: Power = Power::fan_out(-1, 1);

const fn active_width(numerator: i32, denominator: i32) -> Power {
    Power::of(
        Ratio::ActiveWidth,
        Rational32::new_raw(numerator, denominator),
    )
}

const ENTRYWISE: Laws = {
    let reading = Law {
        init_std: Power::fan_in(-1, 2),
        learning_rate: PER_IN,
        eps: PER_IN,
        ..Law::ONE
    };
    let writing = Law {
        multiplier: Power::fan_out(1, 1).and(active_width(-1, 1)),
        init_std: PER_OUT.and(active_width(1, 2)),
        learning_rate: PER_OUT,
        eps: PER_OUT,
        ..Law::ONE
    };
    Laws {
        router: reading,
        expert_in: reading,
        expert_out: writing,
        ..mup::ENTRYWISE
    }
};
