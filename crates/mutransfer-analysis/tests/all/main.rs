//! All tests of the analyses, as one program: what they share is built once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod analysis;
mod coordinate;
mod coverage;
mod decisions;
mod exports;
mod hostile;
mod monitor;
mod power;
#[cfg(feature = "report")]
mod report;
mod runs;
mod scaling;
mod schema;
mod seeds;
mod slope;
mod tables;
mod valleys;
