//! Judges runs and measurements of training: where the best hyperparameter lies at each width, how
//! far it moves and what copying it to the target costs ([`analyze`]); whether sizes follow the
//! width as the rule promises ([`judge`]); whether wider is always better ([`monitor`]); how far
//! training takes a network from its start ([`slopes`]). It tells what it found in sentences
//! ([`findings`]), and with the feature `report` in pictures and on a page.
//!
//! ```
//! use mutransfer_analysis::{Columns, Request, analyze, findings, read_tables};
//!
//! let mut table = "rule,width,lr,seed,loss\n".to_owned();
//! for (width, best) in [(64, 0.01_f64), (128, 0.005), (256, 0.0025)] {
//!     for octave in -3..=3 {
//!         let lr = best * f64::from(octave).exp2();
//!         let loss = 2.0 + 8.0 / f64::from(width) + 0.05 * f64::from(octave * octave);
//!         table += &format!("sp,{width},{lr},0,{loss}\n");
//!     }
//! }
//! let sweeps = read_tables(&[("runs.csv".to_owned(), table)], &Columns::default())?;
//! let analysis = analyze(&sweeps, "width", "lr", &Request::default())?;
//! let sentences = findings(&analysis);
//! assert!(sentences[0].contains("fell from width 64 to 256: -2.00 octaves"), "{sentences:?}");
//! # Ok::<(), mutransfer_analysis::TableError>(())
//! ```
//!
//! Losses are in nats; values of the swept hyperparameter are those before any per-parameter scale,
//! and their logarithms are to base 2, so that one unit is an octave, a factor of two.
//!
//! # Scope
//!
//! For tables of runs of any program, at several sizes and several values of one hyperparameter.
//! Pure: values and text in, values and text out. No files, processes, clock or threads of its own,
//! no tensors, and no randomness but the keyed draws of the bootstrap, so the same runs give the
//! same bits; their order never matters. It starts no run (`mutransfer-study` does), and it is not
//! for comparing architectures or for scaling laws of the loss alone: everything here asks whether
//! an optimum moves with size.

mod coordinates;
mod fix;
mod growth;
mod names;
mod power;
#[cfg(test)]
mod schema;
mod statistics;
mod table;
mod tangent;
mod tell;
mod transfer;
mod verdict;
mod wider;

pub use coordinates::cell::Cell;
pub use coordinates::error::CoordinateError;
pub use coordinates::fit::{Fit, TOLERANCE};
pub use coordinates::judge::{Check, judge};
pub use coordinates::layers::{Evidence, Layers};
pub use coordinates::looks::Looks;
pub use coordinates::read::{Measurements, coordinates_from_csv};
pub use coordinates::size::Coordinate;
pub use fix::Fix;
pub use growth::{GrowthCell, GrowthCheck, GrowthError, GrowthRow, Promise, judge_growth};
pub use names::{BASELINE, display_name};
pub use power::design::{Chance, Design, Power};
pub use power::measured::power_of_open;
pub use power::simulate::{DRIFTS, power};
pub use statistics::estimate::Estimate;
pub use statistics::line::Line;
pub use statistics::measured::{Measured, with_interval};
pub use statistics::needed::Needed;
pub use table::columns::{Columns, Naming};
pub use table::error::{Part, Spot, TableError};
pub use table::read::{read_runs, read_tables};
pub use table::run::{End, Run, SAME_OCTAVES, is_same};
pub use table::sweep::{Curve, Rows, Sweeps, Trials};
pub use table::text::to_csv;
pub use tangent::{Changed, Slope, TangentError, TangentRow, slopes};
pub use tell::conclusion::conclusion;
#[cfg(feature = "report")]
pub use tell::figures;
pub use tell::findings::{doubts, findings, of_rows};
pub use tell::judgement::{CoordinateChecks, Judgement};
#[cfg(feature = "report")]
pub use tell::report;
pub use transfer::analysis::{Analysis, Best, Carried, Request, RuleAnalysis, Seeds, Transfers};
pub use transfer::analyze::{analyze, carried};
pub use transfer::cost::{Cost, Group, Runs, tuning_share};
pub use transfer::flag::Flag;
pub use transfer::gap::Speed;
pub use transfer::joint::{Joint, PARAMETERS};
pub use transfer::number::{Number, Numbers};
pub use transfer::optimum::{Optimum, optimum};
pub use transfer::point::Point;
pub use transfer::prediction::Prediction;
pub use transfer::scaling::Decay;
pub use transfer::sharing::Sharing;
pub use transfer::valley::Valley;
pub use verdict::Verdict;
pub use wider::along::Along;
pub use wider::error::{Apart, MonitorError};
pub use wider::loss::{LossRow, curves_to_csv};
pub use wider::monitor::{LOSS_TOLERANCE, Monitor, WINDOWS, monitor};
pub use wider::pair::{Diverged, Pair, Window};
pub use wider::read::curves_from_csv;
