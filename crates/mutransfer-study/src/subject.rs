//! What can be trained: a model family on its data, at any size.
//!
//! A [`Subject`] is all that the engine and the coordinate check know of a model. Who implements it
//! decides what a [`Description`] means; the program hands an [`Open`] to whatever needs one.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mutransfer::theory::{Layer, Quantity};
use mutransfer::{Hyper, Optimizer, Parametrization, Plan};
use serde::{Deserialize, Serialize};

use crate::command::{Place, Program};
use crate::data::Data;
use crate::error::RunError;
use crate::rule::NamedRule;
use crate::trial::{Outcome, Trial};

/// What a subject has to say when it cannot do what it is asked.
pub type Problem = Box<dyn Error + Send + Sync>;

/// Makes the subject of a description, on the data at a path or on what is built in.
pub type Open<'a> =
    &'a (dyn Fn(&Description, Option<&Path>) -> Result<Box<dyn Subject>, Problem> + Sync);

/// Which model, but for its sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Name of the family, such as `gpt`.
    pub family: String,
    /// What stays of the attention heads while the width grows.
    pub heads: Heads,
    /// Parts in another than their usual form, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<String>,
    /// Start the readout at zero.
    pub zero_readout: bool,
    /// Start the queries at zero.
    pub zero_query: bool,
    /// What is done to every training image; nothing where it is not given.
    #[serde(default, skip_serializing_if = "Augmentation::is_none")]
    pub augmentation: Augmentation,
    /// The program of the user that trains it; none for a model that is built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Box<Program>>,
}

impl Description {
    /// Whether the readout is the embedding of the tokens, in the variant `tied`.
    pub fn is_tied(&self) -> bool {
        self.variants.iter().any(|variant| variant == "tied")
            || self
                .place()
                .is_some_and(|place| !place.model.tie.is_empty())
    }

    /// Whether its coordinates can be measured: those of a program only if it says so.
    pub fn is_measured(&self) -> bool {
        self.place().is_none_or(|place| place.coordinates)
    }

    fn place(&self) -> Option<&Place> {
        self.program.as_ref()?.place.as_ref()
    }
}

/// What is done to training images, by draws of their own, so that no image is seen twice alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Pixels by which an image is shifted at most, along each axis; what comes in is the mean.
    pub crop: usize,
    /// Whether every other image is mirrored.
    pub flip: bool,
}

impl Augmentation {
    /// Whether nothing is done.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How attention heads follow the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Heads {
    /// Heads of this size; their number grows.
    Dim(usize),
    /// This many heads; their size grows.
    Count(usize),
}

/// How large a model is, and the base it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSizes {
    /// Width at which every scale is 1.
    pub base_width: usize,
    /// Width of the model.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Number of blocks at which every scale is 1; `depth` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_depth: Option<usize>,
    /// Tokens in a sequence, where there are sequences.
    pub context: usize,
    /// Experts of each block; none where its feed-forward layer is dense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts: Option<Experts>,
    /// Experts of the base; `experts` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_experts: Option<Experts>,
}

/// Experts of a mixture. Their hidden units grow with the width of the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experts {
    /// Experts that a token may be routed to.
    pub count: usize,
    /// Experts that each token is routed to.
    pub active: usize,
    /// Hidden units of one of them, in a model of width `at`; where not given, the active ones have
    /// as many together as a dense layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Hidden units of all shared experts together, in a model of width `at`.
    #[serde(default)]
    pub shared: usize,
    /// Groups of experts, of each of which a token is routed to as many.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub groups: usize,
    /// Factor on a loss that balances their load, in place of offsets where they are chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auxiliary: Option<f64>,
    /// The width of the model that they are given for.
    pub at: usize,
}

pub(crate) fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
pub(crate) fn is_one(count: &usize) -> bool {
    *count == 1
}

/// Hidden units of a dense layer over the width of the model.
pub const DENSE: usize = 4;

impl Experts {
    /// Hidden units of one, over those of a dense layer.
    pub(crate) fn layers_of_one(self) -> f64 {
        match self.width {
            Some(width) => width as f64 / (DENSE * self.at) as f64,
            None => 1.0 / self.active as f64,
        }
    }

    /// Hidden units that a token sees, over those of a dense layer.
    pub(crate) fn layers(self) -> f64 {
        let shared = self.shared as f64 / (DENSE * self.at) as f64;
        self.active as f64 * self.layers_of_one() + shared
    }
}

impl ModelSizes {
    /// Number of blocks at which every scale is 1.
    pub fn base_depth(&self) -> usize {
        self.base_depth.unwrap_or(self.depth)
    }

    /// Experts at which every scale is 1, where there are experts.
    pub fn base_experts(&self) -> Option<Experts> {
        self.base_experts.or(self.experts)
    }
}

/// Which batches a session sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Sequences or images in a batch.
    pub size: usize,
    /// Seed of the draws, and of the initial weights.
    pub seed: u64,
    /// Every step sees the same batch, as in a coordinate check.
    pub is_fixed: bool,
}

/// How a coordinate check is made, where nobody says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct UsualCheck {
    /// Widths, narrowest first.
    pub widths: Vec<usize>,
    /// Blocks.
    pub depth: usize,
    /// Sequences or images in the batch.
    pub batch: usize,
    /// Tokens in a sequence.
    pub context: usize,
    /// Seeds at most: as many as are cheap, and rarely needed.
    pub seeds: usize,
    /// Learning rate of SGD, near the optimum of most small models.
    pub sgd_rate: f64,
}

/// A model family on its data.
pub trait Subject: Send + Sync {
    /// What it trains on, with its fingerprint.
    fn data(&self) -> &Data;

    /// Checks everything that could stop training at these sizes, with these hyperparameters but
    /// for their learning rate, on batches of `batch` examples.
    ///
    /// # Errors
    /// When a size does not fit the family, a hyperparameter has nothing to act on, or the data is
    /// not enough.
    fn check(&self, sizes: &ModelSizes, hyper: &Hyper, batch: usize) -> Result<(), Problem>;

    /// Finds out at once what takes time to find out of a model, for all these sizes; nothing where
    /// nothing does.
    ///
    /// # Errors
    /// When it cannot be found out.
    fn expect(&self, _: &[ModelSizes]) -> Result<(), Problem> {
        Ok(())
    }

    /// The plan for the model at these sizes.
    ///
    /// # Errors
    /// When a size does not fit the family, or the rule not the model or the optimizer.
    fn plan(
        &self,
        sizes: &ModelSizes,
        rule: &Parametrization,
        optimizer: Optimizer,
    ) -> Result<Plan, Problem>;

    /// Numbers to train, a measure of the cost of a step; 0 where the sizes do not fit.
    fn parameters(&self, sizes: &ModelSizes) -> usize;

    /// Whether an example is a sequence of tokens, of which there are as many as the context; an
    /// image is a single one.
    fn has_sequences(&self) -> bool;

    /// The lowest loss there is, in nats per answer, where it is known.
    fn floor(&self) -> Option<f64>;

    /// The same, but that readout and queries start at zero, as a coordinate check wants them.
    fn with_zero_start(&self) -> Box<dyn Subject>;

    /// A check in which coordinates follow the width at small widths already.
    fn usual_check(&self) -> UsualCheck;

    /// Puts into the folder of a trial what is needed there beside `trial.json`.
    ///
    /// # Errors
    /// When it cannot be written.
    fn prepare(&self, trial: &Trial, folder: &Path) -> Result<(), Problem>;

    /// Trains a trial to its end, or until it is to stop. `listener` hears each step and its loss,
    /// those before a restart too.
    ///
    /// # Errors
    /// When the plan is another one than when the trial was made, or training fails.
    fn train(
        &self,
        trial: &Trial,
        site: &Site,
        listener: &mut dyn Listener,
    ) -> Result<Outcome, RunError>;

    /// Every quantity of every module of a model, before its first update and after each. Setting
    /// `stop` ends it.
    ///
    /// # Errors
    /// When the plan is one of another subject, the model cannot be measured, or it was stopped.
    fn measure(
        &self,
        of: &Measuring,
        stop: &AtomicBool,
    ) -> Result<Vec<(usize, Measurement)>, RunError>;
}

/// Hears how a training goes.
pub trait Listener {
    /// A step and its loss, in nats per answer.
    fn step(&mut self, step: usize, loss: f64);

    /// The training begins anew: what was heard is of a try that failed.
    fn anew(&mut self);
}

/// What is enough where a training never begins anew.
impl<F: FnMut(usize, f64)> Listener for F {
    fn step(&mut self, step: usize, loss: f64) {
        self(step, loss);
    }

    fn anew(&mut self) {}
}

/// A model whose coordinates are to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Measuring<'a> {
    /// How large it is.
    pub sizes: &'a ModelSizes,
    /// The rule that it is trained by.
    pub rule: &'a NamedRule,
    /// Its optimizer.
    pub optimizer: Optimizer,
    /// Its plan, under that rule.
    pub plan: &'a Plan,
    /// What it trains with.
    pub hyper: &'a Hyper,
    /// The batches it sees.
    pub batches: Batches,
    /// Updates.
    pub steps: usize,
}

/// A model in training.
pub trait Session {
    /// One update at `factor` times the peak learning rates; the loss of its batch before the
    /// update, in nats per answer.
    fn step(&mut self, factor: f64) -> f64;

    /// Loss on the held-out data, in nats per answer.
    fn validation_loss(&self) -> f64;

    /// Sizes of each module's activations on the batch of the first step, of their changes since
    /// the first call, and of what the module's own updates did.
    fn coordinates(&mut self) -> Vec<Measurement>;

    /// All that the next steps depend on, by name; none where it cannot be told.
    fn state(&self) -> Option<State>;

    /// Goes on from a state that a session of the same model was in after so many steps.
    ///
    /// # Errors
    /// When it is of another model.
    fn restore(&mut self, steps: usize, state: State) -> Result<(), Problem>;
}

/// Numbers of a model in training, by name: weights, statistics, moments of the optimizer.
pub type State = BTreeMap<String, Vec<f32>>;

/// Where and how a trial is trained.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Folder of the trial.
    pub folder: &'a Path,
    /// Fingerprint of this build of the program.
    pub build: &'a str,
    /// Set when it is to stop, so that it can be continued.
    pub stop: &'a AtomicBool,
    /// How often its state is kept.
    pub every: Duration,
}

/// One quantity of one module.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Name of the module.
    pub module: String,
    /// Which end of the network it is.
    pub layer: Layer,
    /// Which quantity.
    pub quantity: Quantity,
    /// Mean of the absolute values.
    pub l1: f64,
    /// Root of the mean square.
    pub l2: f64,
    /// Standard deviation.
    pub std: f64,
}
