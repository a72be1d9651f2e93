//! The variants of transformers.

use serde::{Deserialize, Serialize};

/// A part of a transformer in another than its usual form.
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
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Variant {
    /// The readout is the embedding of the tokens.
    Tied,
    /// RMS norm instead of layer norm.
    RmsNorm,
    /// Rotary positions instead of learned ones (2104.09864).
    Rope,
    /// SwiGLU instead of GELU, with a gate beside the layer that reads (2002.05202).
    Swiglu,
    /// RMS norm of queries and keys, head by head (2010.04245).
    QkNorm,
    /// Two query heads share a key and a value (2305.13245).
    GroupedKv,
    /// Norms after each branch instead of before it, as in the first transformers.
    PostNorm,
    /// No norm of the residual stream: none before branches, none before the readout.
    NoNorm,
}

impl Variant {
    /// All there are.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;
}

/// The variants of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variants(pub Vec<Variant>);

impl Variants {
    /// Whether this one is among them.
    pub fn has(&self, variant: Variant) -> bool {
        self.0.contains(&variant)
    }
}

/// Query heads that share a key and a value, with [`Variant::GroupedKv`].
pub(crate) const GROUP: usize = 2;
