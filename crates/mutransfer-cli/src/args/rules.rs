//! What can be typed about shapes and rules.

use std::path::PathBuf;

use clap::ValueEnum;
use mutransfer::{BatchLaw, Decay, Form, Layout, Optimizer};

use super::ForeignOptions;
use crate::model::Value;

/// Which model, at which sizes.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelOptions {
    /// Shapes of the base model, the proxy: JSON, safetensors, the index or the folder of several
    /// (--base may be repeated too), or a .bsh file of the Python package mup
    #[arg(long, value_name = "FILE")]
    pub(crate) base: Vec<PathBuf>,
    /// Shapes of the same model with every width changed and nothing else, to see what grows
    /// [default: the target, of which only what is shown to be a width grows]
    #[arg(long, value_name = "FILE")]
    pub(crate) delta: Vec<PathBuf>,
    /// Shapes of the model to train
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Vec<PathBuf>,
    /// How weights are stored, where the file does not say it: out-in (torch, candle) or in-out
    /// (burn, JAX)
    #[arg(long)]
    pub(crate) layout: Option<Layout>,
    /// Role of every parameter that matches: fixed, vector, input, hidden, output, and of experts
    /// router, expert-in or expert-out; `*` stands for any text within a part of the name
    #[arg(long, value_name = "PATTERN=ROLE")]
    pub(crate) declare: Vec<String>,
    /// Axes that matching parameters sum over and write to, counted from 0, such as those of
    /// experts in one tensor: 'blocks.*.experts.up=1:2'
    #[arg(long, value_name = "PATTERN=FAN_IN:FAN_OUT")]
    pub(crate) axes: Vec<String>,
    /// Axis of matching parameters that counts blocks, whose tensors are stacked in one, as layers
    /// that are scanned over: 'params.layers.*.kernel=0'
    #[arg(long, value_name = "PATTERN=AXIS")]
    pub(crate) stacked: Vec<String>,
    /// What ends residual branches, such as 'blocks.*.down.*': what sp-depth-init starts smaller,
    /// and what has the multiplier of branches in the form folded
    #[arg(long, value_name = "PATTERN")]
    pub(crate) branch_end: Vec<String>,
    /// What is no part of the residual branches beside it, and as much at any depth: the
    /// projections where a stage begins, such as 'layer*.0.downsample.*.*'
    #[arg(long, value_name = "PATTERN")]
    pub(crate) shortcut: Vec<String>,
    /// The readout A is the same tensor as the embedding B; A may be absent from the shapes
    #[arg(long, value_name = "A=B")]
    pub(crate) tie: Vec<String>,
    /// Parameters that start at zero, recommended for readout and query
    #[arg(long, value_name = "PATTERN")]
    pub(crate) zero_init: Vec<String>,
    /// Size of an attention head in base and target, for the attention scale
    #[arg(long, value_name = "BASE:TARGET")]
    pub(crate) head_dim: Option<String>,
    /// Residual blocks in base and target, of all stacks or of one such as stages.2.blocks=9:27
    /// (may be repeated) [default: what differs in number between the names of both]. Where blocks
    /// of a stack differ in size, give the files of the base at the target's number of blocks, and
    /// its own number here
    #[arg(long, value_name = "[STACK=]BASE:TARGET")]
    pub(crate) depth: Vec<String>,
    #[command(flatten)]
    pub(crate) experts: ExpertOptions,
}

/// Layers of experts, which shapes do not say all of; a dense base has one expert, which is active.
#[derive(Debug, clap::Args)]
pub(crate) struct ExpertOptions {
    /// Experts that a token is routed to in base and target; 1 of a dense base, as in 1:8
    #[arg(long, value_name = "BASE:TARGET")]
    pub(crate) active: Option<String>,
    /// Experts in base and target, without shared ones [default: as the shapes have it]
    #[arg(long, value_name = "BASE:TARGET")]
    pub(crate) experts: Option<String>,
    /// Hidden width of one expert, or of the dense layer of the base [default: as the shapes have
    /// it]
    #[arg(long, value_name = "BASE:TARGET")]
    pub(crate) expert_width: Option<String>,
    /// Hidden widths of all shared experts together, 0 without any [default: as the shapes have it]
    #[arg(long, value_name = "BASE:TARGET")]
    pub(crate) shared_width: Option<String>,
}

/// Which parametrization.
#[derive(Debug, clap::Args)]
pub(crate) struct RuleOptions {
    /// Rule (see `mutransfer rules`), or a TOML file with a table of your own
    #[arg(long, value_name = "RULE", default_value = "mup")]
    pub(crate) rule: String,
    #[command(flatten)]
    pub(crate) choices: ChoiceOptions,
    /// Optimizer, by its usual lower-case name
    #[arg(long, default_value = "adamw")]
    pub(crate) optimizer: Optimizer,
}

/// What completes a rule.
#[derive(Debug, clap::Args)]
pub(crate) struct ChoiceOptions {
    /// Rotation of the rule: table3, table8, table9 (of TP5) or folded (no multipliers) [default:
    /// the rule's own]
    #[arg(long)]
    pub(crate) form: Option<Form>,
    /// How weight decay enters the step: l2, times-lr or independent [default: as the optimizer
    /// usually does]
    #[arg(long)]
    pub(crate) decay: Option<Decay>,
    /// A choice where the literature disagrees, such as hidden-decay=sqrt; `mutransfer rules
    /// --help` lists them
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
}

/// The proxy's hyperparameters.
#[derive(Debug, clap::Args)]
pub(crate) struct HyperOptions {
    /// Peak learning rate of the proxy; 'embed.*=0.2' for parameters that match, 'hidden=0.02' for
    /// a role (may be repeated, later ones win, as for all that follow)
    #[arg(long, value_name = "[PATTERN=]LR")]
    pub(crate) lr: Vec<Value>,
    /// Weight decay of the proxy
    #[arg(long, value_name = "[PATTERN=]DECAY")]
    pub(crate) weight_decay: Vec<Value>,
    /// Decay biases and gains too, which are not decayed otherwise
    #[arg(long)]
    pub(crate) decay_vectors: bool,
    /// Epsilon of the proxy
    #[arg(long, value_name = "[PATTERN=]EPS")]
    pub(crate) eps: Vec<Value>,
    /// Initial standard deviation of every weight of the proxy
    #[arg(long, value_name = "[PATTERN=]STD")]
    pub(crate) init_std: Vec<Value>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanOptions {
    /// Plan for the target of a study, or for another of its widths, with its optimizer and
    /// hyperparameters; --rule and what is typed of hyperparameters prevail
    #[arg(long, value_name = "STUDY.toml", conflicts_with_all = ["base", "delta", "target", "bsh"])]
    pub(crate) study: Option<PathBuf>,
    /// Width to plan for [default: the target's]
    #[arg(long, requires = "study")]
    pub(crate) width: Option<usize>,
    #[command(flatten)]
    pub(crate) model: ModelOptions,
    #[command(flatten)]
    pub(crate) rule: RuleOptions,
    #[command(flatten)]
    pub(crate) hyper: HyperOptions,
    #[command(flatten)]
    pub(crate) horizon: HorizonOptions,
    /// Print the plan as JSON, for any trainer; its schema is docs/plan.schema.json
    #[arg(long, conflicts_with = "bsh")]
    pub(crate) json: bool,
    /// Print the base shapes as a .bsh file for the Python package mup
    #[arg(long)]
    pub(crate) bsh: bool,
}

/// How long the model is trained, and on what batches, beside the proxy.
#[derive(Debug, clap::Args)]
pub(crate) struct HorizonOptions {
    /// Batch of the proxy and of the target, in examples or tokens
    #[arg(long, value_name = "BASE:TARGET", conflicts_with = "study")]
    pub(crate) batch: Option<String>,
    /// Training tokens, or examples, of the proxy and of the target
    #[arg(long, value_name = "BASE:TARGET", conflicts_with = "study")]
    pub(crate) tokens: Option<String>,
    /// How the learning rate follows the batch: sqrt, constant, linear or surge:NOISE, with the
    /// noise scale over the proxy's batch
    #[arg(long, value_name = "LAW", default_value = "sqrt")]
    pub(crate) batch_law: BatchLaw,
    /// How it falls with the tokens: iso-horizon (by their root), bjorck, constant, step-law, or an
    /// exponent such as 0.3
    #[arg(long, value_name = "LAW", default_value = "iso-horizon")]
    pub(crate) tokens_law: String,
    /// First beta of the proxy's Adam
    #[arg(long, value_name = "BETA")]
    pub(crate) beta1: Option<f64>,
    /// Second beta of the proxy's Adam
    #[arg(long, value_name = "BETA")]
    pub(crate) beta2: Option<f64>,
    /// Steps of the proxy
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LawsOptions {
    /// Parameters of the model, such as 1e9
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) params: f64,
    /// Tokens that it is trained on, such as 2e10
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) tokens: f64,
    /// Tokens in a batch, to compare learning rates at it
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) batch: Option<f64>,
    /// Print as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| *number > 0.0 && number.is_finite())
        .ok_or_else(|| format!("`{text}` is no positive number"))
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckOptions {
    #[command(flatten)]
    pub(crate) model: ModelOptions,
    #[command(flatten)]
    pub(crate) rule: RuleOptions,
    #[command(flatten)]
    pub(crate) hyper: HyperOptions,
    /// Numbers that a trainer really uses, to compare with the rule's: in the format of a plan, or
    /// what torch's optimizer.state_dict() has under param_groups
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// The same of the proxy's trainer: then the ratio to it is compared, whatever rates of its own
    /// a group has
    #[arg(long, value_name = "FILE", requires = "settings")]
    #[arg(conflicts_with_all = ["lr", "weight_decay", "eps", "init_std"])]
    pub(crate) base_settings: Option<PathBuf>,
    /// Gradients are clipped at a constant global norm
    #[arg(long)]
    pub(crate) clip: bool,
    /// Print findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RulesOptions {
    /// Rule or TOML file; without it all rules are listed
    #[arg(value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// Only the table for this optimizer
    #[arg(long)]
    pub(crate) optimizer: Option<Optimizer>,
    #[command(flatten)]
    pub(crate) choices: ChoiceOptions,
    /// How to print
    #[arg(long, value_enum, default_value_t = Print::Text)]
    pub(crate) format: Print,
    /// The same as --format json
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Print {
    Text,
    Markdown,
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TheoryOptions {
    /// Rule or TOML file; without it all rules are classified
    #[arg(value_name = "RULE | FILE.toml")]
    pub(crate) rule: Option<String>,
    /// Only under this optimizer [default: sgd and adam]
    #[arg(long)]
    pub(crate) optimizer: Option<Optimizer>,
    #[command(flatten)]
    pub(crate) choices: ChoiceOptions,
    /// Say whether RULE trains the same network as this one, and by which rotation
    #[arg(long, value_name = "RULE", requires = "rule")]
    pub(crate) same_as: Option<String>,
    /// Train perceptrons of several widths by SGD under ntk, mup and RULE, and measure how far
    /// their features and their neural tangent kernel move
    #[arg(long, conflicts_with_all = ["optimizer", "same_as"])]
    pub(crate) measure: bool,
    /// Widths to measure at; at the narrowest every rule is the standard one
    #[arg(long, requires = "measure", value_delimiter = ',')]
    #[arg(default_values_t = [128, 256, 512, 1024, 2048])]
    pub(crate) widths: Vec<usize>,
    /// Repetitions with other initial weights and examples
    #[arg(long, requires = "measure", value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// Folder for kernel.csv and the figure
    #[arg(
        long,
        requires = "measure",
        value_name = "DIR",
        default_value = "mutransfer-out/theory"
    )]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) foreign: ForeignOptions,
    /// Print as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainOptions {
    /// Code of a finding, such as MU001; without it all are listed
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

pub(crate) const OPTION_KEYS: &str = "\
Choices where the literature disagrees (--option KEY=VALUE, or behind the name of a rule wherever
one is named: mup:hidden-decay=sqrt,depth=none), the default first:
  hidden-decay    keep-product | constant-lambda | sqrt | independent-inverse-width
                  decay of hidden matrices over width
  decay-depth     published | keep-product
                  whether decay makes up for a learning rate that falls with depth
  eps             rule | faithful | fan-in | complete-p | complete-dp | constant
  final-norm-eps  faithful | constant
  embedding-lr    rule | inverse-sqrt
  sgd-hidden      ratio | one
                  SGD on hidden matrices: m_out/m_in or 1
  trust-readout   one | fan-in
                  readout under LARS, LAMB, Adafactor
  attention       rule | root
                  root keeps 1/sqrt(head_dim), for models with QK norm
  depth           rule | 1/2 to 1 | none | untested:ALPHA
                  branches times depth^-alpha
  clip            invariant | constant | update
                  what a gradient clipping threshold is compared with
  alignment       full | none
                  for sp-per-layer
Under rules with laws for experts (complete-mue, jiang-moe, mssp):
  head            rule | as-printed | complete-dp
                  readout: multiplier 1/m_N, that and less of the rest, or none and 1/m_N
  router-init     rule | inverse-width
  gate            sigmoid-normalised | sigmoid | softmax | top-k-softmax | sqrt-gate
                  what weighs experts, for the factor on their sum
  route-groups    1 | how many groups of experts normalise their weights each for itself
  density         rule | warn | allow | forbid
                  another share of active experts than in the base
  expert-eps      rule | gradient
  sparsity-law    none | activation-ratio
                  learning rates times (active/experts)^0.136

Symbols: m_in, m_out are fan-in and fan-out over those of the base; m_L blocks over blocks of the
base; m_aspect min(1, fan_out/fan_in) and m_own the optimizer's own factor, both over those of the
base; m_H, m_a, m_E active width, active experts and experts over those of the base.";

pub(crate) const TABLE_FORMAT: &str = r#"A table of your own is a TOML file, which works wherever a
rule does:
  family = "entrywise"      raw-gradient, entrywise, frobenius or spectral [default: all]
  attention = "m_in^-1/2"   on 1/sqrt(head_dim), in the size of a head [default: 1]
  [input]                   embeddings and first layer; [vector] learns as this unless given
  [hidden]
  init_std = "m_in^-1/2"    powers of m_in, m_out for multiplier, init_std, lr, weight_decay, eps
  lr = "m_in^-1"
  [output]
  a = "1"                   or exponents of the literature: multiplier n^-a, init n^-b, lr n^-c,
                            gradient times n^d
  d = "1"

docs/rules.md says it in full."#;

pub(crate) const PLAN_EXAMPLES: &str = r#"Shapes as JSON: {"name": [dims], ...} or
{"name": {"dims": [dims], "fan_in": axis, "fan_out": axis}, ...}

Example, a small GPT stored as torch does:
  mutransfer plan --base gpt-64.json --target gpt-1024.json --layout out-in \
    --declare token.weight=input --declare position.weight=input --declare readout.weight=output \
    --optimizer adamw --lr 0.01 --weight-decay 0.1 --head-dim 16:64 --json"#;
