//! Scaling rules for hyperparameter transfer.
//!
//! A network's best learning rate moves when the network grows. A *parametrization* says, for every
//! tensor, how its initial standard deviation, forward multiplier, learning rate, weight decay and
//! epsilon must follow the tensor's sizes so that the best values stay put. Then one tunes a small
//! proxy and copies the values (μTransfer, [arXiv 2203.03466](https://arxiv.org/abs/2203.03466),
//! "TP5" below).
//!
//! This crate computes those numbers and nothing else: no tensors, no I/O, no clock, no randomness.
//!
//! ```
//! use mutransfer::{Axes, Hyper, Optimizer, Plan, Rule, Shape, Shapes, Widths};
//!
//! // The same small network at three widths; weights stored as [fan_in, fan_out].
//! let shapes = |width: usize| {
//!     let weight = |dims: [usize; 2]| Shape::new(dims).with_axes(Axes::IN_OUT);
//!     Shapes::from_iter([
//!         ("input.weight", weight([784, width])),
//!         ("hidden.weight", weight([width, width])),
//!         ("hidden.bias", Shape::vector(width)),
//!         ("readout.weight", weight([width, 10])),
//!     ])
//! };
//! let widths = Widths::between(&shapes(64), &shapes(128))?; // what grows
//! let plan = Plan::new(&widths, &shapes(1024), Rule::Mup, Optimizer::AdamW)?;
//!
//! let hyper = Hyper { learning_rate: 1e-2, ..Hyper::default() };
//! let hidden = plan.setting("hidden.weight", &hyper).expect("a parameter of the plan");
//! assert_eq!(hidden.learning_rate, 1e-2 / 16.0);
//! let readout = plan.setting("readout.weight", &hyper).expect("a parameter of the plan");
//! assert_eq!(readout.multiplier, 1.0 / 16.0);
//! # Ok::<(), mutransfer::Error>(())
//! ```
//!
//! Conventions: `m_in` and `m_out` are a tensor's fan-in and fan-out divided by those of the base
//! model, exactly 1 where a dimension does not grow. At the base every scale is 1, so the model is
//! its standard twin, bit for bit.
//!
//! # Scope
//!
//! For whoever can name the tensors of a model and their sizes, in any framework. It is not for
//! finding hyperparameters (`mutransfer-study` runs sweeps), not for judging runs
//! (`mutransfer-analysis`), and applies nothing: `mutransfer-burn` does that for burn, and a plan
//! as JSON for everything else.

/// The examples of the README and of the page on the library.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/library.md")]
struct Pages;

mod check;
mod custom;
mod dims;
mod document;
pub mod error;
mod evidence;
mod experts;
mod fold;
mod form;
mod forward;
mod growth;
mod horizon;
mod hyper;
mod law;
mod mixture;
mod names;
mod optimizer;
mod options;
mod param;
mod parametrization;
mod plan;
mod power;
mod published;
mod role;
mod roles;
mod rules;
mod shape;
mod size;
mod sizes;
mod source;
mod stack;
mod survey;
pub mod theory;
mod width;

pub use check::{Check, Finding, LINTS, Lint, Settings};
pub use dims::Dim;
pub use document::{
    ClipDocument, ForwardDocument, Given, OwnBase, ParamDocument, PlanDocument, TrainingDocument,
};
pub use error::{Error, Fix};
pub use experts::{Experts, routing_variance};
pub use form::Form;
pub use forward::Forward;
pub use horizon::{BatchLaw, Growth, Horizon, decay_warm_up, residual_tau};
pub use hyper::{Factors, Hyper, Init, Setting};
pub use law::{Law, Table};
pub use names::UnknownName;
pub use num_rational::Rational32;
pub use optimizer::{Decay, Family, Optimizer};
pub use options::{
    Alignment, Alpha, Attention, Clip, DecayDepth, Density, EmbeddingRate, Eps, ExpertEps,
    FinalNormEps, Gate, Head, HiddenDecay, Options, RouteGroups, RouterInit, SgdHidden,
    SparsityLaw, TrustReadout,
};
pub use param::{ParamPlan, Scales};
pub use parametrization::Parametrization;
pub use plan::{Group, Plan};
pub use power::{Power, Ratio, Ratios};
pub use published::{PowerLaw, PublishedLaw, RELATIVE_LAWS, published_laws};
pub use role::{Place, Role};
pub use roles::Roles;
pub use rules::{Ablation, Rule, SWITCHES};
pub use shape::{Axes, Layout, ParamName, Shape, Shapes};
pub use size::Size;
pub use sizes::Sizes;
pub use source::{BaseShapes, LeftOut, shards};
pub use stack::Stack;
pub use width::Widths;
