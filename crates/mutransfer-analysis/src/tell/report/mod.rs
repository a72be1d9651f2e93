//! The report of a study or a table: one HTML file that needs nothing else, for a reader who was
//! not there.
//!
//! These files decide what is said; the template only lays it out. All text from outside is
//! escaped.

mod caveats;
mod checks;
mod cost;
mod metrics;
mod page;
mod parts;
mod searched;
mod tables;
mod text;

pub use page::{ReportError, render};
pub use parts::{Coordinates, Models, Report};
pub use searched::{Searched, SearchedRule, render_searched};
