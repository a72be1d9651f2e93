//! One training run: everything that determines it, and how it can end.

use mutransfer::{Error, Hyper, Optimizer, Size, Sizes};
use mutransfer_analysis::{End, Run};
use serde::{Deserialize, Serialize};

use crate::allowance::Allowance;
use crate::axis::{Axis, Rung};
use crate::data::Data;
use crate::rule::NamedRule;
use crate::schedule::Schedule;
use crate::subject::{Batches, Description, ModelSizes};

/// Everything that determines a training run. Two equal trials give the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The model, but for its sizes.
    pub subject: Description,
    /// The parametrization.
    pub rule: NamedRule,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// How large the model is.
    pub sizes: ModelSizes,
    /// What is tuned, before any scale; see [`Trial::trains_with`].
    pub hyper: Hyper,
    /// How long it trains, and on how much.
    pub budget: Budget,
    /// What it trains on.
    pub data: Data,
    /// Seed of initial weights and batches.
    pub seed: u64,
    /// Hash of its plan: what the rule says of this model.
    pub plan: String,
    /// What it may use, of which its result is no function.
    #[serde(default, skip_serializing_if = "Allowance::is_usual")]
    pub allowance: Allowance,
}

/// How long a trial trains, on how much, and in which course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Steps in all.
    pub steps: usize,
    /// Sequences or images in a batch.
    pub batch: usize,
    /// Course of the learning rate.
    pub schedule: Schedule,
    /// Steps of linear warm-up.
    pub warmup: usize,
    /// At which hyperparameters are as tuned; this one if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseBudget>,
}

/// The training that hyperparameters are tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseBudget {
    /// Steps in all.
    pub steps: usize,
    /// Sequences or images in a batch.
    pub batch: usize,
}

impl BaseBudget {
    /// Sequences or images in all.
    pub fn examples(self) -> usize {
        self.steps * self.batch
    }
}

impl Budget {
    /// With the part of its steps as warm-up that so many are of the base's.
    pub(crate) fn warmed(self, steps_of_base: f64) -> Self {
        let warmup = steps_of_base * self.over_base();
        let longest = self.steps.saturating_sub(1);
        Self {
            warmup: (warmup.round() as usize).min(longest),
            ..self
        }
    }

    /// Steps of the base that are the part of its steps that its own warm-up is.
    pub(crate) fn warmup_of_base(&self) -> f64 {
        self.warmup as f64 / self.over_base()
    }

    /// Its steps over those of the base.
    fn over_base(&self) -> f64 {
        let base = self.base.map_or(self.steps, |base| base.steps);
        self.steps as f64 / base as f64
    }

    /// The training that hyperparameters are tuned for.
    pub fn base(&self) -> BaseBudget {
        let Self { steps, batch, .. } = *self;
        self.base.unwrap_or(BaseBudget { steps, batch })
    }

    /// Sequences or images in all.
    pub fn examples(&self) -> usize {
        self.steps * self.batch
    }

    /// Batch and duration, beside those of the base, with so many tokens in an example.
    ///
    /// # Errors
    /// When one is zero.
    pub fn sizes(&self, tokens: usize) -> Result<Sizes, Error> {
        let base = self.base();
        let [before, now] = [base.examples(), self.examples()].map(|seen| seen * tokens);
        let batch = Sizes::NONE.with(Size::Batch, base.batch, self.batch)?;
        batch.with(Size::Tokens, before, now)
    }
}

impl Trial {
    /// How large it is.
    pub fn rung(&self) -> Rung {
        Rung {
            sizes: self.sizes,
            budget: self.budget,
        }
    }

    /// What the plan scales: what is tuned, carried to its batch and duration where its rule says
    /// how.
    ///
    /// # Errors
    /// When the batch grew too much for a beta.
    pub fn trains_with(&self) -> Result<Hyper, Error> {
        let horizon = self.rule.parametrization().horizon();
        match horizon.filter(|_| self.budget.base.is_some()) {
            None => Ok(self.hyper),
            Some(horizon) => {
                horizon.apply(self.budget.sizes(1)?, &self.hyper, self.optimizer.decay())
            }
        }
    }

    /// The batches it sees.
    pub fn batches(&self) -> Batches {
        Batches {
            size: self.budget.batch,
            seed: self.seed,
            is_fixed: false,
        }
    }

    /// What the judge of runs along an axis sees of the trial, once it has ended.
    pub fn run(&self, outcome: &Outcome, of: Loss, along: Axis) -> Run {
        Run {
            rule: self.rule.name().to_owned(),
            at: along.at(&self.rung()).get(),
            value: self.hyper.learning_rate,
            seed: self.seed,
            end: outcome.end(of),
        }
    }

    /// Name of the trial: a hash of everything that determines its result. Where its data lies,
    /// where a program is run and what it may use do not.
    #[expect(clippy::missing_panics_doc, reason = "plain data always is JSON")]
    pub fn id(&self) -> String {
        let mut trial = self.clone();
        trial.data.path = None;
        trial.allowance = Allowance::default();
        if let Some(program) = &mut trial.subject.program {
            program.place = None;
        }
        let canonical = serde_json::to_vec(&trial).expect("a trial is plain data");
        blake3::hash(&canonical).to_hex()[..16].to_owned()
    }
}

/// How a trial ended. All are results; divergence says on which side of the optimum a learning
/// rate lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Outcome {
    /// All steps were done.
    Finished {
        /// Training loss averaged over the last tenth of the steps, in nats per token.
        train_loss: f64,
        /// Validation loss after the last step, in nats per token.
        loss: f64,
    },
    /// The loss became non-finite, or rose above that of the untrained model.
    Diverged {
        /// Steps done by then.
        step: usize,
    },
    /// It was ended before it was done, and can be run again.
    Stopped,
    /// It came to nothing.
    Failed {
        /// What it said.
        error: String,
    },
}

impl Outcome {
    /// What the judge of runs makes of it.
    pub fn end(&self, of: Loss) -> End {
        match *self {
            Self::Finished { train_loss, loss } => End::Loss(match of {
                Loss::Validation => loss,
                Loss::Training => train_loss,
            }),
            Self::Diverged { .. } => End::Diverged,
            Self::Stopped | Self::Failed { .. } => End::Failed,
        }
    }

    /// Whether it tells something about the trial, which then need not be run again.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Diverged { .. })
    }
}

/// Which loss of a trial is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// On held-out data, after the last step.
    #[default]
    Validation,
    /// On the batches of the last tenth of the steps.
    Training,
}

impl Loss {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation loss",
            Self::Training => "training loss",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::DataKind;
    use crate::subject::{Augmentation, Heads};
    use mutransfer::Rule;

    pub(crate) fn trial(steps: usize) -> Trial {
        Trial {
            subject: Description {
                family: "gpt".into(),
                heads: Heads::Dim(8),
                variants: Vec::new(),
                zero_readout: false,
                zero_query: false,
                augmentation: Augmentation::default(),
                program: None,
            },
            rule: Rule::Mup.into(),
            optimizer: Optimizer::AdamW,
            sizes: ModelSizes {
                base_width: 8,
                width: 8,
                depth: 1,
                base_depth: None,
                context: 4,
                experts: None,
                base_experts: None,
            },
            hyper: Hyper::default(),
            budget: Budget {
                steps,
                batch: 1,
                schedule: Schedule::Constant,
                warmup: 0,
                base: None,
            },
            data: Data {
                kind: DataKind::Synthetic,
                path: None,
                fingerprint: "data".into(),
            },
            seed: 0,
            plan: "plan".into(),
            allowance: Allowance::default(),
        }
    }

    #[test]
    fn an_id_names_what_determines_the_result_and_nothing_else() {
        let data = |path: &str, fingerprint: &str| Trial {
            data: Data {
                kind: DataKind::Text,
                path: Some(path.into()),
                fingerprint: fingerprint.into(),
            },
            ..trial(10)
        };
        assert_eq!(data("here", "a").id(), data("there", "a").id());
        assert_ne!(data("here", "a").id(), data("here", "b").id());
        assert_ne!(trial(10).id(), trial(11).id());
        assert_eq!(trial(10).id().len(), 16);
    }

    /// 2512.22382 Table 1, and only under the rule whose table it is.
    #[test]
    fn hyperparameters_follow_batch_and_duration_where_the_rule_says_so() {
        let longer = |rule: Rule, batch, steps| {
            let mut trial = trial(steps);
            trial.rule = rule.into();
            trial.hyper.learning_rate = 1.0;
            trial.hyper.weight_decay = 1.0;
            trial.budget.base = Some(BaseBudget {
                steps: 16,
                batch: 1,
            });
            trial.budget.batch = batch;
            trial.trains_with()
        };
        let copied = longer(Rule::CompleteP, 1, 64).unwrap();
        assert_eq!((copied.learning_rate, copied.weight_decay), (1.0, 1.0));
        let longer_by_4 = longer(Rule::CompleteDP, 1, 64).unwrap();
        assert_eq!(
            (longer_by_4.learning_rate, longer_by_4.weight_decay),
            (0.5, 0.5)
        );
        let wider_by_4 = longer(Rule::CompleteDP, 4, 4).unwrap();
        assert_eq!(
            (wider_by_4.learning_rate, wider_by_4.weight_decay),
            (2.0, 2.0)
        );
        assert!(
            longer(Rule::CompleteDP, 16, 1).is_err(),
            "beta1 would be below zero"
        );
    }

    /// What an earlier version has left is found again.
    #[test]
    fn a_budget_without_a_base_is_written_as_it_always_was() {
        let written = serde_json::to_value(trial(10).budget).unwrap();
        assert_eq!(written.as_object().unwrap().len(), 4);
    }

    /// A changed table must not reuse an old result, whatever its name.
    #[test]
    fn another_plan_is_another_trial() {
        let plan = |plan: &str| Trial {
            plan: plan.into(),
            ..trial(10)
        };
        assert_ne!(plan("one").id(), plan("other").id());
    }
}
