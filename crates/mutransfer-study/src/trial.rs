//! One training run: what it is, and the only training loop there is.

use mutransfer::{Optimizer, Parametrization, Rule};
use serde::{Deserialize, Serialize};

use crate::schedule::Schedule;
use mutransfer_analysis::record::{Row, Status};

/// Which model, but for its width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Name of the family, such as `gpt`.
    pub family: String,
    /// Number of blocks.
    pub depth: usize,
    /// Size of an attention head, if that is what stays fixed.
    pub head_dim: Option<usize>,
    /// Number of attention heads, if that is what stays fixed.
    pub heads: Option<usize>,
    /// Parts in another than their usual form, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<String>,
    /// Tokens in a sequence.
    pub context: usize,
    /// Start the readout at zero.
    pub zero_readout: bool,
    /// Start the queries at zero.
    pub zero_query: bool,
}

/// What it trains on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Data {
    /// The built-in language, or the built-in images, as the model needs it.
    Synthetic,
    /// Text at a path.
    Text {
        /// Where it was when the trial was made.
        path: String,
        /// Fingerprint of its bytes.
        hash: String,
    },
    /// Images at a path.
    Images {
        /// Where they were when the trial was made.
        path: String,
        /// Fingerprint of pixels and labels.
        hash: String,
    },
}

/// Everything that determines a training run. Two equal trials give the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Version of the program, since another one may compute other bits.
    pub version: String,
    /// Name of the parametrization.
    pub rule: String,
    /// Its table in TOML, where it is not a built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// The model.
    pub model: Model,
    /// Width at which every scale is 1.
    pub base_width: usize,
    /// Width of the model.
    pub width: usize,
    /// Peak learning rate, before any scale.
    pub lr: f64,
    /// Weight decay, before any scale.
    pub weight_decay: f64,
    /// Standard deviation of all weights at the base width; 1/√fan_in where there is none.
    pub init_std: Option<f64>,
    /// Course of the learning rate.
    pub schedule: Schedule,
    /// Steps of linear warm-up.
    pub warmup: usize,
    /// Steps in all.
    pub steps: usize,
    /// Sequences or images in a batch.
    pub batch: usize,
    /// What it trains on.
    pub data: Data,
    /// Every step sees the batch of the first, as in a coordinate check.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_batch: bool,
    /// Seed of initial weights and batches.
    pub seed: u64,
}

impl Trial {
    /// The parametrization.
    ///
    /// # Errors
    /// When there is none of this name, or the table is wrong.
    pub fn parametrization(&self) -> Result<Parametrization, mutransfer::Error> {
        match &self.table {
            Some(table) => Parametrization::from_toml(&self.rule, table),
            None => Ok(self.rule.parse::<Rule>()?.into()),
        }
    }

    /// Name of the trial: a hash of everything that determines its result. Where its data lies does
    /// not.
    pub fn id(&self) -> String {
        let mut trial = self.clone();
        if let Data::Text { path, .. } | Data::Images { path, .. } = &mut trial.data {
            path.clear();
        }
        let canonical = serde_json::to_vec(&trial).expect("a trial is plain data");
        blake3::hash(&canonical).to_hex()[..16].to_owned()
    }

    /// The row of the results table once the outcome is known.
    pub fn row(&self, outcome: &Outcome) -> Row {
        let (status, train_loss, loss) = match *outcome {
            Outcome::Finished { train_loss, loss } => (Status::Ok, train_loss, loss),
            Outcome::Diverged { .. } => (Status::Diverged, f64::NAN, f64::NAN),
        };
        Row {
            rule: self.rule.clone(),
            width: self.width,
            depth: self.model.depth,
            lr: self.lr,
            seed: self.seed,
            steps: self.steps,
            status,
            train_loss,
            loss,
        }
    }
}

/// How a trial ended. Divergence is a result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
}

/// A model in training, of any framework.
pub trait Session {
    /// One update at `factor` times the peak learning rates; the loss of its batch before the
    /// update.
    fn step(&mut self, factor: f64) -> f64;
    /// Loss on held-out data.
    fn validation_loss(&self) -> f64;
}

/// Trains to the end, or until the loss diverges: it is non-finite, or averaged over a tenth of the
/// steps above the validation loss of the untrained model. `on_step` sees each step and its loss.
pub fn run(
    trial: &Trial,
    session: &mut dyn Session,
    mut on_step: impl FnMut(usize, f64),
) -> Outcome {
    let window = (trial.steps / 10).max(1);
    let start = session.validation_loss();
    let mut losses: Vec<f64> = Vec::with_capacity(trial.steps);
    for step in 0..trial.steps {
        let loss = session.step(trial.schedule.factor(step, trial.warmup, trial.steps));
        on_step(step, loss);
        losses.push(loss);
        let recent =
            losses.len() >= window && mean(&losses[losses.len() - window..]) > SLACK * start;
        if !loss.is_finite() || recent {
            return Outcome::Diverged { step: step + 1 };
        }
    }
    let loss = session.validation_loss();
    match loss.is_finite() && loss <= start {
        true => Outcome::Finished {
            train_loss: mean(&losses[losses.len() - window..]),
            loss,
        },
        false => Outcome::Diverged { step: trial.steps },
    }
}

/// Training batches differ among each other and from the validation data by about as much, without
/// any divergence.
const SLACK: f64 = 1.05;

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Losses of the steps; validation loss before, and after.
    struct Script(VecDeque<f64>, f64, f64);

    impl Session for Script {
        fn step(&mut self, _: f64) -> f64 {
            self.0.pop_front().expect("no step after the script ends")
        }
        fn validation_loss(&self) -> f64 {
            if self.0.is_empty() { self.2 } else { self.1 }
        }
    }

    fn trial(steps: usize) -> Trial {
        let model = Model {
            family: "gpt".into(),
            depth: 1,
            head_dim: Some(8),
            heads: None,
            variants: Vec::new(),
            context: 4,
            zero_readout: false,
            zero_query: false,
        };
        Trial {
            version: "0".into(),
            rule: "mup".into(),
            table: None,
            optimizer: Optimizer::AdamW,
            model,
            base_width: 8,
            width: 8,
            lr: 0.1,
            weight_decay: 0.0,
            init_std: None,
            schedule: Schedule::Constant,
            warmup: 0,
            steps,
            batch: 1,
            data: Data::Synthetic,
            one_batch: false,
            seed: 0,
        }
    }

    fn outcome(losses: &[f64], validation: f64) -> Outcome {
        run(
            &trial(losses.len()),
            &mut Script(losses.iter().copied().collect(), 5.0, validation),
            |_, _| {},
        )
    }

    #[test]
    fn a_falling_loss_finishes_with_the_mean_of_the_last_tenth() {
        let losses: Vec<f64> = (0..20).map(|step| 5.0 - 0.1 * f64::from(step)).collect();
        let Outcome::Finished { train_loss, loss } = outcome(&losses, 3.2) else {
            panic!("diverged")
        };
        assert!((train_loss - 3.15).abs() < 1e-12);
        assert_eq!(loss, 3.2);
    }

    #[test]
    fn non_finite_and_risen_losses_end_the_trial_early() {
        let nan = [5.0, 4.0, f64::NAN, 1.0, 1.0];
        assert_eq!(outcome(&nan, 1.0), Outcome::Diverged { step: 3 });
        let mut risen = vec![5.0; 20];
        risen[5..].fill(6.0);
        assert_eq!(outcome(&risen, 1.0), Outcome::Diverged { step: 6 });
        assert_eq!(
            outcome(&[5.0, 4.9, 4.8, 4.7], 5.1),
            Outcome::Diverged { step: 4 }
        );
        assert_eq!(
            outcome(&[5.0, 4.9, 4.8, 4.7], f64::INFINITY),
            Outcome::Diverged { step: 4 }
        );
    }

    #[test]
    fn a_short_spike_or_a_rate_too_small_to_learn_is_no_divergence() {
        let mut spike = vec![4.0; 40];
        spike[4] = 6.0;
        assert!(matches!(outcome(&spike, 4.0), Outcome::Finished { .. }));
        let flat = [5.0, 5.1, 4.9, 5.1, 5.0];
        assert!(matches!(outcome(&flat, 4.999), Outcome::Finished { .. }));
    }

    #[test]
    fn an_id_names_what_determines_the_result_and_nothing_else() {
        let text = |path: &str, hash: &str| Trial {
            data: Data::Text {
                path: path.into(),
                hash: hash.into(),
            },
            ..trial(10)
        };
        assert_eq!(text("here", "a").id(), text("there", "a").id());
        assert_ne!(text("here", "a").id(), text("here", "b").id());
        assert_ne!(trial(10).id(), trial(11).id());
        assert_eq!(trial(10).id().len(), 16);
    }
}
