//! What is typed to judge measurements of a model at several widths.

use std::path::PathBuf;

use clap::ArgAction;
use mutransfer::Optimizer;
use mutransfer_analysis::{Along, LOSS_TOLERANCE};
use mutransfer_study::grid::LearningRate;
use mutransfer_study::subject::Experts;

use super::ForeignOptions;

pub(super) const COORD_EXIT_CODES: &str =
    "Exit codes: 0 pass, 1 fail, 2 wrong request or input, 3 undetermined";

pub(super) const MONITOR_EXIT_CODES: &str = "\
Exit codes: 0 wider is always better, 1 a wider model is worse or diverges, 2 wrong request or \
input, 3 undetermined";

#[derive(Debug, clap::Args)]
pub(crate) struct CoordOptions {
    /// Check the model of a study, built-in or a program, by what the study says: its rules,
    /// optimizer, sizes and hyperparameters, and `check`. Of the options below --rule, --widths,
    /// --lr, --steps, --seeds and --batch prevail over that
    #[arg(long, value_name = "STUDY.toml", conflicts_with = "from")]
    pub(crate) study: Option<PathBuf>,
    /// Model family: gpt, bert, moe, mlp, cnn or resnet
    #[arg(long, default_value = "gpt")]
    pub(crate) model: String,
    /// Parts of a transformer in another form: tied, rms-norm, rope, swiglu, qk-norm, grouped-kv,
    /// post-norm, no-norm
    #[arg(long = "variant", value_name = "VARIANT", value_delimiter = ',')]
    pub(crate) variants: Vec<String>,
    /// Rule, with choices as in mup:depth=none, or a TOML file with a table of your own; repeat to
    /// compare [default: mup]
    #[arg(long = "rule", value_name = "RULE", action = ArgAction::Append)]
    pub(crate) rules: Vec<String>,
    /// Expect the slopes of this rule, or of the table in a TOML file, whatever the rules promise
    /// by themselves
    #[arg(long, value_name = "RULE")]
    pub(crate) expect: Option<String>,
    /// Optimizer: sgd, adam or adamw
    #[arg(long, default_value = "adamw")]
    pub(crate) optimizer: Optimizer,
    /// Widths to compare [default: 128, 256, 512 and 768; doublings of 64 to 1024 for mlp, of 128
    /// to 2048 for cnn, of 32 to 256 for resnet, of 64 to 512 for moe]
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
    #[command(flatten)]
    pub(crate) experts: MixtureOptions,
    /// Tokens in a sequence [default: 8]
    #[arg(long)]
    pub(crate) context: Option<usize>,
    /// Sequences or images in the batch that all steps share; small, as narrow models see a large
    /// one partly by chance [default: 1 sequence, 4 for moe, 8 for bert; 1 image
    /// for resnet, 4 for cnn, 8 for mlp]
    #[arg(long)]
    pub(crate) batch: Option<usize>,
    /// Start readout and queries at random too; at zero, as by default, they add nothing that
    /// narrow models see by chance
    #[arg(long)]
    pub(crate) random_init: bool,
    /// Standard deviation of all weights at the base width [default: 1/sqrt(fan_in), embeddings 1]
    #[arg(long, value_name = "STD")]
    pub(crate) init_std: Option<f64>,
    /// Learning rate, a number or 2^-9 [default: 2^-7, and 0.1 for sgd,
    /// 0.3 for that of moe]
    #[arg(long, value_parser = learning_rate)]
    pub(crate) lr: Option<f64>,
    /// Updates to follow [default: 4]
    #[arg(long)]
    pub(crate) steps: Option<usize>,
    /// Most repetitions with other initial weights and batches; half of them, a quarter and so on,
    /// down to 8, come first, and are enough where they decide [default: 128, 512 for mlp, 80
    /// for bert, 64 for moe; with --from one look at all there are]
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
    /// layer (input, hidden, output, attention, router), features (of the output), quantity
    /// (activation, change, own-update), l2, std; or a column of sizes for each module. May be
    /// repeated, with the width before files that do not say it
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

/// The experts of a moe.
#[derive(Debug, clap::Args)]
pub(crate) struct MixtureOptions {
    /// Experts of every block of a moe [default: 8]. Several values of this, of --active or of
    /// --expert-width are compared instead of widths: at one width the layer of experts must start
    /// and learn alike, as a dense one, which is the base. The width is 64 unless --widths says
    /// another, the batch 32 sequences of 64 tokens, the learning rate 2^-9, and there are 10 seeds
    #[arg(
        long = "experts",
        value_name = "COUNT",
        requires = "active",
        value_delimiter = ','
    )]
    #[arg(conflicts_with_all = ["study", "from", "depths"])]
    pub(crate) count: Vec<usize>,
    /// Experts that each token is routed to [default: 2]
    #[arg(long, value_name = "COUNT", requires = "count", value_delimiter = ',')]
    pub(crate) active: Vec<usize>,
    /// Hidden units of one expert at the base width; they grow with the width [default: those of a
    /// dense layer over the active experts]
    #[arg(long, value_name = "WIDTH", requires = "count", value_delimiter = ',')]
    pub(crate) expert_width: Vec<usize>,
    /// Hidden units of shared experts together, which every token goes through, at the base width
    /// [default: none]
    #[arg(long, value_name = "WIDTH", requires = "count")]
    pub(crate) shared_width: Option<usize>,
    /// Groups of experts, of each of which a token is routed to as many [default: 1]
    #[arg(long, value_name = "COUNT", requires = "count")]
    pub(crate) expert_groups: Option<usize>,
}

impl MixtureOptions {
    /// Whether there are several values of one of them.
    pub(crate) fn grow(&self) -> bool {
        [&self.count, &self.active, &self.expert_width]
            .iter()
            .any(|values| values.len() > 1)
    }

    /// The first of those typed, for a model of this width.
    pub(crate) fn at(&self, width: usize) -> Option<Experts> {
        let first = |values: &[usize]| values.first().copied();
        Some(Experts {
            count: first(&self.count)?,
            active: first(&self.active)?,
            width: first(&self.expert_width),
            shared: self.shared_width.unwrap_or(0),
            groups: self.expert_groups.unwrap_or(1),
            auxiliary: None,
            at: width,
        })
    }
}

/// Test whether wider, or deeper, is always better: training curves, which must not cross.
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
    /// What grows in a table, by the name of its column: width or depth; a study knows it [default:
    /// width]
    #[arg(long, value_name = "COLUMN", value_parser = along)]
    pub(crate) axis: Option<Along>,
    /// Learning rate of a study's trials, "2^-7" or a number [default: the tried one nearest to
    /// what the study carries over]
    #[arg(long)]
    pub(crate) lr: Option<LearningRate>,
    /// Nats by which a larger model may be worse
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

/// What curves grow along, by the name of its column.
fn along(typed: &str) -> Result<Along, String> {
    let found = Along::ALL
        .into_iter()
        .find(|along| along.to_string() == typed);
    found.ok_or_else(|| {
        let known = Along::ALL.map(|along| along.to_string()).join(", ");
        format!("unknown axis; known: {known}")
    })
}

fn learning_rate(text: &str) -> Result<f64, String> {
    text.parse().map(|rate: LearningRate| rate.log2.exp2())
}
