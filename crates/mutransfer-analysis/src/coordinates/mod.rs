//! The coordinate check as a statistical test: slopes of sizes against width, with intervals,
//! against what the theory of the rule expects.

pub(crate) mod bend;
pub(crate) mod case;
pub(crate) mod cell;
pub(crate) mod design;
pub(crate) mod diagnosis;
pub(crate) mod error;
pub(crate) mod family;
pub(crate) mod fit;
pub(crate) mod judge;
pub(crate) mod layers;
pub(crate) mod looks;
pub(crate) mod read;
pub(crate) mod size;
pub(crate) mod sizes;
