//! What a table does in the limit of infinite width: stability, feature learning or kernel regime,
//! and which layer breaks it. All in exact exponents.
//!
//! Notation of the literature: weights are multiplied by `n^-a`, start with standard deviation
//! `n^-b`, learn at the rate `n^-c`, and see their gradient times `n^d`, which is epsilon times
//! `n^-d`. Layers are the first (input), those between (hidden), and the last (readout).

mod alignment;
mod classify;
mod conditions;
mod coordinates;
mod depth;
mod document;
mod exponents;
mod symmetry;

pub use alignment::{Backward, Solved, largest_stable_rates};
pub use classify::{Regime, Theory};
pub use conditions::Condition;
pub use coordinates::{Expectation, Layer, Quantity};
pub use depth::DepthSlopes;
pub use exponents::{Abcd, Exponents, Layers};
pub use symmetry::shift;
