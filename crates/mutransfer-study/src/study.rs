//! A study: what to sweep, at which widths, under which rules.

use std::path::Path;

use mutransfer::{Optimizer, Rule};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::schedule::Schedule;
use crate::trial::{Data, Model, Trial};

/// The settings of a study. Every key has a default; unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Study {
    /// Title of the report and name of the default output folder.
    pub name: String,
    /// `gpt`, `bert`, `mlp`, `cnn` or `resnet`.
    pub model: String,
    /// Parametrizations to compare.
    pub rules: Vec<Rule>,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Width at which every scale is 1; the smallest of `widths` if not given.
    pub base_width: Option<usize>,
    /// Widths of the proxies.
    pub widths: Vec<usize>,
    /// Width that the optimum is carried to.
    pub target_width: usize,
    /// Blocks of a transformer, hidden matrices of a perceptron.
    pub depth: usize,
    /// Size of an attention head; the number of heads grows with width.
    pub head_dim: Option<usize>,
    /// Number of attention heads; their size grows with width. In place of `head_dim`.
    pub heads: Option<usize>,
    /// Parts of a transformer in another than their usual form.
    pub variants: Vec<String>,
    /// Start the readout at zero.
    pub zero_readout: bool,
    /// Start the queries at zero.
    pub zero_query: bool,
    /// The learning rates.
    pub lr: Grid,
    /// Repetitions with other initial weights and batches.
    pub seeds: u64,
    /// Steps of every trial.
    pub steps: usize,
    /// Sequences or images in a batch.
    pub batch: usize,
    /// Tokens in a sequence.
    pub context: usize,
    /// `constant`, `linear` or `cosine`.
    pub schedule: Schedule,
    /// Steps of linear warm-up; a tenth of the steps if not given.
    pub warmup: Option<usize>,
    /// Weight decay.
    pub weight_decay: f64,
    /// Standard deviation of all weights at the base width; 1/√fan_in if not given.
    pub init_std: Option<f64>,
    /// Sweep the target too, to know what its own best learning rate would have given.
    pub verify: bool,
}

impl Default for Study {
    fn default() -> Self {
        Self {
            name: "study".into(),
            model: "gpt".into(),
            rules: vec![Rule::Sp, Rule::Mup],
            optimizer: Optimizer::AdamW,
            base_width: None,
            widths: vec![32, 64, 128],
            target_width: 256,
            depth: 2,
            head_dim: None,
            heads: None,
            variants: Vec::new(),
            zero_readout: false,
            zero_query: false,
            lr: Grid::default(),
            seeds: 1,
            steps: 200,
            batch: 8,
            context: 64,
            schedule: Schedule::Cosine,
            warmup: None,
            weight_decay: 0.0,
            init_std: None,
            verify: true,
        }
    }
}

/// Learning rates from `from` to `to` in steps of `step` octaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// The smallest.
    pub from: LearningRate,
    /// The largest; the grid ends at or below it.
    pub to: LearningRate,
    /// Distance of neighbours, in octaves.
    #[serde(default = "one_octave")]
    pub step: f64,
}

fn one_octave() -> f64 {
    1.0
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            from: LearningRate { log2: -12.0 },
            to: LearningRate { log2: -3.0 },
            step: 1.0,
        }
    }
}

/// A learning rate, written `"2^-12"` or as a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct LearningRate {
    /// Its base-2 logarithm.
    pub log2: f64,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a learning rate such as \"2^-12\" or 0.001")]
enum Written {
    Text(String),
    Number(f64),
}

impl TryFrom<Written> for LearningRate {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let log2 = match &written {
            Written::Number(number) => number.log2(),
            Written::Text(text) => match text.trim().strip_prefix("2^") {
                Some(exponent) => exponent.trim().parse().unwrap_or(f64::NAN),
                None => text.trim().parse::<f64>().map_or(f64::NAN, f64::log2),
            },
        };
        match log2.is_finite() && log2.exp2().is_finite() && log2.exp2() > 0.0 {
            true => Ok(Self { log2 }),
            false => Err(format!(
                "not a learning rate: {}; write \"2^-12\" or a positive number",
                match written {
                    Written::Text(text) => text,
                    Written::Number(number) => number.to_string(),
                }
            )),
        }
    }
}

impl std::str::FromStr for LearningRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(Written::Text(text.to_owned()))
    }
}

impl From<LearningRate> for String {
    fn from(rate: LearningRate) -> Self {
        format!("2^{}", rate.log2)
    }
}

impl Grid {
    /// The learning rates, smallest first.
    pub fn learning_rates(&self) -> Vec<f64> {
        let octaves = self.to.log2 - self.from.log2;
        // A grid such as 2^-3 to 2^-1 by 0.1 must not lose its last point to rounding.
        let count = (octaves / self.step + 1e-9).floor() as usize + 1;
        (0..count)
            .map(|index| (self.from.log2 + index as f64 * self.step).exp2())
            .collect()
    }

    fn check(&self) -> Result<(), Error> {
        if !(self.step.is_finite() && self.step > 0.0) {
            return Err(Error::value(
                "lr.step",
                format!("is {}; it must be a positive number of octaves", self.step),
            ));
        }
        if self.to.log2 < self.from.log2 {
            let (from, to) = (String::from(self.from), String::from(self.to));
            return Err(Error::value(
                "lr",
                format!("is an empty grid: `from` {from} is above `to` {to}"),
            ));
        }
        match (self.to.log2 - self.from.log2) / self.step > 1000.0 {
            true => Err(Error::value(
                "lr",
                "has more than 1000 learning rates; raise `step`",
            )),
            false => Ok(()),
        }
    }
}

impl Study {
    /// Reads and checks a study file.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, has unknown keys or senseless values.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File {
            verb: "read",
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads and checks the text of a study; `path` is for messages.
    ///
    /// # Errors
    /// When the text is no TOML, has unknown keys or senseless values.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let study: Self = toml::from_str(text).map_err(|source| Error::Study {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        study.check()?;
        Ok(study)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let positive = [
            ("widths", self.widths.iter().copied().min().unwrap_or(1)),
            ("target_width", self.target_width),
            ("base_width", self.base_width()),
            ("depth", self.depth),
            ("steps", self.steps),
            ("batch", self.batch),
            ("context", self.context),
            ("seeds", self.seeds as usize),
            ("head_dim", self.head_dim.unwrap_or(1)),
            ("heads", self.heads.unwrap_or(1)),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Error::value(key, "is zero; it must be at least 1"));
        }
        if self.widths.is_empty() {
            return Err(Error::value(
                "widths",
                "is empty; give the widths of the proxies",
            ));
        }
        if self.rules.is_empty() {
            return Err(Error::value(
                "rules",
                "is empty; give \"sp\", \"mup\" or both",
            ));
        }
        if self.head_dim.is_some() && self.heads.is_some() {
            return Err(Error::value(
                "heads",
                "and `head_dim` are both given; one of them grows with width",
            ));
        }
        if self.warmup() >= self.steps {
            return Err(Error::value(
                "warmup",
                format!("is {}, not below `steps` = {}", self.warmup(), self.steps),
            ));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return Err(Error::value(
                "weight_decay",
                format!("is {}; it must not be negative", self.weight_decay),
            ));
        }
        if self
            .init_std
            .is_some_and(|std| !(std.is_finite() && std > 0.0))
        {
            return Err(Error::value("init_std", "must be a positive number"));
        }
        if self.name.is_empty()
            || !self
                .name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        {
            return Err(Error::value(
                "name",
                "must consist of letters, digits, `-`, `_` and `.`",
            ));
        }
        self.lr.check()
    }

    /// Width at which every scale is 1.
    pub fn base_width(&self) -> usize {
        self.base_width
            .or(self.widths.iter().copied().min())
            .unwrap_or(1)
    }

    /// Steps of warm-up.
    pub fn warmup(&self) -> usize {
        self.warmup.unwrap_or(self.steps / 10)
    }

    /// Proxy widths, narrowest first, each once.
    pub fn proxies(&self) -> Vec<usize> {
        let mut widths = self.widths.clone();
        widths.sort_unstable();
        widths.dedup();
        widths
    }

    /// Proxy widths and, if it is swept too, the target's.
    pub fn widths(&self) -> Vec<usize> {
        let mut widths = self.proxies();
        if self.verify && !widths.contains(&self.target_width) {
            widths.push(self.target_width);
        }
        widths
    }

    /// The model, but for its width.
    pub fn model(&self) -> Model {
        Model {
            family: self.model.clone(),
            depth: self.depth,
            head_dim: self
                .head_dim
                .or(self.heads.is_none().then_some(DEFAULT_HEAD_DIM)),
            heads: self.heads,
            variants: self.variants.clone(),
            context: self.context,
            zero_readout: self.zero_readout,
            zero_query: self.zero_query,
        }
    }

    /// All trials that do not depend on results: the sweeps at the proxies and, if asked for, at
    /// the target.
    pub fn sweep(&self, data: &Data) -> Vec<Trial> {
        let mut trials = Vec::new();
        for &rule in &self.rules {
            for width in self.widths() {
                for lr in self.lr.learning_rates() {
                    trials.extend(self.repetitions(data, rule, width, lr));
                }
            }
        }
        trials
    }

    /// The zero-shot transfer: the target at the learning rate found on the proxies.
    pub fn transfer(&self, data: &Data, rule: Rule, lr: f64) -> Vec<Trial> {
        self.repetitions(data, rule, self.target_width, lr)
    }

    fn repetitions(&self, data: &Data, rule: Rule, width: usize, lr: f64) -> Vec<Trial> {
        let trial = |seed| Trial {
            version: env!("CARGO_PKG_VERSION").into(),
            rule: rule.to_string(),
            table: None,
            optimizer: self.optimizer,
            model: self.model(),
            base_width: self.base_width(),
            width,
            lr,
            weight_decay: self.weight_decay,
            init_std: self.init_std,
            schedule: self.schedule,
            warmup: self.warmup(),
            steps: self.steps,
            batch: self.batch,
            data: data.clone(),
            one_batch: false,
            seed,
        };
        (0..self.seeds).map(trial).collect()
    }
}

/// TP5 appendix D advises heads of at least 32; the small default widths leave room for 16.
const DEFAULT_HEAD_DIM: usize = 16;
