//! What can be wrong with a model or its data.

use std::io;
use std::path::{Path, PathBuf};

use mutransfer::{ParamName, Role};

use crate::data::images::flaw::ImageFlaw;
use crate::kind::Kind;
use crate::variant::Variant;

/// Why a model cannot be built or its data not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Heads do not tile the width.
    #[error("{of} {size} is not divisible by {what} {divisor}")]
    NotDivisible {
        /// What is to be divided.
        of: &'static str,
        /// Its size.
        size: usize,
        /// Which setting has to divide it.
        what: &'static str,
        /// Its value.
        divisor: usize,
    },
    /// A name that is not in a list.
    #[error("unknown {what} `{name}`; known: {known}")]
    Unknown {
        /// What the list is of.
        what: &'static str,
        /// The name given.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A multiplier that no model applies.
    #[error(
        "`{name}`, a {role} parameter, is to be multiplied by {multiplier} in the forward pass; \
         the built-in models multiply inputs, the readout, attention and residual branches only"
    )]
    Multiplier {
        /// The parameter.
        name: ParamName,
        /// Its role.
        role: Role,
        /// The number.
        multiplier: f64,
    },
    /// A depth that differs from the base's where there are no residual branches.
    #[error("{kind} has no rule over depth: it has no residual branches")]
    NoDepth {
        /// The model.
        kind: Kind,
    },
    /// A rule that starts smaller what ends branches, which are norms.
    #[error(
        "{rule} starts what ends residual branches smaller, and those of {kind} end in norms, \
         whose gains start at 1"
    )]
    NormEnds {
        /// The model.
        kind: Kind,
        /// The parametrization.
        rule: String,
    },
    /// The change of the residual stream of what is no transformer.
    #[error("updates along depth are measured of transformers, and {kind} is none")]
    NoStream {
        /// The model.
        kind: Kind,
    },
    /// Experts of what has none.
    #[error("{kind} has no experts; moe does")]
    NoExperts {
        /// The model.
        kind: Kind,
    },
    /// A depth that differs from the base's in a model with its norms after the branches.
    #[error(
        "no rule transfers over depth with norms after the branches; the depth is {depth}, the \
         base's {base_depth}"
    )]
    PostNorm {
        /// Blocks.
        depth: usize,
        /// Blocks of the base.
        base_depth: usize,
    },
    /// A variant of transformers for another model.
    #[error("`{variant}` is a variant of transformers, and {kind} is none")]
    NoTransformer {
        /// The model.
        kind: Kind,
        /// The variant.
        variant: Variant,
    },
    /// A multiplier that no model applies.
    #[error("the models have no multiplier on {role} parameters, only on readout and attention")]
    NoMultiplier {
        /// The role whose multiplier has a factor.
        role: mutransfer::Role,
    },
    /// A model for other data.
    #[error("the model {kind} needs {wanted}, and the data is {given}")]
    WrongData {
        /// The model.
        kind: Kind,
        /// What it needs.
        wanted: &'static str,
        /// What it got.
        given: &'static str,
    },
    /// More active experts than there are.
    #[error("active is {active}, and there are {count} experts")]
    Active {
        /// Experts that each token would be routed to.
        active: usize,
        /// Experts there are.
        count: usize,
    },
    /// A factor on the auxiliary loss that would be none.
    #[error("the factor on the auxiliary loss is {factor}; it must be 0 or more")]
    Auxiliary {
        /// The factor.
        factor: f64,
    },
    /// A size that must be positive.
    #[error("{what} is zero")]
    Zero {
        /// Which size.
        what: &'static str,
    },
    /// A file or folder that cannot be read.
    #[error("cannot read data at {path}")]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder without a single byte of text.
    #[error("data at {path} is empty")]
    Empty {
        /// Where.
        path: PathBuf,
    },
    /// Less data than one batch needs.
    #[error(
        "data at {path} has {bytes} bytes, of which {part} gets {available}; \
         it needs {needed} ({why})"
    )]
    TooShort {
        /// Where.
        path: PathBuf,
        /// Size of all data.
        bytes: usize,
        /// `training` or `validation`.
        part: &'static str,
        /// Bytes in that part.
        available: usize,
        /// Bytes one batch reads.
        needed: usize,
        /// How that number comes about.
        why: String,
    },
    /// Files of images that are not what their format says, or not fit to train on.
    #[error("data at {path} {flaw}")]
    Images {
        /// Which file, or the folder where no single file is at fault.
        path: PathBuf,
        /// What is wrong with it.
        flaw: ImageFlaw,
    },
    /// Crops that would leave nothing of an image.
    #[error("crop is {crop}; an image of {height} x {width} pixels would be shifted out of sight")]
    Crop {
        /// Pixels by which it is shifted.
        crop: usize,
        /// Rows of an image.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// Training blew up.
    #[error(
        "rule {rule}, width {width}, seed {seed}: the loss is not finite after {step} steps \
         at learning rate {learning_rate}"
    )]
    NotFinite {
        /// Name of the parametrization.
        rule: String,
        /// Width of the model.
        width: usize,
        /// Seed of weights and data.
        seed: u64,
        /// Learning rate of the base.
        learning_rate: f64,
        /// Steps made.
        step: usize,
    },
    /// A hyperparameter that nothing of the model follows.
    #[error("the model {kind} has no use for {what}")]
    NoUse {
        /// The model.
        kind: Kind,
        /// The hyperparameter.
        what: String,
    },
    /// The parametrization does not fit the model.
    #[error(transparent)]
    Plan(#[from] mutransfer::Error),
}

impl Error {
    /// What a file system says about a path.
    pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }

    /// Something wrong with the images at a path.
    pub(crate) fn images(path: &Path, flaw: ImageFlaw) -> Self {
        Self::Images {
            path: path.to_owned(),
            flaw,
        }
    }
}
