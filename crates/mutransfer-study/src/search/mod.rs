//! Few runs to a good learning rate, or to several hyperparameters at once.
//!
//! A [`Search`] is asked for runs and told their losses. It knows no files, no processes and no
//! clock:
//! a study uses it as a training loop in any language does. Along one [`Axis`] it walks downhill by
//! two octaves until the best run has a worse one on either side; from there on, and along several
//! axes after a few spread points, a Gaussian process says where the minimum may be. It stops when
//! what is still to be gained is below a tolerance, and says so with a bound ([`Report`]).
//!
//! Coordinates are octaves, logarithms to base 2. [`Space`] makes them from learning rates, batch
//! sizes, decay and multipliers so that the optimum of one depends little on the others.
//!
//! ```
//! use mutransfer_study::search::{Axis, Search, Settings};
//!
//! let valley = |log2_lr: f64| 2.3 + 0.01 * (log2_lr + 9.3).powi(2);
//! let mut search = Search::new(vec![Axis::new("lr", -8.0)], Settings::default())?;
//! loop {
//!     let runs: Vec<_> = search.ask().into_iter().map(|run| (run.number, run.point[0])).collect();
//!     if runs.is_empty() {
//!         break;
//!     }
//!     for (number, log2_lr) in runs {
//!         search.tell(number, &[valley(log2_lr)])?;
//!     }
//! }
//! let report = search.report().expect("runs that did not diverge");
//! assert!(valley(report.point()[0]) < 2.3 + 0.002);
//! # Ok::<(), mutransfer_study::search::SearchError>(())
//! ```
//!
//! # Source
//! Thompson sampling in a trust region: Eriksson et al. 2019 (1910.01739). What it costs and how
//! often its bound holds is measured in `tests/search.rs`, on valleys as in 2503.04715.

mod axis;
mod belief;
mod error;
mod evidence;
mod first;
mod next;
mod process;
mod random;
mod region;
mod report;
#[expect(clippy::module_inception, reason = "the type that the module is about")]
mod search;
mod space;
mod words;

pub use axis::{Axis, Settings};
pub use error::SearchError;
pub use report::{Believed, Finding, Flag, Pair, Report, Tried};
pub use search::{Run, Search};
pub use space::{Hyperparameter, Kind, Space};
pub use words::named;
