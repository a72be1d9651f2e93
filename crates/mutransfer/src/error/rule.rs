//! What can be wrong with parametrizations and tables.

use crate::names::UnknownName;
use crate::optimizer::Family;
use crate::role::Role;

/// Why a parametrization cannot be had, or does not cover what is asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
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
        "`{rule}` under {optimizer} is not classified: it scales its backward pass apart \
         from the forward pass"
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
        "`{text}` is no power of the ratios m_in, m_out, m_L, m_aspect, m_own, m_H, m_a, \
         m_E, such as \
         `m_in^-1/2 m_out`"
    )]
    BadPower {
        /// As typed.
        text: String,
    },
    /// An exponent that cannot be read.
    #[error("`{text}` is no exponent: give a number from -10 to 10, such as \"-1/2\" or 0.5")]
    BadExponent {
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
    #[error("table `{name}`: {flaw}")]
    Table {
        /// File or name of the table.
        name: String,
        /// What is wrong.
        flaw: TableFlaw,
    },
}

/// What is wrong with a user's table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableFlaw {
    /// It is no such TOML.
    #[error("{0}")]
    Syntax(String),
    /// Its optimizer family does not exist.
    #[error(transparent)]
    Family(UnknownName),
    /// A law cannot be read.
    #[error("[{role}] {error}")]
    Law {
        /// Of which role.
        role: Role,
        /// Why.
        error: Box<RuleError>,
    },
    /// The power of the attention scale cannot be read.
    #[error("attention: {0}")]
    Attention(Box<RuleError>),
}
