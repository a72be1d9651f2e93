//! The kinds of sizes that no axis of a tensor shows.

use strum::EnumCount;

/// A size of a model or of its training that no axis of a tensor shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Size {
    /// Residual blocks.
    Depth,
    /// Entries of an attention head.
    #[strum(to_string = "head")]
    HeadDim,
    /// Examples in a batch.
    Batch,
    /// Tokens, or examples, in all of the training.
    #[strum(to_string = "duration")]
    Tokens,
}

impl Size {
    /// What it counts.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Depth => "blocks",
            Self::HeadDim => "entries",
            Self::Batch => "examples",
            Self::Tokens => "tokens",
        }
    }
}
