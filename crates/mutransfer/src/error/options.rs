//! What can be wrong with options.

/// Why choices cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Options that cannot be read.
    #[error("options: {message}")]
    Malformed {
        /// What is wrong.
        message: String,
    },
}
