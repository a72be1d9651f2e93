//! What can go wrong between a study file and its results.

use std::path::PathBuf;

/// Why a study cannot be read, run or stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A study file that is no TOML, or has unknown or ill-typed keys.
    #[error("cannot read the study {path}")]
    Study {
        /// The file.
        path: PathBuf,
        /// Where in the file, and what.
        source: Box<toml::de::Error>,
    },
    /// A recipe that is no TOML, or has unknown, missing or ill-typed keys.
    #[error("cannot read the recipe {path}")]
    Recipe {
        /// The file.
        path: PathBuf,
        /// Where in the file, and what.
        source: Box<toml::de::Error>,
    },
    /// A value of a study that makes no sense.
    #[error("`{key}` {problem}")]
    Value {
        /// The key of the study file.
        key: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
    /// A file or folder that cannot be read or written.
    #[error("cannot {verb} {path}")]
    File {
        /// `read`, `write` or `create`.
        verb: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A record that some program has damaged.
    #[error("the record {path} is damaged: {problem}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A worker process that could not be started.
    #[error("cannot start a worker process")]
    Spawn(#[source] std::io::Error),
}

impl Error {
    pub(crate) fn value(key: &'static str, problem: impl Into<String>) -> Self {
        Self::Value {
            key,
            problem: problem.into(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Study { .. } => Some("`mutransfer transfer --help` lists the keys of a study"),
            Self::Recipe { .. } => {
                Some("`mutransfer recipe show mnist-mlp` prints one to start from")
            }
            Self::Corrupt { .. } => {
                Some("delete the folder of this record; the same command runs its trial again")
            }
            Self::File {
                verb: "write" | "create",
                ..
            } => Some("choose a folder you may write to with --out"),
            _ => None,
        }
    }
}
