//! What the program does and says, but for what has a test program of its own: these are built once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

#[path = "../common/mod.rs"]
mod common;

#[cfg(target_os = "linux")]
mod adversity;
mod along;
mod analyze;
mod checkpoint;
mod coord;
mod counterexamples;
#[cfg(target_os = "linux")]
mod durable;
mod errors;
#[cfg(target_os = "linux")]
mod executors;
#[cfg(target_os = "linux")]
mod fault;
mod folders;
mod help;
mod import;
mod interchange;
mod kernel;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod manifests;
mod matrix;
mod monitor;
#[cfg(target_os = "linux")]
mod output;
mod plan;
mod recipe;
mod sizes;
#[cfg(target_os = "linux")]
mod slurm;
mod store;
mod theory;
#[cfg(target_os = "linux")]
mod trainers;
mod transfer;
#[cfg(target_os = "linux")]
mod trials;
mod tuned;
