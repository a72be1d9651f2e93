//! What can be wrong with shapes, widths or a request for a plan.

use crate::{ParamName, Role};

/// Why a plan could not be made. Each message names the parameter, the sizes and the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter exists in one model and not in the other.
    #[error("parameter `{name}` of the {present} model is missing in the {absent} model")]
    Missing {
        /// The parameter.
        name: ParamName,
        /// Model that has it.
        present: &'static str,
        /// Model that lacks it.
        absent: &'static str,
    },
    /// A parameter has another number of dimensions in another model.
    #[error("parameter `{name}` has dimensions {base:?} in the base model and {other:?} in the {model} model")]
    Rank {
        /// The parameter.
        name: ParamName,
        /// Its dimensions in the base model.
        base: Vec<usize>,
        /// Its dimensions in the other model.
        other: Vec<usize>,
        /// Which model the other is.
        model: &'static str,
    },
    /// A dimension that does not grow from base to delta has another size in the target.
    #[error(
        "axis {axis} of parameter `{name}` is {base} in the base and delta models but {target} in the target model"
    )]
    NotDeclaredGrowing {
        /// The parameter.
        name: ParamName,
        /// Which of its dimensions.
        axis: usize,
        /// Size in base and delta.
        base: usize,
        /// Size in the target.
        target: usize,
    },
    /// A dimension of size zero.
    #[error("axis {axis} of parameter `{name}` has size zero in the {model} model")]
    ZeroDimension {
        /// The parameter.
        name: ParamName,
        /// Which of its dimensions.
        axis: usize,
        /// Which model.
        model: &'static str,
    },
    /// More dimensions grow than a parametrization can place.
    #[error("axes {axes:?} of parameter `{name}` grow; at most a fan-in and a fan-out axis can")]
    TooManyGrowing {
        /// The parameter.
        name: ParamName,
        /// The axes that grow.
        axes: Vec<usize>,
    },
    /// Shapes alone do not say which axis a layer sums over.
    #[error("parameter `{name}` of dimensions {dims:?} grows, but which axis is fan-in is unknown")]
    UnknownAxes {
        /// The parameter.
        name: ParamName,
        /// Its dimensions in the base model.
        dims: Vec<usize>,
    },
    /// The axes name a dimension that the parameter does not have.
    #[error("parameter `{name}` has {rank} dimensions, its axes name dimension {axis}")]
    AxisOutOfRange {
        /// The parameter.
        name: ParamName,
        /// How many dimensions it has.
        rank: usize,
        /// The axis asked for.
        axis: usize,
    },
    /// A declaration that the sizes contradict.
    #[error("parameter `{name}` is declared {declared} but its growing axes make it {found}")]
    Contradiction {
        /// The parameter.
        name: ParamName,
        /// The role declared.
        declared: Role,
        /// The role its sizes imply.
        found: Role,
    },
    /// A pattern that no parameter matches.
    #[error("no parameter matches `{pattern}`")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// Nothing grows between base and delta, so every ratio would be 1.
    #[error("no dimension grows between the base and the delta model")]
    NothingGrows,
    /// A name that is none of the known ones.
    #[error("unknown {kind} `{name}`; known: {known}")]
    Unknown {
        /// What was asked for, such as `rule`.
        kind: &'static str,
        /// The name given.
        name: String,
        /// The names there are, separated by commas.
        known: String,
    },
}

impl Error {
    /// What to do about it, where there is something general to say.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("build base, delta and target from the same code at different widths"),
            Self::NotDeclaredGrowing { .. } => {
                Some("make this dimension differ between base and delta if it is a width, or keep it fixed")
            }
            Self::UnknownAxes { .. } => {
                Some("give the fan-in and fan-out axes: an embedding and a readout look alike in [vocabulary, width]")
            }
            Self::NothingGrows => Some("build the delta model with another width than the base model"),
            _ => None,
        }
    }
}

/// The value of this name among `all`, or an error that lists them.
pub(crate) fn named<T: Copy + ToString>(kind: &'static str, all: &[T], name: &str) -> Result<T, Error> {
    all.iter().find(|value| value.to_string() == name).copied().ok_or_else(|| Error::Unknown {
        kind,
        name: name.to_owned(),
        known: all.iter().map(T::to_string).collect::<Vec<_>>().join(", "),
    })
}
