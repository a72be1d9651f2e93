//! What is typed about the folder of a study: how far it is, what comes in and what goes out.

use std::path::PathBuf;

use super::{ColumnOptions, RunOptions};

#[derive(Debug, clap::Args)]
pub(crate) struct StatusOptions {
    /// Output folder of a study
    #[arg(value_name = "STUDY_DIR")]
    pub(crate) folder: PathBuf,
    /// Print it as JSON on stdout instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportOptions {
    /// The study whose trials they are, a TOML file, or its output folder
    #[arg(value_name = "STUDY.toml|STUDY_DIR")]
    pub(crate) study: PathBuf,
    /// Tables of runs, as for `analyze`, or files of `mutransfer export --format jsonl`
    #[arg(required = true, value_name = "FILE.csv|FILE.jsonl")]
    pub(crate) files: Vec<PathBuf>,
    /// As for `transfer`
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunOptions,
    #[command(flatten)]
    pub(crate) columns: ColumnOptions,
}

pub(super) const IMPORT_HELP: &str = "\
A row of a table is the trial of the same rule, size, learning rate and seed. A row that is none of
the study's is an error; rows of another depth, context, steps or batch are left out where the table
says them. A table has one loss, which stands for that of training too, and no curves. Trials that
had ended stay as they were. `mutransfer transfer STUDY.toml` then runs what is missing, and
judges.";

#[derive(Debug, clap::Args)]
pub(crate) struct WatchOptions {
    /// Output folder of a study
    #[arg(value_name = "STUDY_DIR")]
    pub(crate) folder: PathBuf,
    /// Seconds between two looks [default: 1 in a terminal, else 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) every: Option<u16>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportOptions {
    /// Output folder of a study
    #[arg(value_name = "STUDY_DIR")]
    pub(crate) folder: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ExportFormat,
    /// File, or for tensorboard folder, to write to [default: stdout, where it is text]
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Replace what is there
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// A row for each trial that ended
    #[default]
    Csv,
    /// A JSON object a line: the trial, its end, its loss at every step
    Jsonl,
    /// The table of `csv` as a Parquet file
    Parquet,
    /// Optuna's journal: a study for each rule and size, with learning rates and losses
    Optuna,
    /// A folder of event files, one for each trial, for TensorBoard
    Tensorboard,
    /// Job of Kubernetes that runs what `mutransfer sweep --prepare` has made ready
    K8s,
    /// Task of SkyPilot that does
    Sky,
}
