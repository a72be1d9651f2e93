//! Trials, studies and how they are run: the only place with files, processes and time.
//!
//! A [`study::Study`] on a [`subject::Subject`] is a list of [`trial::Trial`]s; an
//! [`engine::Engine`] runs those that have no result yet, on an [`executor::Executor`]; a
//! [`store::Store`] keeps what they leave behind; [`mutransfer_analysis`] judges it. A
//! [`workbench::Workbench`] does all of that.
//!
//! # Scope
//!
//! For many short trainings on one machine or a cluster, each in a process of its own. It is not
//! for one long training; it computes no scale (`mutransfer`) and no verdict
//! (`mutransfer-analysis`). [`search`] finds a few hyperparameters in few runs, and is pure. It
//! knows no model and no command line:
//! subjects are given by who uses it, and what to do about an error is said by them.

pub mod allowance;
pub mod asking;
pub mod axis;
pub mod build;
pub mod checkpoint;
pub mod command;
pub mod coordinates;
mod cost;
pub mod curves;
pub mod data;
pub mod engine;
pub mod error;
pub mod event;
pub mod executor;
pub mod export;
pub mod grid;
pub mod limits;
pub mod recipe;
pub mod rule;
pub mod schedule;
pub mod search;
pub mod shapes;
pub mod store;
pub mod study;
pub mod subject;
pub mod text;
pub mod train;
pub mod trial;
pub mod workbench;
pub mod worker;
