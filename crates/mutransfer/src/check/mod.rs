//! Static lints: what shapes, declarations and tables alone show to be wrong.

mod experts;
mod finding;
mod lints;
mod model;
mod settings;
mod table;

pub use finding::Finding;
pub use lints::{LINTS, Lint};
pub use model::Check;
pub use settings::Settings;
