//! A recipe: a study that repeats a published demonstration at a small size, and what it is
//! expected to measure.
//!
//! What is written, in TOML, becomes a [`Recipe`] once; one that expects what its study does not
//! measure cannot exist. Found out late, a slip of the pen would cost all the training.

mod checked;
mod comparison;
mod expected;
mod file;
mod gain;
mod quantity;

pub use checked::{Needed, Recipe};
pub use comparison::Comparison;
pub use expected::{Expected, Finding};
pub use gain::{Gain, WindowGain, gains};
pub use quantity::Quantity;
