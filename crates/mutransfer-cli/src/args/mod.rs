//! What can be typed. Only what was typed is here; each command resolves it once.

mod analyze;
mod rules;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};
use mutransfer::{Optimizer, Rule};

pub(crate) use analyze::AnalyzeOptions;
pub(crate) use rules::{
    CheckOptions, ChoiceOptions, ExplainOptions, HyperOptions, ModelOptions, PlanOptions, Print, RuleOptions,
    RulesOptions, TheoryOptions,
};

/// Tune a small network, carry its learning rate to a large one, and prove that it transfers.
///
/// Without a command the demo runs: it trains the same small GPT at several widths under the standard parametrization
/// (SP) and under the maximal update parametrization (μP), and shows where the best learning rate goes.
#[derive(Debug, Parser)]
#[command(name = "mutransfer", version, about, long_about, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong request or input, 3 some trials failed, 130 interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the effect on a built-in synthetic language: coordinate check, sweeps, transfer, report
    Demo(RunOptions),
    /// Tune the proxies of a study, carry the optimum to the target, and compare
    #[command(after_long_help = STUDY_KEYS)]
    Transfer(TransferOptions),
    /// Scale the proxy's hyperparameters to a model, tensor by tensor, from shapes alone
    #[command(after_long_help = rules::PLAN_EXAMPLES)]
    Plan(PlanOptions),
    /// Look for what breaks transfer in shapes, declarations, tables and a trainer's settings; exit code 1 on a finding
    Check(CheckOptions),
    /// Show the rules: the table of each, and the choices there are
    #[command(after_long_help = format!("{}\n\n{}", rules::OPTION_KEYS, rules::TABLE_FORMAT))]
    Rules(RulesOptions),
    /// Classify a parametrization in the limit of infinite width, with the reasons
    #[command(after_long_help = rules::TABLE_FORMAT)]
    Theory(TheoryOptions),
    /// Explain a finding of `check`
    Explain(ExplainOptions),
    /// Test whether a model, as trained, follows its parametrization: slopes of activations and updates against width
    #[command(after_help = COORD_EXIT_CODES)]
    Coord(CoordOptions),
    /// Judge the transfer in a table of runs of any program: optima, exponents, prediction, regret, verdict
    #[command(after_long_help = analyze::ANALYZE_HELP)]
    Analyze(AnalyzeOptions),
    /// Train the trial in a folder (what the workers of a study run)
    #[command(hide = true)]
    RunTrial(RunTrialOptions),
}

const COORD_EXIT_CODES: &str = "Exit codes: 0 pass, 1 fail, 2 wrong request or input, 3 undetermined";

impl Default for Command {
    fn default() -> Self {
        Self::Demo(RunOptions { out: None, jobs: None, json: false })
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunOptions {
    /// Folder for results, figures and report; finished trials found there are not run again [default: mutransfer-out/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Trials to run at a time, one thread each [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Print the summary as JSON on stdout instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TransferOptions {
    /// The study, a TOML file; see `mutransfer transfer --help` for its keys
    #[arg(value_name = "STUDY.toml")]
    pub(crate) study: PathBuf,
    /// Text file or folder of text files to train on, read as bytes [default: a synthetic language]
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

const STUDY_KEYS: &str = r#"Keys of a study, all optional:
  name = "study"            title of the report and name of the output folder
  model = "gpt"             gpt, or mlp (a perceptron over a window of 4 tokens)
  rules = ["sp", "mup"]     parametrizations to compare
  optimizer = "adamw"       sgd, adam or adamw
  base_width = 32           width at which every rule is the standard one [default: the smallest of `widths`]
  widths = [32, 64, 128]    widths of the proxies
  target_width = 256        width that the optimum is carried to
  depth = 2                 blocks of the GPT, hidden matrices of the perceptron
  head_dim = 16             size of an attention head; the number of heads grows with width
  heads = 4                 or: number of heads; their size grows with width
  zero_readout = false      start the readout at zero
  zero_query = false        start the attention queries at zero
  lr = { from = "2^-12", to = "2^-3", step = 1 }
                            learning rates, "2^-12" or a number; step in octaves
  seeds = 1                 repetitions of every trial
  steps = 200               steps of every trial
  batch = 8                 sequences in a batch
  context = 64              tokens in a sequence
  schedule = "cosine"       constant, linear (to zero) or cosine (to zero)
  warmup = 20               steps of linear warm-up [default: a tenth of the steps]
  weight_decay = 0.0        in the convention of the optimizer
  init_std = 0.02           of all weights at the base width [default: 1/sqrt(fan_in), embeddings 1]
  verify = true             sweep the target too, to know what tuning there would have given

Exit codes: 0 done, 1 failed, 2 wrong request or input, 3 some trials failed, 130 interrupted"#;

#[derive(Debug, clap::Args)]
pub(crate) struct CoordOptions {
    /// Model family: gpt or mlp
    #[arg(long, default_value = "gpt")]
    pub(crate) model: String,
    /// Parametrization; repeat to compare [default: mup]
    #[arg(long = "rule", value_name = "RULE", action = ArgAction::Append)]
    pub(crate) rules: Vec<Rule>,
    /// Optimizer: sgd, adam or adamw
    #[arg(long, default_value = "adamw")]
    pub(crate) optimizer: Optimizer,
    /// Widths to compare
    #[arg(long, value_delimiter = ',', default_values_t = [64, 128, 256, 512, 1024])]
    pub(crate) widths: Vec<usize>,
    /// Width at which every rule is the standard one [default: the smallest of the widths]
    #[arg(long, value_name = "WIDTH")]
    pub(crate) base_width: Option<usize>,
    /// Blocks of the GPT, hidden matrices of the perceptron
    #[arg(long, default_value_t = 2)]
    pub(crate) depth: usize,
    /// Size of an attention head; the number of heads grows with width
    #[arg(long, value_name = "SIZE", conflicts_with = "heads", default_value_t = 16)]
    pub(crate) head_dim: usize,
    /// Number of attention heads; their size grows with width
    #[arg(long, value_name = "COUNT")]
    pub(crate) heads: Option<usize>,
    /// Tokens in a sequence
    #[arg(long, default_value_t = 64)]
    pub(crate) context: usize,
    /// Sequences in a batch
    #[arg(long, default_value_t = 4)]
    pub(crate) batch: usize,
    /// Start readout and queries at random too; at zero, as by default, they add nothing that narrow models see by chance
    #[arg(long)]
    pub(crate) random_init: bool,
    /// Standard deviation of all weights at the base width [default: 1/sqrt(fan_in), embeddings 1]
    #[arg(long, value_name = "STD")]
    pub(crate) init_std: Option<f64>,
    /// Learning rate
    #[arg(long, default_value_t = 0.0078125)]
    pub(crate) lr: f64,
    /// Updates to follow
    #[arg(long, default_value_t = 3)]
    pub(crate) steps: usize,
    /// Repetitions with other initial weights and batches
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// First seed
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Text file or folder of text files to train on [default: a synthetic language]
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Folder for the table and the figure
    #[arg(long, value_name = "DIR", default_value = "mutransfer-out/coord")]
    pub(crate) out: PathBuf,
    /// Judge measurements of another program instead: CSV with width, step (or t), module, l1, and where they are there
    /// rule, seed, layer (input, hidden, output, attention), quantity (activation, change, own-update), l2, std
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) from: Option<PathBuf>,
    /// Print verdict and slopes as JSON on stdout instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunTrialOptions {
    /// Folder with the trial's `trial.json`
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// End when standard input does, that is, when the process that started this one is gone
    #[arg(long)]
    pub(crate) end_with_stdin: bool,
}
