//! What can be wrong with hyperparameters.

/// Why hyperparameters make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HyperError {
    /// A hyperparameter that makes no sense.
    #[error("`{name}` is {value}; it must be {wanted}")]
    OutOfRange {
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
