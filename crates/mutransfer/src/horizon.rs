//! Batch size and duration: how hyperparameters follow them, whatever the tensor.

use std::str::FromStr;

use num_rational::Rational32;

use crate::error::{Error, HyperError};
use crate::hyper::Hyper;
use crate::names::UnknownName;
use crate::optimizer::Decay;
use crate::power::exponent_from;
use crate::size::Size;
use crate::sizes::Sizes;

/// How a target's hyperparameters follow its batch and its number of tokens, where they differ
/// from the proxy's.
///
/// By default the rule that keeps the stochastic differential equation of training (2512.22382
/// Table 1; the batch part alone is 2205.10287): with `g = √(m_B/m_D)`, learning rate and decay
/// times `g`, epsilon over `g`, `1 - beta` times `m_B/m_D`. It also holds iterations times learning
/// rate times decay constant. `m_B` and `m_D` are the ratios of [`Size::Batch`] and
/// [`Size::Tokens`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Horizon {
    /// How the learning rate follows the batch.
    pub batch_law: BatchLaw,
    /// `p` in learning rate ∝ `m_D^-p`; see [`Horizon::DURATION`].
    pub tokens_exponent: Rational32,
}

/// How the learning rate follows the batch size (O6 of the literature's disagreements).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BatchLaw {
    /// `√m_B` (2205.10287, 2512.22382).
    SquareRoot,
    /// Not at all, at a fixed number of steps (TP5).
    Constant,
    /// `m_B`, for SGD; its decay stays as it is.
    Linear,
    /// Rises as `√m_B` and falls past the noise scale, given as a multiple of the base batch
    /// (2405.14578).
    Surge {
        /// Gradient noise scale over base batch.
        noise: f64,
    },
}

impl BatchLaw {
    fn factor(self, batch: f64) -> f64 {
        match self {
            Self::SquareRoot => batch.sqrt(),
            Self::Constant => 1.0,
            Self::Linear => batch,
            Self::Surge { noise } => surge(noise, batch) / surge(noise, 1.0),
        }
    }

    /// On weight decay. Under the linear law the decay of a step grows as its learning rate does,
    /// so that the decay per token stays.
    fn decay(self, batch: f64, decay: Decay) -> f64 {
        match (decay, self) {
            (Decay::Independent, _) => batch,
            (_, Self::Linear) => 1.0,
            _ => batch.sqrt(),
        }
    }
}

impl FromStr for BatchLaw {
    type Err = UnknownName;

    /// `sqrt`, `constant`, `linear`, or `surge:NOISE`.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let noise = text.strip_prefix("surge:").map(str::parse);
        match (text, noise) {
            ("sqrt", _) => Ok(Self::SquareRoot),
            ("constant", _) => Ok(Self::Constant),
            ("linear", _) => Ok(Self::Linear),
            (_, Some(Ok(noise))) if noise > 0.0 => Ok(Self::Surge { noise }),
            _ => {
                let known = ["sqrt", "constant", "linear", "surge:NOISE"];
                Err(UnknownName::new("law of the batch", known, text))
            }
        }
    }
}

/// Rises as the root of the batch up to the noise scale, and falls so from there (2405.14578).
fn surge(noise: f64, batch: f64) -> f64 {
    2.0 / ((noise / batch).sqrt() + (batch / noise).sqrt())
}

impl Default for Horizon {
    fn default() -> Self {
        Self::ISO
    }
}

impl Horizon {
    /// Iso-horizon (2512.22382 Table 1).
    pub const ISO: Self = Self {
        batch_law: BatchLaw::SquareRoot,
        tokens_exponent: Self::DURATION[0].1,
    };

    /// Choices for [`Horizon::tokens_exponent`] (O7): iso-horizon 1/2 (2512.22382), 0.32
    /// (2409.19913), constant 0 (TP5), and -0.307 where the batch grows with the duration
    /// (2503.04715).
    pub const DURATION: [(&str, Rational32); 4] = [
        ("iso-horizon", Rational32::new_raw(1, 2)),
        ("bjorck", Rational32::new_raw(8, 25)),
        ("constant", Rational32::new_raw(0, 1)),
        ("step-law", Rational32::new_raw(-307, 1000)),
    ];

    /// A choice of [`Horizon::DURATION`] by its name, or an exponent.
    ///
    /// # Errors
    /// When it is neither.
    pub fn tokens_exponent(text: &str) -> Result<Rational32, UnknownName> {
        let named = Self::DURATION.into_iter().find(|(name, _)| *name == text);
        let exponent = named.map(|(_, exponent)| exponent);
        exponent.or_else(|| exponent_from(text)).ok_or_else(|| {
            let names = Self::DURATION.map(|(name, _)| name);
            let known = names.into_iter().chain(["an exponent such as 0.3"]);
            UnknownName::new("law of the duration", known, text)
        })
    }

    /// Whether the learning rate follows the default rule, so that betas, epsilon and decay fit it.
    pub fn keeps_noise(&self) -> bool {
        *self == Self::default()
    }

    /// The hyperparameters of the target from those of the proxy.
    ///
    /// # Errors
    /// When `1 - beta` would leave (0, 1): the batch grew too much for the beta.
    pub fn apply(&self, sizes: Sizes, hyper: &Hyper, decay: Decay) -> Result<Hyper, Error> {
        let growth = self.growth(sizes, decay);
        Ok(Hyper {
            learning_rate: hyper.learning_rate * growth.learning_rate,
            weight_decay: hyper.weight_decay * growth.weight_decay,
            eps: hyper.eps * growth.eps,
            beta1: growth.beta("beta1", hyper.beta1)?,
            beta2: growth.beta("beta2", hyper.beta2)?,
            ..*hyper
        })
    }

    /// What the hyperparameters of the proxy are multiplied by for the target.
    pub fn growth(&self, sizes: Sizes, decay: Decay) -> Growth {
        let [batch, tokens] = [Size::Batch, Size::Tokens].map(|size| sizes.ratio(size));
        let forgetting = batch / tokens;
        let exponent =
            f64::from(*self.tokens_exponent.numer()) / f64::from(*self.tokens_exponent.denom());
        let spread = if decay == Decay::Independent {
            tokens
        } else {
            tokens.sqrt()
        };
        let learning_rate = self.batch_law.factor(batch) * tokens.powf(-exponent);
        Growth {
            learning_rate,
            weight_decay: self.batch_law.decay(batch, decay) / spread,
            eps: forgetting.sqrt().recip(),
            forgetting,
            steps: sizes.iterations(),
            noise: learning_rate / batch.sqrt(),
        }
    }
}

/// What batch and duration multiply, whatever the tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Learning rates.
    pub learning_rate: f64,
    /// Weight decays.
    pub weight_decay: f64,
    /// Epsilons.
    pub eps: f64,
    /// `1 - beta`, for both betas.
    pub forgetting: f64,
    /// Steps.
    pub steps: f64,
    /// Learning rate times the noise of the gradient, which falls as the root of the batch. Not
    /// corrected where it is not 1 (2605.23893 Table 2, sigma_0).
    pub noise: f64,
}

impl Growth {
    /// The target's beta of this name, from that of the proxy.
    ///
    /// # Errors
    /// When `1 - beta` would leave (0, 1): the batch grew too much for it.
    pub fn beta(&self, name: &'static str, value: f64) -> Result<f64, Error> {
        let (beta, forgets) = (name, (1.0 - value) * self.forgetting);
        if forgets > 0.0 && forgets < 1.0 {
            Ok(1.0 - forgets)
        } else {
            Err(HyperError::ForgetsAll { beta, forgets }.into())
        }
    }
}

/// What μP's learning rate amounts to over time under weight decay, relative to its own steady
/// state: a warm-up (2510.19093).
///
/// `m` is the width ratio, `q = ρ₀²/ρ∞²` the ratio of squared relative updates at init and in the
/// steady state, `a = 1 - learning rate · decay`, `t` the step.
pub fn decay_warm_up(m: f64, q: f64, a: f64, t: f64) -> f64 {
    let forgotten = a.powf(2.0 * t);
    ((1.0 + (q - 1.0) * forgotten) / (1.0 + (m * m * q - 1.0) * forgotten)).sqrt()
}

/// The tau of u-μP's residual branches, attention and feed-forward by turns (2407.17465 appendix
/// G).
///
/// `ratio` is alpha_res-attn-ratio, `alpha` alpha_res. With the `i`-th value `tau`, branch and skip
/// are added as `(tau · branch + skip) / √(1 + tau²)` (`residual_add` of the `unit-scaling`
/// library): the branch's multiplier is `tau / √(1 + tau²)`, and that of the skip `1 / √(1 +
/// tau²)`.
pub fn residual_tau(branches: usize, alpha: f64, ratio: f64) -> Vec<f64> {
    let feed_forward = alpha * (2.0 / (1.0 + ratio * ratio)).sqrt();
    let attention = ratio * feed_forward;
    (0..branches)
        .map(|branch| {
            let own = if branch.is_multiple_of(2) {
                attention
            } else {
                feed_forward
            };
            let [attentions, feed_forwards] =
                [branch.div_ceil(2), branch / 2].map(|count| count as f64);
            let before =
                attentions * attention * attention + feed_forwards * feed_forward * feed_forward;
            own / (branches as f64 / 2.0 + before).sqrt()
        })
        .collect()
}
