//! What is trained on: which kind of data, where it lies, and its fingerprint.

use serde::{Deserialize, Serialize};

/// The data of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Which kind it is of.
    pub kind: DataKind,
    /// Where it was when the trial was made; nowhere if it is built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Fingerprint of what it holds, in hexadecimal.
    pub fingerprint: String,
}

/// Kinds of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataKind {
    /// The built-in language, or the built-in images, as the model needs it.
    Synthetic,
    /// A text.
    Text,
    /// Images with labels.
    Images,
    /// What a program of the user reads by itself.
    Own,
}

impl Data {
    /// Whether the two hold the same, wherever they lie.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.kind, &self.fingerprint) == (other.kind, &other.fingerprint)
    }
}
