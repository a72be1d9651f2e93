//! A recipe: a study that repeats a published demonstration at a small size, and what it is
//! expected to measure.

mod comparison;
mod expected;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Error;
use crate::curves::SAME_LEARNING_RATE;
use crate::study::{LearningRate, Study};
use mutransfer_analysis::{Monitor, Number, Pair, WINDOWS, Window};

pub use comparison::{Column, Comparison};
pub use expected::{Expected, Finding};

/// A file of `recipes/`. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What is demonstrated, in a line.
    pub title: String,
    /// Who demonstrated it, how, and with which result.
    pub source: String,
    /// In what this differs from it.
    pub differs: Vec<String>,
    /// How long it takes, and on what.
    pub time: String,
    /// What it trains on.
    pub data: Needed,
    /// What is run; its name is that of the output folder.
    pub study: Study,
    /// Which loss is analysed.
    #[serde(default)]
    pub loss: Loss,
    /// The learning rate at which training curves of neighbouring widths are compared, where they
    /// are; see [`gains`].
    pub curves_at: Option<LearningRate>,
    /// A table of the rules to write, where there is one.
    pub table: Option<Comparison>,
    /// What is expected of the results.
    pub expected: Vec<Expected>,
}

/// What a recipe trains on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Needed {
    /// What is built in.
    None,
    /// A text.
    Text {
        /// Which one, and where to get it.
        from: String,
    },
    /// Images.
    Images {
        /// Which ones, and where to get them.
        from: String,
    },
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

    /// Columns of both in a table of results, this one first.
    pub fn columns(self) -> [&'static str; 2] {
        match self {
            Self::Validation => ["loss", "train_loss"],
            Self::Training => ["train_loss", "loss"],
        }
    }
}

impl Recipe {
    /// Reads and checks the text of a recipe; `path` is for messages.
    ///
    /// # Errors
    /// When the text is no TOML, has unknown keys or senseless values, or expects what its study
    /// does not measure.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let recipe: Self = toml::from_str(text).map_err(|source| Error::Recipe {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        recipe.study.check()?;
        let tried = |at: &LearningRate| {
            recipe
                .study
                .lr
                .learning_rates()
                .iter()
                .any(|lr| (lr.log2() - at.log2).abs() < SAME_LEARNING_RATE)
        };
        if let Some(at) = recipe.curves_at.filter(|at| !tried(at)) {
            return Err(Error::value(
                "curves_at",
                format!("is {}, which the study does not try", String::from(at)),
            ));
        }
        let unknown = recipe
            .expected
            .iter()
            .flat_map(Expected::quantities)
            .find(|quantity| !recipe.measures(quantity));
        match unknown.map(str::to_owned) {
            None => Ok(recipe),
            Some(name) => Err(Error::value(
                "expected",
                format!("names `{name}`, which the study does not measure"),
            )),
        }
    }

    /// Whether a quantity is one that the study will have. Found out late, a slip of the pen would
    /// cost all the training.
    fn measures(&self, quantity: &str) -> bool {
        let mut steps = quantity.splitn(3, '.');
        let (Some(kind), Some(rule), Some(rest)) = (steps.next(), steps.next(), steps.next())
        else {
            return false;
        };
        let known = match kind {
            "rules" => {
                let groups = ["optima.", "prediction.", "transfer."];
                Number::named(rest).is_some() || groups.iter().any(|group| rest.starts_with(group))
            }
            "gains" => self.compares(rest),
            _ => false,
        };
        known
            && self
                .study
                .rules
                .iter()
                .any(|known| known.to_string() == rule)
    }

    /// Whether `NARROW-WIDE.WINDOW` is among the comparisons of training curves.
    fn compares(&self, comparison: &str) -> bool {
        let widths = self.study.widths();
        let pairs = widths.windows(2).map(|pair| pair_name(pair[0], pair[1]));
        let asked = comparison.split_once('.');
        let window = |index: &str| index.parse().is_ok_and(|index: usize| index < WINDOWS);
        let found = asked.is_some_and(|(pair, index)| {
            pairs.into_iter().any(|known| known == pair) && window(index)
        });
        found && self.curves_at.is_some()
    }
}

fn pair_name(narrow: usize, wide: usize) -> String {
    format!("{narrow}-{wide}")
}

/// How much lower the training loss of the wider model is, in nats, as `RULE.NARROW-WIDE.WINDOW`,
/// where windows are tenths of training, counted from 0. Above zero, wider is better.
pub fn gains(judged: &[Monitor]) -> Value {
    let gain = |window: &Window| {
        let (low, high) = window.gain.interval();
        match window.gain.margin {
            None => json!(window.gain.mean),
            Some(_) => json!({ "value": window.gain.mean, "interval": [low, high] }),
        }
    };
    let pair = |pair: &Pair| {
        (
            pair_name(pair.narrow, pair.wide),
            pair.windows.iter().map(gain).collect(),
        )
    };
    let rule = |monitor: &Monitor| {
        (
            monitor.rule.clone(),
            Value::Object(monitor.pairs.iter().map(pair).collect()),
        )
    };
    Value::Object(judged.iter().map(rule).collect())
}
