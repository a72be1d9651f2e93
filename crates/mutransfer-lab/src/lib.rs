//! Trials, studies, analysis, figures and the report. Knows neither burn nor candle.
//!
//! A [`study::Study`] is a list of [`trial::Trial`]s; a [`pool`] runs them as processes; a
//! [`store::Store`] keeps what they leave behind; everything after that is a function of the
//! [`record::Row`]s.

pub mod analysis;
pub mod curves;
mod error;
pub mod figures;
pub mod pool;
pub mod recipe;
pub mod record;
pub mod report;
pub mod schedule;
pub mod store;
pub mod study;
pub mod trial;

pub use error::Error;
