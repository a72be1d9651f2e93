//! What can be wrong with shapes, widths or a request for a plan.

use crate::optimizer::Family;
use crate::role::Role;
use crate::shape::ParamName;
use crate::sizes::Size;

/// Why a plan could not be made. Each message names the parameter, the sizes and the next step.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    #[error(
        "parameter `{name}` has dimensions {base:?} in the base model and {other:?} in the {model} model"
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
    /// A tie under a form in which embedding and readout need different numbers for the same
    /// tensor.
    #[error(
        "`{readout}` is tied to `{embedding}`, but {rule} in the form {form} has another {quantity} for each"
    )]
    TiedConflict {
        /// The name in the forward pass.
        readout: ParamName,
        /// The parameter.
        embedding: ParamName,
        /// The parametrization.
        rule: String,
        /// Its form.
        form: String,
        /// What differs.
        quantity: &'static str,
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
    /// No table for the optimizer's family.
    #[error("rule `{rule}` has no table for {optimizer}, whose updates are {family}")]
    NoTable {
        /// The rule.
        rule: String,
        /// The optimizer.
        optimizer: String,
        /// Its family.
        family: Family,
    },
    /// A rule outside of what the theory covers.
    #[error(
        "`{rule}` under {optimizer} is not classified: it scales its backward pass apart from the forward pass"
    )]
    NotClassified {
        /// The rule.
        rule: String,
        /// The optimizer.
        optimizer: String,
    },
    /// A member of the uniform family that does not exist.
    #[error("`{name}` is no uniform parametrization: S goes from 0 to 1/2, as in uniform:1/4")]
    BadUniform {
        /// As typed.
        name: String,
    },
    /// A power that cannot be read.
    #[error(
        "`{text}` is no power of the ratios m_in, m_out, m_L, m_aspect, m_own, such as `m_in^-1/2 m_out`"
    )]
    BadPower {
        /// As typed.
        text: String,
    },
    /// A law with a power and its exponent.
    #[error("`{name}` and `{letter}` say the same thing; give one of them")]
    Twice {
        /// The power's key.
        name: String,
        /// The exponent's key.
        letter: String,
    },
    /// A user's table that cannot be read.
    #[error("table `{name}`: {message}")]
    BadTable {
        /// File or name of the table.
        name: String,
        /// What is wrong, and where.
        message: String,
    },
    /// Options that cannot be read.
    #[error("options: {message}")]
    BadOption {
        /// What is wrong.
        message: String,
    },
    /// A file of shapes that cannot be read.
    #[error("shapes in {format}: {message}")]
    BadShapes {
        /// `JSON`, `.bsh` or `safetensors`.
        format: &'static str,
        /// What is wrong, and where.
        message: String,
    },
    /// A hyperparameter that makes no sense.
    #[error("`{name}` is {value}; it must be {wanted}")]
    BadHyper {
        /// Which one, as in a file.
        name: String,
        /// What it is.
        value: f64,
        /// What it may be.
        wanted: &'static str,
    },
    /// A batch that has grown too much for a beta.
    #[error(
        "(1 - {beta}) m_B/m_D is {forgets:.3}, not between 0 and 1; lower the batch or raise {beta}"
    )]
    ForgetsAll {
        /// Which beta.
        beta: &'static str,
        /// What 1 minus the beta would be at the target.
        forgets: f64,
    },
}

impl Error {
    /// What to do about it, where there is something general to say.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => {
                Some("build base, delta and target from the same code at different widths")
            }
            Self::NotDeclaredGrowing { .. } => Some(
                "make this dimension differ between base and delta if it is a width, or keep it fixed",
            ),
            Self::UnknownAxes { .. } => Some(
                "say how weights are stored (layout out-in: torch, candle; in-out: burn, JAX); an embedding and a readout \
                 look alike in [vocabulary, width], so declare such a matrix input or output",
            ),
            Self::NothingGrows => {
                Some("build the delta model with another width than the base model")
            }
            Self::TiedConflict { .. } => Some("tied embeddings need the form table8 (or table9)"),
            Self::TooManyGrowing { .. } => {
                Some("keep fixed dimensions (vocabulary, context, kernel) equal in base and delta")
            }
            Self::NoTable { .. } => {
                Some("`mutransfer rules` lists which families each rule covers")
            }
            _ => None,
        }
    }
}

/// The value of this name among `all`, or an error that lists them.
pub(crate) fn named<T: Copy + ToString>(
    kind: &'static str,
    all: &[T],
    name: &str,
) -> Result<T, Error> {
    let found = all.iter().find(|value| value.to_string() == name).copied();
    found.ok_or_else(|| {
        unknown(
            kind,
            &all.iter().map(T::to_string).collect::<Vec<_>>(),
            name,
        )
    })
}

pub(crate) fn unknown<T: AsRef<str>>(kind: &'static str, all: &[T], name: &str) -> Error {
    let known = all.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    Error::Unknown {
        kind,
        name: name.to_owned(),
        known,
    }
}
