//! μP over depth: Depth-μP (arXiv 2310.02244), CompleteP (2505.01618 Table 1) and Complete(d)P
//! (2512.22382 Table 1), which are μP over width.
//!
//! They differ in the exponent alpha that residual branches are multiplied with, `m_L^-alpha`, and
//! in what their papers print for epsilon and the readout. All are for norms before the branches;
//! after them no rule transfers over depth (TP5 section 6.1).
//!
//! # Init
//! As μP. Complete(d)P has the readout of TP5 Table 3: standard deviation 1/m_in.
//! # Multiplier
//! Branches `m_L^-alpha`: 1/2 for Depth-μP, which is exact for branches of one layer; 1 for the
//! others, or what the option `depth` says between 1/2 and 1. It is one rule with the initial
//! weights: in the form `folded` it is in those that end branches.
//! # Learning rate
//! In blocks times `m_L^(alpha - 1)`, with a raw gradient `m_L^(2 alpha - 1)` (2512.05620, code).
//! # Epsilon
//! CompleteP: constant outside of the blocks, 1/m_out times `m_L^-alpha` inside. Complete(d)P: as
//! the gradient, and constant for the final norm.
//! # Weight decay
//! As μP: neither table has a factor of depth.
//! # Batch and duration
//! Complete(d)P alone: [`Horizon::ISO`].

use num_rational::Rational32;

use super::definition::{Definition, DepthLaw};
use super::mup;
use crate::form::Form;
use crate::horizon::Horizon;
use crate::options::Eps;

pub(super) const DEPTH_MUP: Definition = Definition {
    name: "depth-mup",
    summary: "μP over depth by 1/√depth, for branches of one layer",
    source: "2310.02244",
    depth: DepthLaw::Alpha(Rational32::new_raw(1, 2)),
    ..mup::MUP
};

pub(super) const COMPLETE_P: Definition = Definition {
    name: "complete-p",
    summary: "CompleteP: μP over depth by 1/depth",
    source: "2505.01618 Table 1",
    eps: Eps::CompleteP,
    ..mup::MUP
};

pub(super) const COMPLETE_DP: Definition = Definition {
    name: "complete-d-p",
    summary: "Complete(d)P: μP over depth, batch and duration",
    source: "2512.22382 Table 1",
    eps: Eps::CompleteDP,
    horizon: Some(Horizon::ISO),
    usual_form: Some(Form::Table3),
    ..mup::MUP
};
