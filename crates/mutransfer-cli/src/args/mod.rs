//! What can be typed. Only what was typed is here; each command resolves it once.

mod analyze;
mod ask;
mod coord;
mod executor;
mod folder;
mod groups;
mod power;
mod recipe;
mod rules;
mod worker;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use mutransfer_study::store::Foreign;

pub(crate) use groups::command;

pub(crate) use analyze::{AnalyzeOptions, ColumnOptions};
pub(crate) use ask::{AskOptions, SearchOptions, TellOptions};
pub(crate) use coord::{CoordOptions, MonitorOptions};
pub(crate) use executor::ExecutorOptions;
pub(crate) use folder::{ExportFormat, ExportOptions, ImportOptions, StatusOptions, WatchOptions};
pub(crate) use power::PowerOptions;
pub(crate) use recipe::{RecipeCommand, RecipeOptions, RecipeRunOptions};
pub(crate) use rules::{
    CheckOptions, ChoiceOptions, ExpertOptions, ExplainOptions, HorizonOptions, HyperOptions,
    LawsOptions, ModelOptions, PlanOptions, Print, RuleOptions, RulesOptions, TheoryOptions,
};
pub(crate) use worker::{GuardOptions, RunTrialOptions};

use coord::{COORD_EXIT_CODES, MONITOR_EXIT_CODES};
use folder::IMPORT_HELP;

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
    /// Test whether wider, or deeper, is always better: training curves, which must not cross
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
    #[command(flatten)]
    pub(crate) study: StudyOptions,
    /// Of a study with hyperparameters that are "auto": search the learning rate at the target too,
    /// under SP and under the rule of the study, to know what that would have given
    #[arg(long)]
    pub(crate) compare: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StudyOptions {
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
    pub(crate) study: StudyOptions,
    /// Make what is missing ready for another engine, and run nothing: `mutransfer export` then
    /// writes what Kubernetes (k8s) or SkyPilot (sky) is given
    #[arg(long, conflicts_with = "executor")]
    pub(crate) prepare: bool,
}

const STUDY_KEYS: &str = r#"Keys of a study, all optional:
  name = "study"            title of the report and name of the output folder
  model = "gpt"             gpt, bert or moe, for text; mlp, for images or a window of 4 tokens; cnn
                            or resnet, for images
  rules = ["sp", "mup"]     parametrizations to compare: rules, some with choices such as
                            "mup:hidden-decay=sqrt,depth=none" (`mutransfer rules --help`), or TOML
                            files with tables of your own
  optimizer = "adamw"       sgd, adam or adamw
  base_width = 32           width at which every rule is the standard one [default: the smallest of
                            `widths`]
  widths = [32, 64, 128]    widths of the proxies
  target_width = 256        width that the optimum is carried to
  base = { width = 64, depth = 2 }
                            sizes at which every rule is the standard one, in place of `base_width`
                            and `base_depth`
  proxies = [{ width = 64 }, { width = 128, depth = 4 }]
                            sizes of the proxies, in place of `widths`: width, depth, batch and
                            tokens, each a number or a factor on the base's such as "2x"; tokens, of
                            all the training, are a factor; what is not given is as in the base; and
                            experts, as the key below
  target = { width = 256, depth = 8, tokens = "4x" }
                            sizes of the target, in place of `target_width`
  variants = []             of a transformer: tied, rms-norm, rope, swiglu, qk-norm, grouped-kv,
                            post-norm, no-norm
  depth = 2                 blocks of a transformer or of each stage of a resnet, hidden matrices of
                            mlp and cnn
  base_depth = 2            blocks at which every rule is the standard one, of a transformer
                            [default: depth]
  experts = { count = 8, active = 2, width = 128, shared = 0 }
                            of a moe: how many, how many each token goes to, hidden units of one and
                            of shared ones together at the base width [default: 8, 2, as a dense
                            layer, 0]
                            and where wanted groups = 4, of each of which a token goes to as many,
                            and auxiliary = 0.01, the factor on a loss that balances the load, in
                            place of offsets; no loss that is told has it
  base_experts = { count = 1, active = 1 }
                            experts at which every rule is the standard one [default: experts]
  head_dim = 16             size of an attention head; the number of heads grows with width
  heads = 4                 or: number of heads; their size grows with width
  zero_readout = false      start the readout at zero
  zero_query = false        start the attention queries at zero
  crop = 4                  pixels by which a training image is shifted at most, along each axis
  flip = true               mirror every other training image
  lr = { from = "2^-12", to = "2^-3", step = 1 }
                            learning rates, "2^-12" or a number; step in octaves; or just one
  seeds = 1                 repetitions of every trial
  proxy_seeds = 1           those of the proxies, which are cheap and decide what is carried
                            [default: seeds]
  seed = 0                  the first of their seeds
  steps = 200               steps of every trial at the batch and tokens of the base
  batch = 8                 sequences or images in a batch, of the base
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
  router = { lr = 2 }       of what chooses among experts
  expert-in = { lr = 2 }    of what reads into experts
  expert-out = { lr = 2 }   of what writes out of them
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

Hyperparameters to be found, in few runs in place of a sweep:
  lr = "auto"               from the usual value; so too weight_decay, momentum, beta1, beta2,
                            init_std, warmup, and factors: input = { lr = "auto" },
                            output = { multiplier = "auto" }, attention = { multiplier = "auto" }
  weight_decay = { auto = true, start = 0.1, from = 0.001, to = 10 }
                            from `start`, else the middle of the range; every key but auto is
                            optional
  weight_decay = { from = 0.001, to = 10, step = 1 }
                            a grid, in octaves [default: 1]; with the others that are given so and
                            the grid of `lr` every point is run, and what is best between them found
  search = { tolerance = 0.002, budget = 40, at_once = 1, seed = 0 }
                            expected regret at which the search ends, runs at most, and how many it
                            asks for at a time
What is "auto", or such a grid, is searched on the smallest proxy, with `proxy_seeds` seeds
[default: 1], confirmed on the largest with `seeds` [default: 3], and carried to the target, under
each of `rules` [default: mup]. `verify = true` is --compare.

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
