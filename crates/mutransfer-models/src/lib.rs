//! The proxy models of mutransfer on burn, the data they train on, and one trainer for all of them.
//!
//! Every model predicts the next token of a sequence. Its parameters are named and shaped by burn modules, from which
//! the plan is inferred; the forward multipliers of the plan are applied here.

mod architecture;
pub mod data;
mod error;
pub mod fused;
mod gpt;
pub mod kernel;
mod mlp;
mod trainer;

pub use architecture::{Architecture, Heads, Kind};
pub use error::Error;
pub use gpt::Gpt;
pub use mlp::Mlp;
pub use trainer::{Batches, Trainer, trainer};
