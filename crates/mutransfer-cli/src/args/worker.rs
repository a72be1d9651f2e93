//! What a study types for its workers.

use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct RunTrialOptions {
    /// Folder with the trial's `trial.json`
    #[arg(value_name = "DIR", required_unless_present = "batch")]
    pub(crate) folder: Option<PathBuf>,
    /// End when standard input does, that is, when the process that started this one is gone
    #[arg(long)]
    pub(crate) end_with_stdin: bool,
    /// Seconds between two checkpoints
    #[arg(long, value_name = "SECONDS")]
    pub(crate) checkpoint: Option<u32>,
    /// Fingerprint of this program, where the one that started it is the same
    #[arg(long, value_name = "HASH")]
    pub(crate) of_build: Option<String>,
    /// Folder of a batch: run the trials of an element of it that have no result yet
    #[arg(
        long,
        value_name = "DIR",
        requires = "element",
        conflicts_with = "folder"
    )]
    pub(crate) batch: Option<PathBuf>,
    /// Which element, from 0
    #[arg(long, value_name = "N", requires = "batch")]
    pub(crate) element: Option<usize>,
    /// Trials of the element to run at a time
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) jobs: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GuardOptions {
    /// The program and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}
