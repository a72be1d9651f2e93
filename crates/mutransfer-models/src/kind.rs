//! The kinds of models.

use serde::{Deserialize, Serialize};

/// Which family of models.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::VariantArray,
    strum::VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// Transformer that predicts the next token.
    Gpt,
    /// Transformer that predicts hidden tokens.
    Bert,
    /// The first, with a mixture of experts in every block.
    Moe,
    /// Multilayer perceptron over a window of tokens, or over an image.
    Mlp,
    /// Convolutional network.
    Cnn,
    /// Residual convolutional network with batch norm.
    ResNet,
}

/// What distinguishes the kinds, beside the modules that they are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it does with text, if it reads any.
    pub text: Option<TextTask>,
    /// Whether it tells images apart.
    pub images: bool,
    /// Whether it has attention, and with it heads, variants and an order of tokens.
    pub is_transformer: bool,
    /// Whether its feed-forward layers are mixtures of experts.
    pub has_experts: bool,
    /// What its width is a multiple of.
    pub width_unit: usize,
}

/// What a model does with text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTask {
    /// Predicts each next token from those before it.
    NextToken,
    /// Predicts tokens that are hidden from it, from all others. One more token than the text has
    /// says that one is hidden.
    HiddenTokens,
}

impl Kind {
    /// All there are.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// All there is to know of a kind. To add one, add a row here and its modules in
    /// `architecture.rs` and `trainer.rs`.
    pub const fn facts(self) -> Facts {
        let transformer = Facts {
            text: Some(TextTask::NextToken),
            images: false,
            is_transformer: true,
            has_experts: false,
            width_unit: 1,
        };
        let network = Facts {
            text: None,
            images: true,
            is_transformer: false,
            has_experts: false,
            width_unit: 1,
        };
        match self {
            Self::Gpt => transformer,
            Self::Bert => Facts {
                text: Some(TextTask::HiddenTokens),
                ..transformer
            },
            Self::Moe => Facts {
                has_experts: true,
                ..transformer
            },
            Self::Mlp => Facts {
                text: Some(TextTask::NextToken),
                ..network
            },
            Self::Cnn => Facts {
                width_unit: CHANNELS,
                ..network
            },
            Self::ResNet => network,
        }
    }

    /// Whether it has attention.
    pub const fn is_transformer(self) -> bool {
        self.facts().is_transformer
    }
}

/// The width of a convolutional network over the number of its channels.
pub(crate) const CHANNELS: usize = 4;
