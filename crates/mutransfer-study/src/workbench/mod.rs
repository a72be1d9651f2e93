//! A study from its sweeps to its report: tune the proxies, carry the optimum over, verify, judge,
//! write.

mod bench;
mod files;
mod import;
mod names;

pub use bench::{Judged, Workbench};
pub use import::Imported;
pub use names::{FILES, is_own};
