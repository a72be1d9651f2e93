//! A study: what to sweep, at which sizes, under which rules.
//!
//! What is written, in TOML, becomes a [`Study`] once; one that makes no sense cannot exist.

mod check;
mod checked;
mod file;
mod ladder;
mod program;
mod protocol;
mod rung;
mod searched;
mod sizes;
#[cfg(test)]
mod tests;
mod trials;

pub use checked::Study;
pub use file::usual_hyper;
pub use searched::Searched;

pub(crate) use file::StudyFile;
pub(crate) use searched::{RATE, Setting};
