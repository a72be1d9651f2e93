//! The pictures: loss against learning rate, the size of activations against width, how far
//! training goes, loss against step, and what an analysis of a table finds.
//!
//! Pure functions of the rows. [`Figure`] is all the rest of the crate sees; the plotting library
//! stays in `canvas`.

mod canvas;
mod coordinates;
mod curves;
mod kernel;
mod loss_curves;
mod optima;
mod regret;

use thiserror::Error;

pub use coordinates::coordinates;
pub use curves::curves;
pub use kernel::kernel;
pub use loss_curves::loss_curves;
pub use optima::optima;
pub use regret::regret;

use crate::{Analysis, Sweeps};

/// A finished picture. Both vector forms carry a `viewBox`, so they scale to the width of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// SVG for a page or a desktop screen, panels side by side.
    pub svg: String,
    /// SVG for a phone: the same panels stacked, so that the text stays readable.
    pub narrow_svg: String,
    /// PNG of [`Figure::svg`] at two pixels per unit.
    pub png: Vec<u8>,
}

/// The pictures of an analysis; one with nothing to draw is absent, as where everything diverged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// Loss against the hyperparameter.
    pub losses: Option<Figure>,
    /// The optimum against the axis.
    pub optima: Option<Figure>,
    /// What transfer costs.
    pub regret: Option<Figure>,
}

impl Pictures {
    /// Draws them.
    ///
    /// # Errors
    /// When a PNG cannot be made.
    pub fn draw(sweeps: &Sweeps, analysis: &Analysis) -> Result<Self, FigureError> {
        Ok(Self {
            losses: drawn(loss_curves(sweeps, analysis))?,
            optima: drawn(optima(analysis))?,
            regret: drawn(regret(analysis))?,
        })
    }

    /// Those that there are, by name of their file.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Figure)> {
        let all = [
            ("losses", &self.losses),
            ("optima", &self.optima),
            ("regret", &self.regret),
        ];
        all.into_iter()
            .filter_map(|(name, figure)| Some((name, figure.as_ref()?)))
    }
}

fn drawn(figure: Result<Figure, FigureError>) -> Result<Option<Figure>, FigureError> {
    match figure {
        Ok(figure) => Ok(Some(figure)),
        Err(FigureError::Empty { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A picture that cannot be drawn.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FigureError {
    /// No row has a finite value.
    #[error("nothing to draw in the figure {figure}: no row has a finite value")]
    Empty {
        /// Which figure.
        figure: &'static str,
    },
    /// The plotting library could not make an image of the figure.
    #[error("cannot make a PNG of the figure {figure}: {reason}")]
    Raster {
        /// Which figure.
        figure: &'static str,
        /// What the library said.
        reason: String,
    },
}
