//! What is tuned on the proxy and carried over unchanged, and what one parameter gets of it.

use serde::{Deserialize, Serialize};

use crate::Decay;

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
}

/// The hyperparameters, as tuned on the proxy. They mean the same at every size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
}

impl Default for Hyper {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            weight_decay: 0.0,
            eps: 1e-8,
            init: Init::FanIn(1.0),
            beta1: 0.9,
            beta2: 0.95,
            momentum: 0.0,
        }
    }
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
