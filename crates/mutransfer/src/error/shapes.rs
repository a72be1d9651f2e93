//! What can be wrong with files of shapes.

use crate::shape::ParamName;

/// Why a text or file is none of shapes, in the format named.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapesError {
    /// The format's own syntax is broken, or its content is not what it should be.
    #[error("shapes in {format}: {message}")]
    Syntax {
        /// `JSON`, `.bsh` or `safetensors`.
        format: &'static str,
        /// What its reader says, and where.
        message: String,
    },
    /// Something else than what belongs there.
    #[error("shapes in {format}: expected {wanted}")]
    Unexpected {
        /// The format.
        format: &'static str,
        /// What belongs there.
        wanted: String,
    },
    /// A name given twice.
    #[error("shapes in {format}: parameter `{name}` is given twice")]
    GivenTwice {
        /// The format.
        format: &'static str,
        /// The name.
        name: ParamName,
    },
    /// It ends too early.
    #[error("shapes in {format}: the file ends too early")]
    Ends {
        /// The format.
        format: &'static str,
    },
    /// A header that is longer than what there is of it.
    #[error("shapes in {format}: {bytes} bytes end within the header")]
    ShortHeader {
        /// The format.
        format: &'static str,
        /// How many there are.
        bytes: usize,
    },
    /// A weight that is stored as packed integers.
    #[error("`{name}` is packed into integers, so that its sizes are not those of its layer")]
    Packed {
        /// The tensor.
        name: ParamName,
    },
    /// A tensor that an index lists and no file has.
    #[error("`{name}` is in the index but in none of its files")]
    NotInShards {
        /// The tensor.
        name: ParamName,
    },
    /// A group of an optimizer whose parameters have numbers and no names.
    #[error(
        "shapes in JSON (settings): group {group} has no names of parameters; torch keeps them as \
         `param_names` where the optimizer was made of named_parameters()"
    )]
    NamelessGroup {
        /// Which one, counted from 0.
        group: usize,
    },
    /// Settings without anything that a plan has.
    #[error("shapes in {format}: nothing to compare: no `params`, `param_groups` or `forward`")]
    NothingToCompare {
        /// The format.
        format: &'static str,
    },
}
