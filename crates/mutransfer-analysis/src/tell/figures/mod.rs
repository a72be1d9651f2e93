//! The pictures: loss against learning rate, the size of activations against width, what updates
//! do against depth or experts, how far training goes, loss against step, what an analysis of a
//! table finds and what a search believes.
//!
//! Pure functions of the rows. [`Figure`] is all the rest of the crate sees; the plotting library
//! stays in `canvas`.

mod canvas;
mod coordinates;
mod curves;
pub(crate) mod figure;
mod growth;
mod loss_curves;
mod optima;
pub(crate) mod pictures;
mod regret;
mod slices;
mod surface;
mod tangent;

pub use coordinates::coordinates;
pub use curves::curves;
pub use figure::{Figure, FigureError};
pub use growth::growth;
pub use loss_curves::loss_curves;
pub use optima::optima;
pub use pictures::Pictures;
pub use regret::regret;
pub use slices::{Slice, slices};
pub use surface::{Surface, surface};
pub use tangent::tangent;
