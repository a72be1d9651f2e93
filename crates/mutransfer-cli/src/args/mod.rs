//! What can be typed. Only what was typed is here; each command resolves it once.

mod analyze;
mod ask;
mod executor;
mod groups;
mod power;
mod recipe;
mod rules;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};
use mutransfer::Optimizer;
use mutransfer_analysis::LOSS_TOLERANCE;
use mutransfer_study::grid::LearningRate;
use mutransfer_study::store::Foreign;

pub(crate) use groups::command;

pub(crate) use analyze::{AnalyzeOptions, ColumnOptions};
pub(crate) use ask::{AskOptions, SearchOptions, TellOptions};
pub(crate) use executor::ExecutorOptions;
pub(crate) use power::PowerOptions;
pub(crate) use recipe::{RecipeCommand, RecipeOptions, RecipeRunOptions};
pub(crate) use rules::{
    CheckOptions, ChoiceOptions, ExplainOptions, HorizonOptions, HyperOptions, LawsOptions,
    ModelOptions, PlanOptions, Print, RuleOptions, RulesOptions, TheoryOptions,
};

/// Tune a small network, carry its learning rate to a large one, and prove that it transfers.
///
/// Without a command the demo runs: it trains the same small GPT at several widths under the
/// standard parametrization (SP) and under the maximal update parametrization (μP), and shows where
/// the best learning rate goes.
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
    /// Run what is missing of a study's sweeps, and judge nothing
    Sweep(SweepOptions),
    /// Tell how far a study is, while it runs or later
    Status(StatusOptions),
    /// Follow a study while it runs: what has ended, the best so far, what is under way
    Watch(WatchOptions),
    /// Ask for the next runs of a search that a training loop of yours does
    #[command(after_long_help = ask::ASK_HELP)]
    Ask(AskOptions),
    /// Tell a search the losses of a run that it asked for
    Tell(TellOptions),
    /// Take runs made elsewhere into a study as trials that have ended
    #[command(after_help = IMPORT_HELP)]
    Import(ImportOptions),
    /// Write the trials of a study for other programs: a table, JSON lines, Optuna, TensorBoard
    Export(ExportOptions),
    /// Scale the proxy's hyperparameters to a model, tensor by tensor, from shapes alone
    #[command(after_long_help = rules::PLAN_EXAMPLES)]
    Plan(PlanOptions),
    /// Look for what breaks transfer in shapes, declarations, tables and a trainer's settings; exit
    /// code 1 on a finding
    Check(CheckOptions),
    /// Show the rules: the table of each, and the choices there are
    #[command(after_long_help = format!("{}\n\n{}", rules::OPTION_KEYS, rules::TABLE_FORMAT))]
    Rules(RulesOptions),
    /// Show published laws of learning rate and batch side by side, for a language model of a size
    Laws(LawsOptions),
    /// Classify a parametrization in the limit of infinite width, with the reasons
    #[command(after_long_help = rules::TABLE_FORMAT)]
    Theory(TheoryOptions),
    /// Explain a finding of `check`
    Explain(ExplainOptions),
    /// Test whether a model, as trained, follows its parametrization: slopes of activations and
    /// updates against width
    #[command(after_help = COORD_EXIT_CODES)]
    Coord(CoordOptions),
    /// Test whether wider is always better: training curves of several widths, which must not cross
    #[command(after_help = MONITOR_EXIT_CODES)]
    Monitor(MonitorOptions),
    /// Judge the transfer in a table of runs of any program: optima, exponents, prediction, regret,
    /// verdict
    #[command(after_long_help = analyze::ANALYZE_HELP)]
    Analyze(AnalyzeOptions),
    /// Find out how often a sweep would tell: the chance of each verdict, before it is run
    #[command(after_long_help = power::POWER_HELP)]
    Power(PowerOptions),
    /// Repeat a published demonstration at a small size, and compare with what is expected
    Recipe(RecipeOptions),
    /// Train the trial in a folder (what the workers of a study run)
    #[command(hide = true)]
    RunTrial(RunTrialOptions),
    /// Run a program, and end it with all that it has started (what workers run)
    #[command(hide = true)]
    Guard(GuardOptions),
}

const COORD_EXIT_CODES: &str =
    "Exit codes: 0 pass, 1 fail, 2 wrong request or input, 3 undetermined";

const MONITOR_EXIT_CODES: &str = "\
Exit codes: 0 wider is always better, 1 a wider model is worse or diverges, 2 wrong request or \
input, 3 undetermined";

impl Default for Command {
    fn default() -> Self {
        Self::Demo(RunOptions {
            out: None,
            jobs: None,
            checkpoint: None,
            accept_build: false,
            salvage: false,
            foreign: ForeignOptions { overwrite: false },
            json: false,
            executor: ExecutorOptions::default(),
        })
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunOptions {
    /// Folder for results, figures and report; finished trials found there are not run again
    /// [default: mutransfer-out/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Trials to run at a time, one thread each [default: all cores; 1 in each task of a cluster]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Seconds after which a trial keeps where it is, to go on from there when it is killed; 0
    /// after every step [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) checkpoint: Option<u32>,
    /// Keep results that another build of this program has left in the folder, whose numbers may
    /// differ
    #[arg(long)]
    pub(crate) accept_build: bool,
    /// Of a damaged database keep the results that are whole, and run the other trials again
    #[arg(long)]
    pub(crate) salvage: bool,
    #[command(flatten)]
    pub(crate) foreign: ForeignOptions,
    /// Print the summary as JSON on stdout instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) executor: ExecutorOptions,
}

/// What to do about files of others in an output folder.
#[derive(Debug, clap::Args)]
pub(crate) struct ForeignOptions {
    /// Overwrite files in the output folder that this program did not write there
    #[arg(long)]
    pub(crate) overwrite: bool,
}

impl ForeignOptions {
    pub(crate) fn policy(&self) -> Foreign {
        if self.overwrite {
            Foreign::Overwrite
        } else {
            Foreign::Keep
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct TransferOptions {
    /// The study, a TOML file; see `mutransfer transfer --help` for its keys. Or the output folder
    /// of a study that was begun, which knows it
    #[arg(value_name = "STUDY.toml|STUDY_DIR")]
    pub(crate) study: PathBuf,
    /// Text file or folder of text files, read as bytes; or images: a folder or file of IDX (MNIST)
    /// or CIFAR-10 binaries [default: a synthetic language, or synthetic images]
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SweepOptions {
    #[command(flatten)]
    pub(crate) study: TransferOptions,
    /// Make what is missing ready for another engine, and run nothing: `mutransfer export` then
    /// writes what Kubernetes (k8s) or SkyPilot (sky) is given
    #[arg(long, conflicts_with = "executor")]
    pub(crate) prepare: bool,
}

const STUDY_KEYS: &str = r#"Keys of a study, all optional:
  name = "study"            title of the report and name of the output folder
  model = "gpt"             gpt or bert, for text; mlp, for images or a window of 4 tokens; cnn or
                            resnet, for images
  rules = ["sp", "mup"]     parametrizations to compare: rules, or TOML files with tables of your
                            own
  optimizer = "adamw"       sgd, adam or adamw
  base_width = 32           width at which every rule is the standard one [default: the smallest of
                            `widths`]
  widths = [32, 64, 128]    widths of the proxies
  target_width = 256        width that the optimum is carried to
  variants = []             of a transformer: tied, rms-norm, rope, swiglu, qk-norm, grouped-kv,
                            post-norm, no-norm
  depth = 2                 blocks of a transformer or of each stage of a resnet, hidden matrices of
                            mlp and cnn
  base_depth = 2            blocks at which every rule is the standard one, of a transformer
                            [default: depth]
  head_dim = 16             size of an attention head; the number of heads grows with width
  heads = 4                 or: number of heads; their size grows with width
  zero_readout = false      start the readout at zero
  zero_query = false        start the attention queries at zero
  lr = { from = "2^-12", to = "2^-3", step = 1 }
                            learning rates, "2^-12" or a number; step in octaves
  seeds = 1                 repetitions of every trial
  proxy_seeds = 1           those of the proxies, which are cheap and decide what is carried
                            [default: seeds]
  seed = 0                  the first of their seeds
  steps = 200               steps of every trial
  batch = 8                 sequences or images in a batch
  context = 64              tokens in a sequence
  schedule = "cosine"       constant, linear (to zero) or cosine (to zero)
  warmup = 20               steps of linear warm-up [default: a tenth of the steps]
  weight_decay = 0.0        in the convention of the optimizer
  init_std = 0.02           of all weights at the base width [default: 1/sqrt(fan_in), embeddings 1]
  momentum = 0.9            of sgd
  beta1 = 0.9               of adam and adamw
  beta2 = 0.95              of adam and adamw
  eps = 1e-8                of adam and adamw
  input = { lr = 4 }        factors on numbers of embeddings and first layers: lr, init,
                            weight_decay
  hidden = { init = 2 }     of matrices inside the network
  output = { multiplier = 2 }
                            of the readout, whose weight may have a multiplier too
  vector = { lr = 2 }       of biases and gains
  fixed = { lr = 2 }        of scalars
  attention = { multiplier = 2 }
                            factor on the logits of attention
  verify = true             sweep the target too, to know what tuning there would have given
  check = { widths = [64, 128, 256, 512], seeds = 16 }
                            widths of the coordinate check, wider than the study's where those are
                            narrow, and most seeds of it [default: those of the study, and 16]
  time_limit = "10m"        how long a trial may take, each try of a program [default: 20 times
                            what the slowest of its size took, and 5 minutes at least]
  executor = { name = "slurm", partition = "gpu", time = "4:00:00", gres = "gpu:1", account = "lab",
               options = ["--mem=8G"], setup = ["module load cuda"], trials_per_task = 4,
               throttle = 16 }
                            where trials are run, if not here; the options of these names say more

Keys of a study that a program trains, in place of `model` and `variants` (docs/trainers.md):
  command = ["python", "train.py", "--lr={lr}"]
                            the program, with placeholders, run in the folder of the study
  shapes = "shapes/{width}.json"
                            shapes at each width: a file, or a command that prints them as JSON
  layout = "out-in"         how weights are stored, where shapes do not say it: out-in or in-out
  declare = { "readout.weight" = "output" }
                            roles, as of `mutransfer plan --declare`
  tie = { "readout.weight" = "token.weight" }
                            readouts that are an embedding
  zero_init = ["readout.weight"]
                            what starts at zero
  files = ["model.py"]      files that it is beside those that the command names
  coordinates = false       whether it measures coordinates when asked to
  metric = 'val loss ([0-9.]+)'
                            where its losses are, if it tells no JSON lines: an expression, or
                            { csv = "log.csv", loss = "val_loss", step = "step" }
  memory_limit = "2 GiB"    what it may take with all that it starts
  retries = 0               how often it is tried again where it fails
  gpus = 1                  GPUs that each trial has for itself [default: none are dealt out]

Exit codes: 0 done, 1 failed, 2 wrong request or input, 3 some trials failed, 130 interrupted"#;

#[derive(Debug, clap::Args)]
pub(crate) struct CoordOptions {
    /// Check the model of a study, built-in or a program, by what the study says: its rules,
    /// optimizer, sizes and hyperparameters, and `check`. Of the options below --rule, --widths,
    /// --lr, --steps, --seeds and --batch prevail over that
    #[arg(long, value_name = "STUDY.toml", conflicts_with = "from")]
    pub(crate) study: Option<PathBuf>,
    /// Model family: gpt, bert, mlp, cnn or resnet
    #[arg(long, default_value = "gpt")]
    pub(crate) model: String,
    /// Parts of a transformer in another form: tied, rms-norm, rope, swiglu, qk-norm, grouped-kv,
    /// post-norm, no-norm
    #[arg(long = "variant", value_name = "VARIANT", value_delimiter = ',')]
    pub(crate) variants: Vec<String>,
    /// Rule, or a TOML file with a table of your own; repeat to compare [default: mup]
    #[arg(long = "rule", value_name = "RULE", action = ArgAction::Append)]
    pub(crate) rules: Vec<String>,
    /// Expect the slopes of this rule, or of the table in a TOML file, whatever the rules promise
    /// by themselves
    #[arg(long, value_name = "RULE")]
    pub(crate) expect: Option<String>,
    /// Optimizer: sgd, adam or adamw
    #[arg(long, default_value = "adamw")]
    pub(crate) optimizer: Optimizer,
    /// Widths to compare [default: 64 to 1024 in doublings; 128 to 1024 for bert, 128 to 2048 for
    /// cnn, 32 to 256 for resnet]
    #[arg(long, value_delimiter = ',')]
    pub(crate) widths: Vec<usize>,
    /// Width at which every rule is the standard one [default: the smallest of the widths]
    #[arg(long, value_name = "WIDTH")]
    pub(crate) base_width: Option<usize>,
    /// Blocks of a transformer or of each stage of a resnet, hidden matrices of a perceptron or CNN
    /// [default: 2, and 1 for resnet]
    #[arg(long)]
    pub(crate) depth: Option<usize>,
    /// Blocks at which every rule is the standard one, of a transformer [default: the same]
    #[arg(long, value_name = "DEPTH")]
    pub(crate) base_depth: Option<usize>,
    /// Depths to compare instead, of a transformer at one width: the change of the last residual,
    /// which must not follow the depth, and how far weights move. The base is the shallowest unless
    /// --base-depth says another, the width 64 unless --widths does, and there are 10 seeds
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["study", "from", "depth"])]
    pub(crate) depths: Vec<usize>,
    /// Size of an attention head; the number of heads grows with width
    #[arg(
        long,
        value_name = "SIZE",
        conflicts_with = "heads",
        default_value_t = 16
    )]
    pub(crate) head_dim: usize,
    /// Number of attention heads; their size grows with width
    #[arg(long, value_name = "COUNT")]
    pub(crate) heads: Option<usize>,
    /// Tokens in a sequence [default: 8, and 32 for bert, which guesses every seventh]
    #[arg(long)]
    pub(crate) context: Option<usize>,
    /// Sequences or images in the batch that all steps share; small, as narrow models see a large
    /// one partly by chance [default: 1 sequence, 2 for bert; 4 images, 8 for mlp]
    #[arg(long)]
    pub(crate) batch: Option<usize>,
    /// Start readout and queries at random too; at zero, as by default, they add nothing that
    /// narrow models see by chance
    #[arg(long)]
    pub(crate) random_init: bool,
    /// Standard deviation of all weights at the base width [default: 1/sqrt(fan_in), embeddings 1]
    #[arg(long, value_name = "STD")]
    pub(crate) init_std: Option<f64>,
    /// Learning rate [default: 2^-7, and 0.1 for sgd]
    #[arg(long)]
    pub(crate) lr: Option<f64>,
    /// Updates to follow [default: 4]
    #[arg(long)]
    pub(crate) steps: Option<usize>,
    /// Most repetitions with other initial weights and batches; half of them, a quarter and so on,
    /// down to 8, come first, and are enough where they decide [default: 64, 512 for mlp, 128
    /// for resnet, 40 for bert; with --from one look at all there are]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,
    /// First seed
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Text file or folder of text files, or images: IDX (MNIST) or CIFAR-10 binaries [default:
    /// synthetic]
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Folder for the table and the figure
    #[arg(long, value_name = "DIR", default_value = "mutransfer-out/coord")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) foreign: ForeignOptions,
    /// Judge measurements of another program instead: CSV with width, step (updates made) or t
    /// (forward passes, from 1, as mup counts), module, l1, and where they are there rule, seed,
    /// layer (input, hidden, output, attention), features (of the output), quantity (activation,
    /// change, own-update), l2, std; or a column of sizes for each module. May be repeated, with
    /// the width before files that do not say it
    #[arg(long, value_name = "[WIDTH=]FILE.csv")]
    pub(crate) from: Vec<String>,
    /// Module that is the readout, where a foreign table does not say it; none if it was not
    /// measured
    #[arg(long, value_name = "MODULE", requires = "from")]
    pub(crate) readout: Vec<String>,
    /// Module that is the embedding or first layer, likewise
    #[arg(long, value_name = "MODULE", requires = "from")]
    pub(crate) embedding: Vec<String>,
    /// The readout is the tensor of the embedding, so that of its rows only its own updates are
    /// judged; a --plan says it too
    #[arg(long, requires = "from")]
    pub(crate) tied: bool,
    /// Plan as JSON that the measured models were trained by, whose roles say what modules are
    #[arg(long, value_name = "PLAN.json", requires = "from")]
    pub(crate) plan: Option<PathBuf>,
    /// Print verdict and slopes as JSON on stdout instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Test whether wider is always better: training curves of several widths, which must not cross.
///
/// Under μP a wider model has the lower training loss at every step, at the same learning rate and
/// on the same data; where it has not, the parametrization is wrong somewhere or the learning rate
/// is too large (TP5, arXiv 2203.03466, section 8). Neighbouring widths are compared seed by seed,
/// in ten windows of training; the first is warm-up and is not judged. It takes two seeds or more
/// to tell a crossing from noise, and better five.
#[derive(Debug, clap::Args)]
pub(crate) struct MonitorOptions {
    /// CSV with columns width, step (or t), loss, and where they are there rule and seed, others
    /// are ignored; or with step and a column of losses for each run, called such as 64, width=64
    /// or 'width=64 seed=1'. May be repeated, with the width before files that do not say it. Or
    /// the output folder of `mutransfer transfer`
    #[arg(value_name = "[WIDTH=]FILE.csv|STUDY_DIR", required = true)]
    pub(crate) sources: Vec<String>,
    /// Learning rate of a study's trials, "2^-7" or a number [default: the tried one nearest to
    /// what the study carries over]
    #[arg(long)]
    pub(crate) lr: Option<LearningRate>,
    /// Nats by which a wider model may be worse
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    #[arg(default_value_t = LOSS_TOLERANCE)]
    pub(crate) tolerance: f64,
    /// Folder for curves, verdict and figure
    #[arg(long, value_name = "DIR", default_value = "mutransfer-out/monitor")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) foreign: ForeignOptions,
    /// Print the judgement as JSON on stdout instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

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

const IMPORT_HELP: &str = "\
A row of a table is the trial of the same rule, width, learning rate and seed. A row that is none of
the study's is an error; rows of another depth, context, steps or batch are left out where the table
says them. A table has one loss, which stands for that of training too, and no curves. Trials that
had ended stay as they were. `mutransfer transfer STUDY.toml` then runs what is missing, and judges.";

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
    /// Optuna's journal: a study for each rule and width, with learning rates and losses
    Optuna,
    /// A folder of event files, one for each trial, for TensorBoard
    Tensorboard,
    /// Job of Kubernetes that runs what `mutransfer sweep --prepare` has made ready
    K8s,
    /// Task of SkyPilot that does
    Sky,
}

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
