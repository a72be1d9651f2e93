//! Any program as a subject of studies: it is told what to train, and tells its losses.
//!
//! The study gives a program its numbers as placeholders of its command, as environment variables
//! and in a file, `trial.json`, with the plan of its model in another, `plan.json`. The program
//! writes its losses as JSON lines; [`Metric`] is for one that writes something else. It runs under
//! a guard, a process of this program that ends it with all that it has started once the worker is
//! gone.

mod error;
mod files;
mod follow;
pub mod guard;
mod known;
mod ledger;
mod metric;
mod model;
mod program;
mod run;
mod subject;
mod tail;
mod told;
mod tree;
mod values;

pub use error::{CommandError, Fix};
pub use known::Known;
pub use metric::Metric;
pub use model::{Model, Source};
pub use program::{Place, Program};
pub use subject::{Command, Guard};
