//! mutransfer for [burn](https://burn.dev): read a module's shapes, draw its planned weights, train
//! it by its plan.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::tensor::Device;
//! use mutransfer::{Hyper, Optimizer, Plan, Rule, Widths};
//! use mutransfer_burn::{ScaledOptimizer, initialize, shapes};
//!
//! let device = Device::flex().autodiff();
//! let model = |width: usize| vec![
//!     LinearConfig::new(16, width).init(&device),
//!     LinearConfig::new(width, width).init(&device),
//!     LinearConfig::new(width, 4).init(&device),
//! ];
//! let widths = Widths::between(&shapes(&model(32)), &shapes(&model(64)))?;
//! let plan = Plan::new(&widths, &shapes(&model(256)), Rule::Mup, Optimizer::AdamW)?;
//! let hyper = Hyper { learning_rate: 1e-2, ..Hyper::default() };
//!
//! let model = initialize(model(256), &plan, &hyper, 0)?;
//! let optimizer = ScaledOptimizer::new(&plan, &hyper)?;
//! # let _ = (model, optimizer);
//! # Ok::<(), mutransfer::Error>(())
//! ```
//!
//! The module applies the plan's forward multipliers itself: the readout's `multiplier` and the
//! attention scale.
//!
//! # Scope
//!
//! For models of one's own in burn, on any of its devices, trained with SGD, Adam or AdamW. Other
//! optimizers of burn take the plan's numbers by hand, from `Plan::groups`. It is not a training
//! loop, and it does not change a model: what its forward pass is to multiply by is in the plan,
//! and stays the model's to do.

mod coords;
mod init;
mod optimizer;
mod path;
mod shapes;

pub use coords::{Measurement, Probe, Sizes};
pub use init::{initialize, normal};
pub use optimizer::{OPTIMIZERS, ScaledOptimizer, supports};
pub use path::{Path, parameters};
pub use shapes::shapes;
