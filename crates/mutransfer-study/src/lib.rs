//! Trials, studies and how they are run: the only place with files, processes and time. Knows neither
//! burn nor candle.
//!
//! A [`study::Study`] is a list of [`trial::Trial`]s; a [`pool`] runs them as processes; a
//! [`store::Store`] keeps what they leave behind; [`mutransfer_analysis`] judges it.

pub mod curves;
mod error;
pub mod pool;
pub mod recipe;
pub mod schedule;
pub mod store;
pub mod study;
pub mod trial;

pub use error::Error;
