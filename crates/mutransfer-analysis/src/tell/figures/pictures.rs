//! The pictures of an analysis together.

use crate::table::sweep::Sweeps;
use crate::tell::figures::figure::{Figure, FigureError};
use crate::tell::figures::loss_curves::loss_curves;
use crate::tell::figures::optima::optima;
use crate::tell::figures::regret::regret;
use crate::transfer::analysis::Analysis;

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
