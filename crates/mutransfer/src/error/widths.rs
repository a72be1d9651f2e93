//! What can be wrong with the sizes of models and what is declared about them.

use crate::role::Role;
use crate::shape::ParamName;
use crate::size::Size;
use crate::stack::Stack;

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
    /// A dimension of a block that base and delta agree on, and that grows in the target.
    #[error(
        "axis {axis} of parameter `{name}` is {base} in the base and delta models but {target} in \
         the target model, in a block, where sizes are widths"
    )]
    SameInDelta {
        /// The parameter.
        name: ParamName,
        /// Which of its dimensions.
        axis: usize,
        /// Size in base and delta.
        base: usize,
        /// Size in the target.
        target: usize,
    },
    /// A dimension that grows, and nothing shows that it is a width and none of the data.
    #[error(
        "axis {axis} of parameter `{name}` grows from {base} to {target}, and nothing shows that \
         it is a width: widths grow by {widths}"
    )]
    NoWidth {
        /// The parameter.
        name: ParamName,
        /// Which of its dimensions.
        axis: usize,
        /// Size in the base.
        base: usize,
        /// Size in the target.
        target: usize,
        /// How many dimensions it has.
        rank: usize,
        /// Factors of what are widths.
        widths: String,
    },
    /// Hidden by its sizes, which may be of the data.
    #[error(
        "parameter `{name}` of dimensions {base:?} and {target:?} grows in two axes as a hidden \
         matrix does, but {doubt}"
    )]
    Unproven {
        /// The parameter.
        name: ParamName,
        /// Its dimensions in the base.
        base: Vec<usize>,
        /// Its dimensions in the target.
        target: Vec<usize>,
        /// Why it may be none.
        doubt: &'static str,
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
    /// Its fan-in grows alone, as that of a readout, and it is in a block.
    #[error(
        "parameter `{name}` of dimensions {dims:?} grows in its fan-in only, as a readout does, \
         but is in a block"
    )]
    ReadoutInBlock {
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
    /// Blocks of one stack that differ in their sizes, so that those of more blocks are unknown.
    #[error(
        "parameters `{one}` and `{other}` have the sizes {left:?} and {right:?} in the base model, \
         so those of more such blocks are unknown"
    )]
    UnequalBlocks {
        /// A parameter of a block.
        one: ParamName,
        /// The same parameter of another block.
        other: ParamName,
        /// Sizes of the first.
        left: Vec<usize>,
        /// Sizes of the other.
        right: Vec<usize>,
    },
    /// The names count other blocks than declared.
    #[error(
        "a depth of {base} and {target} blocks{} is not what the parameters' names count: {}",
        name.as_ref().map(|name| format!(" in `{name}`")).unwrap_or_default(),
        counts(found)
    )]
    OtherDepth {
        /// The stack, if one was named.
        name: Option<String>,
        /// Blocks of the base, as declared.
        base: usize,
        /// Blocks of the target, as declared.
        target: usize,
        /// What the names count.
        found: Vec<Stack>,
    },
    /// Blocks of which only the target's number is known, as the base is given at that.
    #[error(
        "`{name}` has {blocks} blocks in the target and in the base, which is given at the \
         target's number, so how many it has by itself is unknown"
    )]
    UnsaidDepth {
        /// What their names have in common.
        name: String,
        /// How many there are.
        blocks: usize,
    },
    /// Something that is no block differs in number.
    #[error("`{name}` are {base} in the base model and {target} in the target, and are no blocks")]
    OtherNumber {
        /// What their names have in common.
        name: String,
        /// How many the base has.
        base: usize,
        /// How many the target has.
        target: usize,
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

fn counts(stacks: &[Stack]) -> String {
    let count = |stack: &Stack| format!("`{}` {} and {}", stack.name, stack.base, stack.target);
    match stacks {
        [] => "no blocks at all".to_owned(),
        stacks => stacks.iter().map(count).collect::<Vec<_>>().join(", "),
    }
}
