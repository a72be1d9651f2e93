//! What was found, told: in sentences, and with the feature `report` in pictures and on a page.

pub(crate) mod conclusion;
#[cfg(feature = "report")]
pub mod figures;
pub(crate) mod findings;
pub(crate) mod judgement;
#[cfg(feature = "report")]
pub mod report;
