//! What can be wrong, stage by stage, and what kind of thing mends it.

mod hyper;
mod options;
mod plan;
mod rule;
mod shapes;
mod widths;

pub use hyper::HyperError;
pub use options::OptionsError;
pub use plan::PlanError;
pub use rule::{RuleError, TableFlaw};
pub use shapes::ShapesError;
pub use widths::WidthsError;

use crate::names::UnknownName;

/// Why a plan could not be made, by the stage that failed. Each message names the thing and the
/// place; [`Error::fix`] is the kind of next step.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is none of the known ones.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// Reading shapes.
    #[error(transparent)]
    Shapes(#[from] ShapesError),
    /// Comparing shapes, and declaring what they do not say.
    #[error(transparent)]
    Widths(#[from] WidthsError),
    /// Choosing a parametrization.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// Choosing among its options.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// Applying it to a model.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Choosing hyperparameters.
    #[error(transparent)]
    Hyper(#[from] HyperError),
}

/// The kind of thing that mends an error; a front end knows how its user does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fix {
    /// Build all models from the same code at different sizes.
    SameCode,
    /// Let the dimension differ between base and delta if it is a width, or keep it fixed.
    GrowOrKeep,
    /// Say how weights are stored, or what role the parameter has.
    Orient,
    /// Say which role the parameter has, or give a delta model.
    DeclareRole,
    /// Say which number in the names counts blocks, and how many there are.
    NameStack,
    /// Give the delta model another width than the base.
    WidenDelta,
    /// Keep fixed dimensions equal in base and delta.
    KeepFixed,
    /// Take a form in which one tensor can be embedding and readout.
    FormForTies,
    /// Take a rule that covers the optimizer.
    OtherRule,
    /// Say which parameters end residual branches.
    DeclareBranchEnds,
    /// Say how many experts are active, and how wide one is.
    DeclareExperts,
}

impl Error {
    /// What to do about it, where there is something general to say.
    pub fn fix(&self) -> Option<Fix> {
        match self {
            Self::Widths(WidthsError::Missing { .. }) => Some(Fix::SameCode),
            Self::Widths(WidthsError::SameInDelta { .. }) => Some(Fix::GrowOrKeep),
            Self::Widths(
                WidthsError::NoWidth { .. }
                | WidthsError::Unproven { .. }
                | WidthsError::ReadoutInBlock { .. },
            ) => Some(Fix::DeclareRole),
            Self::Widths(
                WidthsError::OtherDepth { .. }
                | WidthsError::UnequalBlocks { .. }
                | WidthsError::UnsaidDepth { .. },
            ) => Some(Fix::NameStack),
            Self::Widths(WidthsError::UnknownAxes { .. }) => Some(Fix::Orient),
            Self::Widths(WidthsError::NothingGrows) => Some(Fix::WidenDelta),
            Self::Widths(WidthsError::TooManyGrowing { .. }) => Some(Fix::KeepFixed),
            Self::Plan(PlanError::TiedConflict { .. }) => Some(Fix::FormForTies),
            Self::Plan(PlanError::NoBranchEnds { .. }) => Some(Fix::DeclareBranchEnds),
            Self::Plan(PlanError::NoActiveWidth { .. }) => Some(Fix::DeclareExperts),
            Self::Plan(PlanError::UnknownExpert { .. }) => Some(Fix::DeclareRole),
            Self::Rule(RuleError::NoTable { .. }) => Some(Fix::OtherRule),
            _ => None,
        }
    }
}
