//! A study as it is written.

use std::collections::BTreeMap;

use mutransfer::{Factors, Hyper, Layout, Optimizer, Role, Roles};
use serde::{Deserialize, Serialize};

use super::sizes::{BaseFile, SizesFile};
use crate::allowance::{Bytes, Seconds};
use crate::command::{Metric, Source};
use crate::executor::settings::Settings;
use crate::grid::Grid;
use crate::schedule::Schedule;
use crate::subject::{Experts, is_one, one};

/// The model where nothing is said of it.
pub(super) const MODEL: &str = "gpt";

/// The keys of a study. Every key has a default; unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StudyFile {
    /// Title of the report and name of the default output folder.
    pub(super) name: String,
    /// Name of a family of models.
    pub(super) model: String,
    /// A program of the user with its arguments, in place of `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<Vec<String>>,
    /// Where the shapes of its model are, at every width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shapes: Option<Source>,
    /// Files that it is beside those that the command names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) files: Option<Vec<String>>,
    /// How its weights are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) layout: Option<Layout>,
    /// Roles, by patterns of names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) declare: Option<BTreeMap<String, Role>>,
    /// Readouts that are an embedding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tie: Option<BTreeMap<String, String>>,
    /// Patterns of what starts at zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zero_init: Option<Vec<String>>,
    /// Where its losses are; JSON lines if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metric: Option<Metric>,
    /// Whether it measures coordinates when asked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) coordinates: Option<bool>,
    /// How long a trial may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_limit: Option<Seconds>,
    /// Memory that a program and what it starts may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_limit: Option<Bytes>,
    /// How often a program that fails is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retries: Option<u32>,
    /// GPUs that each trial has for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gpus: Option<usize>,
    /// Parametrizations to compare: names, or files with tables.
    pub(super) rules: Vec<String>,
    /// Optimizer.
    pub(super) optimizer: Optimizer,
    /// Sizes at which every scale is 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<BaseFile>,
    /// Sizes of the proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proxies: Option<Vec<SizesFile>>,
    /// Sizes that the optimum is carried to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<SizesFile>,
    /// Width at which every scale is 1; the smallest of `widths` if not given.
    pub(super) base_width: Option<usize>,
    /// Widths of the proxies, which have nothing else of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) widths: Option<Vec<usize>>,
    /// Width of the target, which has nothing else of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target_width: Option<usize>,
    /// Blocks of a transformer, hidden matrices of a perceptron; the base's if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) depth: Option<usize>,
    /// Blocks at which every scale is 1; `depth` if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_depth: Option<usize>,
    /// Experts of every block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) experts: Option<ExpertsFile>,
    /// Experts at which every scale is 1; `experts` if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_experts: Option<ExpertsFile>,
    /// Size of an attention head; the number of heads grows with width.
    pub(super) head_dim: Option<usize>,
    /// Number of attention heads; their size grows with width. In place of `head_dim`.
    pub(super) heads: Option<usize>,
    /// Parts of a transformer in another than their usual form.
    pub(super) variants: Vec<String>,
    /// Start the readout at zero.
    pub(super) zero_readout: bool,
    /// Start the queries at zero.
    pub(super) zero_query: bool,
    /// Pixels by which training images are shifted at most.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) crop: usize,
    /// Whether every other training image is mirrored.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) flip: bool,
    /// The learning rates.
    pub(super) lr: Grid,
    /// Repetitions with other initial weights and batches.
    pub(super) seeds: u64,
    /// Repetitions at the proxies, which are cheap and decide what is carried; `seeds` if not
    /// given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proxy_seeds: Option<u64>,
    /// The first of their seeds.
    pub(super) seed: u64,
    /// Steps of every trial.
    pub(super) steps: usize,
    /// Sequences or images in a batch.
    pub(super) batch: usize,
    /// Tokens in a sequence.
    pub(super) context: usize,
    /// `constant`, `linear` or `cosine`.
    pub(super) schedule: Schedule,
    /// Steps of linear warm-up; a tenth of the steps if not given.
    pub(super) warmup: Option<usize>,
    /// Weight decay.
    pub(super) weight_decay: f64,
    /// Standard deviation of all weights at the base width; 1/√fan_in if not given.
    pub(super) init_std: Option<f64>,
    /// Momentum of SGD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) momentum: Option<f64>,
    /// Adam's decay of the first moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beta1: Option<f64>,
    /// Adam's decay of the second moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beta2: Option<f64>,
    /// Adam's epsilon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) eps: Option<f64>,
    /// Factors on the numbers of embeddings and first layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<FactorsFile>,
    /// Factors on the numbers of matrices inside the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hidden: Option<FactorsFile>,
    /// Factors on the numbers of the readout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<FactorsFile>,
    /// Factors for routers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) router: Option<FactorsFile>,
    /// Factors for what experts read with.
    #[serde(rename = "expert-in", skip_serializing_if = "Option::is_none")]
    pub(super) expert_in: Option<FactorsFile>,
    /// Factors for what experts write with.
    #[serde(rename = "expert-out", skip_serializing_if = "Option::is_none")]
    pub(super) expert_out: Option<FactorsFile>,
    /// Factors on the numbers of biases and gains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vector: Option<FactorsFile>,
    /// Factors on the numbers of scalars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fixed: Option<FactorsFile>,
    /// Factor on attention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attention: Option<AttentionFile>,
    /// Sweep the target too, to know what its own best learning rate would have given.
    pub(super) verify: bool,
    /// How the coordinate check is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) check: Option<CheckFile>,
    /// Where trials are run, which changes none of them and is no setting of theirs.
    #[serde(skip_serializing)]
    pub(super) executor: Settings,
}

/// Experts, in a model of the base width.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { count = 8, active = 2, width = 128, shared = 64 }"
)]
pub(super) struct ExpertsFile {
    /// How many there are.
    pub(super) count: usize,
    /// To how many each token is routed.
    pub(super) active: usize,
    /// Hidden units of one; if not given, the active ones have those of a dense layer together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) width: Option<usize>,
    /// Hidden units of all shared experts together.
    #[serde(default)]
    pub(super) shared: usize,
    /// Groups, of each of which a token is routed to as many.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(super) groups: usize,
    /// Factor on a loss that balances the load, in place of offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) auxiliary: Option<f64>,
}

impl ExpertsFile {
    /// In a model of this width.
    pub(super) fn at(self, width: usize) -> Experts {
        Experts {
            count: self.count,
            active: self.active,
            width: self.width,
            shared: self.shared,
            groups: self.groups,
            auxiliary: self.auxiliary,
            at: width,
        }
    }
}

/// The coordinate check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { widths = [64, 128, 256, 512], seeds = 32 }"
)]
pub(super) struct CheckFile {
    /// Widths; those of the study if not given.
    #[serde(default)]
    pub(super) widths: Vec<usize>,
    /// Seeds at most.
    #[serde(default = "usual_seeds")]
    pub(super) seeds: u64,
}

/// Few, as a study checks in passing.
fn usual_seeds() -> u64 {
    16
}

impl Default for CheckFile {
    fn default() -> Self {
        Self {
            widths: Vec::new(),
            seeds: usual_seeds(),
        }
    }
}

/// Factors on the numbers of a role.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "factors such as { lr = 4, init = 2 }"
)]
pub(super) struct FactorsFile {
    lr: f64,
    init: f64,
    multiplier: f64,
    weight_decay: f64,
}

impl Default for FactorsFile {
    fn default() -> Self {
        Self {
            lr: 1.0,
            init: 1.0,
            multiplier: 1.0,
            weight_decay: 1.0,
        }
    }
}

impl From<FactorsFile> for Factors {
    fn from(written: FactorsFile) -> Self {
        Self {
            learning_rate: written.lr,
            init_std: written.init,
            multiplier: written.multiplier,
            weight_decay: written.weight_decay,
        }
    }
}

/// The factor on attention.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a factor such as { multiplier = 2 }")]
pub(super) struct AttentionFile {
    pub(super) multiplier: f64,
}

impl StudyFile {
    pub(super) fn proxy_seeds(&self) -> u64 {
        self.proxy_seeds.unwrap_or(self.seeds)
    }

    pub(super) fn factors(&self) -> Roles<Factors> {
        Roles {
            fixed: self.fixed.unwrap_or_default().into(),
            vector: self.vector.unwrap_or_default().into(),
            input: self.input.unwrap_or_default().into(),
            hidden: self.hidden.unwrap_or_default().into(),
            output: self.output.unwrap_or_default().into(),
            router: self.router.unwrap_or_default().into(),
            expert_in: self.expert_in.unwrap_or_default().into(),
            expert_out: self.expert_out.unwrap_or_default().into(),
        }
    }
}

impl Default for StudyFile {
    fn default() -> Self {
        Self {
            name: "study".into(),
            model: MODEL.into(),
            command: None,
            shapes: None,
            files: None,
            layout: None,
            declare: None,
            tie: None,
            zero_init: None,
            metric: None,
            coordinates: None,
            time_limit: None,
            memory_limit: None,
            retries: None,
            gpus: None,
            rules: ["sp", "mup"].map(str::to_owned).into(),
            optimizer: Optimizer::AdamW,
            base: None,
            proxies: None,
            target: None,
            base_width: None,
            widths: None,
            target_width: None,
            depth: None,
            base_depth: None,
            experts: None,
            base_experts: None,
            head_dim: None,
            heads: None,
            variants: Vec::new(),
            zero_readout: false,
            zero_query: false,
            crop: 0,
            flip: false,
            lr: Grid::default(),
            seeds: 1,
            proxy_seeds: None,
            seed: 0,
            steps: 200,
            batch: 8,
            context: 64,
            schedule: Schedule::Cosine,
            warmup: None,
            weight_decay: 0.0,
            init_std: None,
            momentum: None,
            beta1: None,
            beta2: None,
            eps: None,
            input: None,
            hidden: None,
            output: None,
            router: None,
            expert_in: None,
            expert_out: None,
            vector: None,
            fixed: None,
            attention: None,
            verify: true,
            check: None,
            executor: Settings::default(),
        }
    }
}

/// The hyperparameters where nothing is said of them.
pub fn usual_hyper() -> Hyper {
    Hyper {
        momentum: 0.9,
        ..Hyper::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_false(is: &bool) -> bool {
    !*is
}
