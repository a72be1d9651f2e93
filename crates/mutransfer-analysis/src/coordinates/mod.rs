//! The coordinate check as a statistical test: slopes of sizes against width, with intervals,
//! against what the theory of the rule expects.

pub(crate) mod cell;
pub(crate) mod diagnosis;
pub(crate) mod error;
pub(crate) mod fit;
pub(crate) mod judge;
pub(crate) mod layers;
pub(crate) mod read;
pub(crate) mod size;
