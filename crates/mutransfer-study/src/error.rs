//! What can go wrong, by the stage at which it does. Messages name the thing and the place; what to
//! do about it is said by who runs the study, who knows how it was asked for.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::axis::Axis;
use crate::rule::FindError;
use crate::search::SearchError;
use crate::subject::Problem;

/// Why the file of a study or a recipe is none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be read at all.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML, or has unknown, missing or ill-typed keys.
    #[error("cannot read the {what} {path}")]
    Toml {
        /// What it should be.
        what: What,
        /// The file.
        path: PathBuf,
        /// Where in the file, and what.
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{path}: `{key}` {problem}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong with its value.
        problem: String,
    },
    /// What it is to search for makes no sense.
    #[error("{path}: {problem}")]
    Search {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: SearchError,
    },
    /// It names a rule that is none.
    #[error("{path}: `rules` names {typed}")]
    Rule {
        /// The file.
        path: PathBuf,
        /// The rule as it is written there.
        typed: String,
        /// Why it is none.
        source: FindError,
    },
}

/// What a file should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A study.
    Study,
    /// A recipe.
    Recipe,
    /// A search.
    Search,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Study => "study",
            Self::Recipe => "recipe",
            Self::Search => "search",
        })
    }
}

impl ReadError {
    pub(crate) fn value(path: &Path, key: &str, problem: impl Into<String>) -> Self {
        Self::Value {
            path: path.to_owned(),
            key: key.to_owned(),
            problem: problem.into(),
        }
    }
}

/// Why an output folder cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or folder that cannot be read or written.
    #[error("cannot {verb} {path}")]
    File {
        /// What was to be done with it.
        verb: Verb,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record that some program has damaged.
    #[error("the record {path} is damaged: {problem}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that is in the way and was written by somebody else.
    #[error("{path} was not written by this program, and would be overwritten")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A database that another version of this program wrote.
    #[error("{path} is of version {found}, and this program knows {known}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The one that is known.
        known: i64,
    },
    /// A trial in the database of which something is damaged.
    #[error("trial {id} in {path} is damaged: {problem}")]
    Row {
        /// The file.
        path: PathBuf,
        /// Name of the trial.
        id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The database of a study that cannot be read or written.
    #[error("cannot use the database {path}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A folder in which another process runs a study.
    #[error("{folder} is in use by {who}")]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Its host, its number and since when, where that is known.
        who: String,
    },
    /// A folder without a study.
    #[error("{path} holds no study")]
    NoStudy {
        /// The folder.
        path: PathBuf,
    },
    /// A folder as versions left it that kept no database.
    #[error("{path} has results of a study, and no database of it")]
    Older {
        /// The folder.
        path: PathBuf,
    },
}

/// What to do about an output folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fix {
    /// Free some of its disk.
    MakeRoom,
    /// Put it back where it was, or begin anew.
    PutBack,
    /// Choose one that may be written to.
    ChooseFolder,
    /// Let fewer files be open, or allow more.
    AllowFiles,
    /// Choose another one, or let the file be replaced.
    Overwrite,
    /// Run the trial again.
    RunAgain,
    /// Keep what of the database can be read.
    Salvage,
    /// Wait for the other process.
    Wait,
    /// Give the folder of a study.
    GiveStudy,
    /// Continue the study, which takes in what is there.
    Continue,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read.
    Read,
    /// Written.
    Write,
    /// Made.
    Create,
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
        })
    }
}

impl StoreError {
    /// What to do about it, where that is known.
    pub fn fix(&self) -> Option<Fix> {
        Some(match self {
            Self::File { verb, source, .. } => return of_system(source, *verb),
            Self::Corrupt { .. } => Fix::RunAgain,
            Self::Foreign { .. } => Fix::Overwrite,
            Self::Version { .. } => return None,
            Self::Row { .. } => Fix::Salvage,
            Self::Database { source, .. } => return of_database(source),
            Self::Held { .. } => Fix::Wait,
            Self::NoStudy { .. } => Fix::GiveStudy,
            Self::Older { .. } => Fix::Continue,
        })
    }

    /// What makes an error of the system one of this file.
    pub(crate) fn of(verb: Verb, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { verb, path, source }
    }
}

/// What to do about an error of the system.
fn of_system(error: &io::Error, verb: Verb) -> Option<Fix> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Fix::MakeRoom),
        _ if is_full_of_files(error) => Some(Fix::AllowFiles),
        io::ErrorKind::NotFound => Some(Fix::PutBack),
        _ if verb == Verb::Read => None,
        _ => Some(Fix::ChooseFolder),
    }
}

/// What to do about an error of a database.
fn of_database(error: &rusqlite::Error) -> Option<Fix> {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code()? {
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some(Fix::Salvage),
        ErrorCode::DiskFull => Some(Fix::MakeRoom),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Some(Fix::ChooseFolder),
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Some(Fix::PutBack),
        _ => None,
    }
}

/// Whether more files are open than may be (`EMFILE`, `ENFILE`), for which there is no kind.
pub fn is_full_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

/// Why a study, or a trial of it, cannot be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The subject cannot do what it is asked.
    #[error(transparent)]
    Subject(Problem),
    /// The output folder cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule that does not fit.
    #[error(transparent)]
    Rule(#[from] mutransfer::Error),
    /// A worker process that could not be started.
    #[error("cannot start a worker process")]
    Spawn(#[source] io::Error),
    /// The program itself, whose fingerprint results carry, cannot be read.
    #[error("cannot read this program itself")]
    Build(#[source] io::Error),
    /// A trial that was made by another build.
    #[error("this program is another one than the study was begun with")]
    OtherBuild,
    /// The data of a trial is no longer what it was.
    #[error("the data at {path} has changed since the study began")]
    DataChanged {
        /// Where it lies.
        path: String,
    },
    /// The rule says something else of the model than it did.
    #[error("the plan of trial {id} is another one than when it was made")]
    PlanChanged {
        /// The trial.
        id: String,
    },
    /// Runs that cannot be judged.
    #[error(transparent)]
    Table(#[from] mutransfer_analysis::TableError),
    /// Measurements of coordinates that cannot be judged.
    #[error(transparent)]
    Coordinates(#[from] mutransfer_analysis::CoordinateError),
    /// A figure that cannot be drawn.
    #[error("cannot draw the figures")]
    Figure(#[from] mutransfer_analysis::figures::FigureError),
    /// A report that cannot be made.
    #[error("cannot write the report")]
    Report(#[from] mutransfer_analysis::report::ReportError),
    /// A search that does not take what it is told.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A hyperparameter to be found that changes nothing.
    #[error("`{key}` is to be found, and nothing of this study follows it")]
    Useless {
        /// Its key.
        key: String,
    },
    /// Every run of a search diverged.
    #[error("every run of the search at {at} under {rule} diverged")]
    AllDiverged {
        /// Name of the rule.
        rule: String,
        /// The size.
        at: String,
    },
    /// A study to be swept that is searched.
    #[error("this study has hyperparameters that are to be found, and so no sweep")]
    Searched,
    /// A study to be searched that is swept.
    #[error(
        "no hyperparameter of this study is \"auto\", or a grid beside the learning rate, so there \
         is nothing to search for"
    )]
    Given,
    /// A run that is none of the study's.
    #[error("a run of {rule} at {axis} {at}, learning rate {lr}, seed {seed} is none of the study")]
    NoTrial {
        /// Name of its rule.
        rule: String,
        /// What grows in the study.
        axis: Axis,
        /// How large it is along that.
        at: f64,
        /// Its learning rate.
        lr: f64,
        /// Its seed.
        seed: u64,
    },
    /// A line that holds no trial, or one that does not fit itself.
    #[error("line {line} holds no trial that can be believed: {problem}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// It was asked to stop while nothing was lost by it.
    #[error("interrupted")]
    Stopped,
    /// Trials that came to nothing.
    #[error("{failed} trials failed, {finished} finished; the first: {first}")]
    Failed {
        /// How many.
        failed: usize,
        /// How many did not fail.
        finished: usize,
        /// What became of the first.
        first: String,
    },
    /// It was asked to stop.
    #[error("interrupted; {finished} finished trials are in {path}")]
    Interrupted {
        /// How many trials have ended.
        finished: usize,
        /// Where they are listed.
        path: PathBuf,
    },
}
