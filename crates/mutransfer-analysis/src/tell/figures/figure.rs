//! A finished picture, or why there is none.

use thiserror::Error;

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
