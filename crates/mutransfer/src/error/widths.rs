//! What can be wrong with the sizes of models and what is declared about them.

use crate::role::Role;
use crate::shape::ParamName;
use crate::size::Size;

/// Why sizes and declarations do not fit each other. Each message names the parameter and the
/// sizes.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WidthsError {
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
    #[error(
        "parameter `{name}` has dimensions {base:?} in the base model and {other:?} in the \
         {model} model"
    )]
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
        "axis {axis} of parameter `{name}` is {base} in the base and delta models but \
         {target} in the target model"
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
        /// Its dimensions.
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
    /// One dimension as both ends of a layer.
    #[error("axis {axis} of parameter `{name}` cannot be both fan-in and fan-out")]
    SameAxis {
        /// The parameter.
        name: ParamName,
        /// The axis.
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
    /// Tied parameters of different sizes.
    #[error("`{readout}` cannot be tied to `{embedding}`: dimensions {right:?} and {left:?}")]
    TiedSizes {
        /// The name that would go.
        readout: ParamName,
        /// The parameter that would stay.
        embedding: ParamName,
        /// Its dimensions.
        left: Vec<usize>,
        /// Those of the other.
        right: Vec<usize>,
    },
    /// A parameter tied to itself.
    #[error("`{name}` cannot be tied to itself")]
    TiedToItself {
        /// The parameter.
        name: ParamName,
    },
    /// A size of zero.
    #[error("a {size} of zero {}", size.unit())]
    ZeroSize {
        /// Which size.
        size: Size,
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
}
