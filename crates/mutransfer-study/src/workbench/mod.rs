//! A study from its sweeps to its report: tune the proxies, carry the optimum over, verify, judge,
//! write.

mod bench;
mod desk;
mod drift;
mod files;
mod import;
mod names;
mod told;
mod tune;
mod tuned;

pub use bench::{Judged, Workbench};
pub use drift::Drift;
pub use import::Imported;
pub use names::{FILES, is_own};
pub use tuned::{AtTarget, Compared, Confirmed, Neighbour, Tuned, TunedRule, Values};
