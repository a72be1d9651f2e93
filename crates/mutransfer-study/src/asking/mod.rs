//! A [search](crate::search) for a training loop of the user: what is searched is in a file, and
//! what was told in a journal. Nothing else is kept: the runs asked for follow from the two.

mod journal;
mod written;

pub use journal::{AskError, Asking};
pub use written::Written;

pub(crate) use written::{is_manner, number_of, searched_of, settings_of};
