//! What is tuned on the proxy and carried over unchanged, and what one parameter gets of it.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, HyperError};
use crate::optimizer::Decay;
use crate::roles::Roles;

/// Initial standard deviation of the weights at the base width.
///
/// torch's seven initialisers are four of these, whatever the distribution: `normal_`, `uniform_`
/// and `trunc_normal_` are `Constant`, `kaiming_*` with `mode="fan_in"` or `"fan_out"` are `FanIn`
/// and `FanOut`, `xavier_*` are `Xavier`. That does not hold for look-up tables, whose fans torch
/// takes to be those of a readout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// `gain / √fan_in`; look-up tables, which sum over nothing, get `gain`.
    FanIn(f64),
    /// `gain / √fan_out`.
    FanOut(f64),
    /// `gain · √(2/(fan_in + fan_out))`.
    Xavier(f64),
    /// The same for every weight, as in GPT-2.
    Constant(f64),
}

impl Init {
    /// Standard deviation for a layer that sums over `fan_in` terms and whose terms each reach
    /// `fan_out` outputs.
    pub fn std(self, fan_in: usize, fan_out: usize) -> f64 {
        let [fan_in, fan_out] = [fan_in, fan_out].map(|fan| fan as f64);
        match self {
            Self::FanIn(gain) => gain / fan_in.sqrt(),
            Self::FanOut(gain) => gain / fan_out.sqrt(),
            Self::Xavier(gain) => gain * (2.0 / (fan_in + fan_out)).sqrt(),
            Self::Constant(std) => std,
        }
    }

    /// The gain, or the standard deviation itself.
    fn number(self) -> f64 {
        match self {
            Self::FanIn(number)
            | Self::FanOut(number)
            | Self::Xavier(number)
            | Self::Constant(number) => number,
        }
    }
}

/// What multiplies the numbers of every parameter of a role: the tunable multipliers of TP5
/// (appendix F). Like all hyperparameters they are tuned on the proxy and mean the same at every
/// size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Factors {
    /// On the learning rate.
    #[serde(skip_serializing_if = "is_one")]
    pub learning_rate: f64,
    /// On the initial standard deviation.
    #[serde(skip_serializing_if = "is_one")]
    pub init_std: f64,
    /// On the weight in the forward pass.
    #[serde(skip_serializing_if = "is_one")]
    pub multiplier: f64,
    /// On the weight decay; 0 is none.
    #[serde(skip_serializing_if = "is_one")]
    pub weight_decay: f64,
}

impl Factors {
    /// Those that change nothing.
    pub const ONE: Self = Self {
        learning_rate: 1.0,
        init_std: 1.0,
        multiplier: 1.0,
        weight_decay: 1.0,
    };
}

impl Default for Factors {
    fn default() -> Self {
        Self::ONE
    }
}

/// The hyperparameters, as tuned on the proxy. They mean the same at every size.
///
/// A tensor that is embedding and readout in one, by a declared tie, has the role input: it takes
/// that role's factors, and where it is used as readout the output role's multiplier.
///
/// Written, it holds what differs from [`Hyper::default`] and nothing else, so that equal
/// hyperparameters have equal texts, whatever is added later.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Hyper {
    /// Peak learning rate; a schedule multiplies it by a factor.
    pub learning_rate: f64,
    /// Weight decay, in the convention of the optimizer.
    pub weight_decay: f64,
    /// Adam's epsilon, added after the square root.
    pub eps: f64,
    /// Initial weights.
    pub init: Init,
    /// Adam's decay of the first moment.
    pub beta1: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Momentum of SGD; 0 is none.
    pub momentum: f64,
    /// Factors for the parameters of each role.
    pub factors: Roles<Factors>,
    /// Factor on the logits of attention.
    pub attention: f64,
}

impl Hyper {
    const DEFAULT: Self = Self {
        learning_rate: 1e-3,
        weight_decay: 0.0,
        eps: 1e-8,
        init: Init::FanIn(1.0),
        beta1: 0.9,
        beta2: 0.95,
        momentum: 0.0,
        factors: Roles::all(Factors::ONE),
        attention: 1.0,
    };

    /// Whether every number makes sense. What is read from a file has been through this.
    ///
    /// # Errors
    /// When a number is not finite, a learning rate or factor not positive, a weight decay,
    /// epsilon or initial standard deviation negative, or a beta or momentum outside of `[0, 1)`.
    pub fn check(&self) -> Result<(), Error> {
        for (name, value, range) in self.numbers() {
            range.check(|| name.to_owned(), value)?;
        }
        Range::NotNegative.check(|| "init".to_owned(), self.init.number())?;
        for (role, factors) in self.factors.iter() {
            for (name, value, range) in factors.numbers() {
                range.check(|| format!("factors.{role}.{name}"), value)?;
            }
        }
        Ok(())
    }

    fn numbers(&self) -> [(&'static str, f64, Range); 7] {
        [
            ("learning_rate", self.learning_rate, Range::Positive),
            ("weight_decay", self.weight_decay, Range::NotNegative),
            ("eps", self.eps, Range::NotNegative),
            ("beta1", self.beta1, Range::BelowOne),
            ("beta2", self.beta2, Range::BelowOne),
            ("momentum", self.momentum, Range::BelowOne),
            ("attention", self.attention, Range::Positive),
        ]
    }
}

impl Factors {
    fn numbers(&self) -> [(&'static str, f64, Range); 4] {
        [
            ("learning_rate", self.learning_rate, Range::Positive),
            ("init_std", self.init_std, Range::Positive),
            ("multiplier", self.multiplier, Range::Positive),
            ("weight_decay", self.weight_decay, Range::NotNegative),
        ]
    }
}

impl Default for Hyper {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Checked: the derived reading, which `remote` names `Hyper::deserialize`, knows no ranges.
impl<'de> Deserialize<'de> for Hyper {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hyper = Self::deserialize(deserializer)?;
        hyper.check().map_err(serde::de::Error::custom)?;
        Ok(hyper)
    }
}

impl Serialize for Hyper {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let numbers = self.numbers().into_iter().zip(Self::DEFAULT.numbers());
        for ((name, value, _), (_, default, _)) in numbers {
            if value != default {
                map.serialize_entry(name, &value)?;
            }
        }
        if self.init != Self::DEFAULT.init {
            map.serialize_entry("init", &self.init)?;
        }
        if self.factors != Self::DEFAULT.factors {
            map.serialize_entry("factors", &self.factors)?;
        }
        map.end()
    }
}

/// What a number may be.
#[derive(Clone, Copy)]
enum Range {
    Positive,
    NotNegative,
    BelowOne,
}

impl Range {
    fn check(self, name: impl FnOnce() -> String, value: f64) -> Result<(), Error> {
        let (holds, wanted) = match self {
            Self::Positive => (value > 0.0, "a positive number"),
            Self::NotNegative => (value >= 0.0, "zero or a positive number"),
            Self::BelowOne => ((0.0..1.0).contains(&value), "at least 0 and less than 1"),
        };
        if holds && value.is_finite() {
            return Ok(());
        }
        Err(HyperError::OutOfRange {
            name: name(),
            value,
            wanted,
        }
        .into())
    }
}

// serde calls it with a reference.
pub(crate) fn is_one(factor: &f64) -> bool {
    *factor == 1.0
}

/// The absolute numbers of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Peak learning rate.
    #[serde(rename = "lr")]
    pub learning_rate: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Epsilon.
    pub eps: f64,
    /// Standard deviation of the initial weights; none for biases and gains, which start at a
    /// constant.
    pub init_std: Option<f64>,
    /// Factor on the weight in the forward pass.
    pub multiplier: f64,
}

impl Setting {
    /// The weight decay to give to an optimizer that multiplies it by the learning rate, as torch's
    /// AdamW does, when the plan's is in the convention `decay`. Decay in the gradient has no such
    /// equivalent and is returned as it is.
    pub fn decay_times_lr(&self, decay: Decay) -> f64 {
        match decay {
            Decay::Independent => self.weight_decay / self.learning_rate,
            Decay::TimesLr | Decay::L2 => self.weight_decay,
        }
    }
}
