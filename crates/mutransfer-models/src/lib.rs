//! The proxy models of mutransfer on burn, the data they train on, and one trainer for all of them.
//!
//! Parameters are named and shaped by burn modules, from which the plan is inferred; the forward
//! multipliers of the plan are applied here.

mod architecture;
mod cnn;
pub mod data;
mod error;
pub mod kernel;
mod mlp;
mod readout;
mod resnet;
mod task;
mod trainer;
mod transformer;

pub use architecture::{Architecture, Heads, Kind, Variant, Variants};
pub use cnn::Cnn;
pub use error::Error;
pub use mlp::Mlp;
pub use resnet::ResNet;
pub use trainer::{Batches, Trainer, trainer};
pub use transformer::Transformer;
