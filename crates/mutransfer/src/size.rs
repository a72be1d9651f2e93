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
    /// Experts that a token may be routed to; 1 where the feed-forward layer is dense.
    #[strum(to_string = "number of experts")]
    Experts,
    /// Experts that each token is routed to; 1 where the layer is dense.
    #[strum(to_string = "number of active experts")]
    Active,
    /// Hidden width of one routed expert; of the feed-forward layer where it is dense.
    #[strum(to_string = "width of an expert")]
    ExpertWidth,
    /// Hidden widths of all shared experts together; 0 without any.
    #[strum(to_string = "width of shared experts")]
    SharedWidth,
}

impl Size {
    /// What it counts.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Depth => "blocks",
            Self::HeadDim | Self::ExpertWidth | Self::SharedWidth => "entries",
            Self::Batch => "examples",
            Self::Tokens => "tokens",
            Self::Experts | Self::Active => "experts",
        }
    }
}
