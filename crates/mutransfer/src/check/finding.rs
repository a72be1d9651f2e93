//! What is found wrong.

use super::lints::{Lint, MU001, MU002, MU005, MU006, MU008, MU015};
use crate::error::{Error, PlanError, WidthsError};
use crate::shape::ParamName;

/// Something found wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What kind of thing.
    pub lint: &'static Lint,
    /// The parameter, if it is about one.
    pub parameter: Option<ParamName>,
    /// The sizes, the numbers and the next step.
    pub message: String,
}

impl Finding {
    /// About no parameter.
    pub(super) fn general(lint: &'static Lint, message: impl Into<String>) -> Self {
        Self {
            lint,
            parameter: None,
            message: message.into(),
        }
    }

    /// About a parameter.
    pub(super) fn of(name: &ParamName, lint: &'static Lint, message: impl Into<String>) -> Self {
        Self {
            lint,
            parameter: Some(name.clone()),
            message: message.into(),
        }
    }

    /// A matrix that may be readout or embedding.
    pub(super) fn undeclared(name: &ParamName, dims: &[usize]) -> Self {
        let message = format!(
            "dimensions {dims:?} grow in the fan-in only; declare `{name}` output, input if it is \
             an embedding, or hidden if it stays inside the network"
        );
        Self::of(name, MU001, message)
    }

    /// What an error of widths or planning amounts to.
    pub fn of_error(error: &Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Widths(error) => Self::of_widths(error, message),
            Error::Plan(PlanError::TiedConflict { readout, .. }) => {
                Self::of(readout, MU005, message)
            }
            _ => Self::general(MU008, message),
        }
    }

    fn of_widths(error: &WidthsError, message: String) -> Self {
        match error {
            WidthsError::NothingGrows => Self::general(MU002, message),
            WidthsError::UnknownAxes { name, .. } => Self::of(name, MU006, message),
            WidthsError::NoWidth { name, .. } | WidthsError::Unproven { name, .. } => {
                Self::of(name, MU015, message)
            }
            WidthsError::Missing { name, .. }
            | WidthsError::Rank { name, .. }
            | WidthsError::SameInDelta { name, .. }
            | WidthsError::UnequalBlocks { other: name, .. }
            | WidthsError::ZeroDimension { name, .. }
            | WidthsError::TooManyGrowing { name, .. }
            | WidthsError::AxisOutOfRange { name, .. }
            | WidthsError::SameAxis { name, .. }
            | WidthsError::Contradiction { name, .. } => Self::of(name, MU008, message),
            _ => Self::general(MU008, message),
        }
    }
}
