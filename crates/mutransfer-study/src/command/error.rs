//! What can go wrong with a program that trains.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::shapes::ShapesFileError;

/// Why a program cannot be run, or came to nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Nothing to run.
    #[error("`command` names no program")]
    NoCommand,
    /// A placeholder that stands for nothing.
    #[error("`{text}` has the placeholder {{{name}}}, which stands for nothing; there are {known}")]
    Placeholder {
        /// Where it is.
        text: String,
        /// What it is called.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A file that the program is.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file for the program.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program is another one than it was.
    #[error("a file of `{command}` has changed since the study began")]
    Changed {
        /// The program.
        command: String,
    },
    /// Files of shapes.
    #[error("`shapes`")]
    Shapes(#[source] ShapesFileError),
    /// A command that is to print shapes.
    #[error("`shapes`: {command} prints no shapes")]
    Printed {
        /// The command.
        command: String,
        /// Why.
        source: mutransfer::Error,
    },
    /// A table of losses.
    #[error("{path}: {problem}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A program that cannot be started.
    #[error("cannot start `{command}`")]
    Start {
        /// The program.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A program that failed.
    #[error("`{command}` ended with {status}{said}")]
    Ended {
        /// The program.
        command: String,
        /// Its exit status.
        status: String,
        /// The last line that it wrote, if it wrote one.
        said: String,
    },
    /// A program that told no loss.
    #[error("`{command}` ended without telling its loss{}", because(missing.as_deref()))]
    NoLoss {
        /// The program.
        command: String,
        /// What is missing, where it writes no JSON lines.
        missing: Option<String>,
    },
    /// A program that took too long.
    #[error("`{command}` was ended after its time limit, {limit:?}")]
    TimeLimit {
        /// The program.
        command: String,
        /// The limit.
        limit: Duration,
    },
    /// A program that took too much memory.
    #[error(
        "`{command}` was ended as it took {taken} MiB, more than its memory limit, {limit} MiB"
    )]
    MemoryLimit {
        /// The program.
        command: String,
        /// What it took.
        taken: u64,
        /// The limit.
        limit: u64,
    },
    /// It was asked to stop.
    #[error("interrupted")]
    Stopped,
    /// A program that measured no coordinates.
    #[error("`{command}` tells no coordinates")]
    NoCoordinates {
        /// The program.
        command: String,
    },
    /// A module of which nobody says what it is.
    #[error("`{command}` measures the module `{module}`, of which the plan has no weight")]
    UnknownModule {
        /// The program.
        command: String,
        /// The module.
        module: String,
    },
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fix {
    /// Tell the loss.
    TellLoss,
    /// Tell coordinates, or say that there are none.
    TellCoordinates,
    /// Say what a module is.
    TellLayer,
    /// Raise the limit.
    RaiseLimit,
    /// Begin the study again.
    BeginAgain,
}

fn because(missing: Option<&str>) -> String {
    missing.map_or_else(String::new, |missing| format!(": {missing}"))
}

impl CommandError {
    /// A program that failed, with the last line of what it said.
    pub(super) fn ended(command: &str, status: &str, said: &str) -> Self {
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        Self::Ended {
            command: command.to_owned(),
            status: status.to_owned(),
            said: last.map_or_else(String::new, |line| format!(": {line}")),
        }
    }

    /// Whether another try may come to something.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::NoLoss { .. })
    }

    /// What to do about it, where that is known.
    pub fn fix(&self) -> Option<Fix> {
        match self {
            Self::NoLoss { .. } => Some(Fix::TellLoss),
            Self::NoCoordinates { .. } => Some(Fix::TellCoordinates),
            Self::UnknownModule { .. } => Some(Fix::TellLayer),
            Self::TimeLimit { .. } | Self::MemoryLimit { .. } => Some(Fix::RaiseLimit),
            Self::Changed { .. } => Some(Fix::BeginAgain),
            _ => None,
        }
    }
}
