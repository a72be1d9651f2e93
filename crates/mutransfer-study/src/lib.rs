//! Trials, studies and how they are run: the only place with files, processes and time. Knows neither
//! burn nor candle.
//!
//! A [`study::Study`] is a list of [`trial::Trial`]s; a [`pool`] runs them as processes; a
//! [`store::Store`] keeps what they leave behind; [`mutransfer_analysis`] judges it.
//!
//! # Scope
//!
//! For many short trainings on one machine, each in a process of its own. It is not for one long
//! training, not for clusters, and not for search over many hyperparameters at once; it computes no
//! scale (`mutransfer`) and no verdict (`mutransfer-analysis`).

pub mod curves;
mod error;
pub mod pool;
pub mod recipe;
pub mod schedule;
pub mod store;
pub mod study;
pub mod trial;

pub use error::Error;
