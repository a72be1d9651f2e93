//! The proxy models of mutransfer on burn, the data they train on, and one trainer for all of them.
//!
//! Parameters are named and shaped by burn modules, from which the plan is inferred; the forward
//! multipliers of the plan are applied here.
//!
//! # Scope
//!
//! For studies of how hyperparameters transfer, on models small enough to train by the thousand on
//! processor cores: transformers, perceptrons and convolutional networks in their textbook form,
//! and data that is at hand everywhere. It is not a library of models to use for what they learn:
//! there are no checkpoints, no pretrained weights and no generation. To train a model of your own
//! by a plan, use `mutransfer-burn`.

mod architecture;
mod cnn;
pub mod data;
mod error;
mod expert_sizes;
mod experts;
mod feed_forward;
pub mod kernel;
mod kind;
mod mlp;
mod multipliers;
mod names;
mod readout;
mod resnet;
mod subject;
mod task;
mod trainer;
mod transformer;
pub mod updates;
mod variant;

pub use architecture::Architecture;
pub use cnn::Cnn;
pub use error::Error;
pub use kind::{Facts, Kind, TextTask};
pub use mlp::Mlp;
pub use mutransfer_study::subject::{Batches, Experts, Heads};
pub use resnet::ResNet;
pub use subject::{BuiltIn, open};
pub use trainer::{Training, trainer};
pub use variant::{Variant, Variants};
