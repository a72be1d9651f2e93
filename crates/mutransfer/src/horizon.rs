//! Batch size and duration: how hyperparameters follow them, whatever the tensor.

use num_rational::Rational32;

use crate::{Decay, Error, Hyper};

/// A target that trains with another batch or on another number of tokens than the proxy.
///
/// By default the rule that keeps the stochastic differential equation of training (2512.22382
/// Table 1; the batch part alone is 2205.10287): with `g = √(m_B/m_D)`, learning rate and decay
/// times `g`, epsilon over `g`, `1 - beta` times `m_B/m_D`. It also holds iterations times learning
/// rate times decay constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Horizon {
    /// `m_B`: batch over base batch.
    pub batch: f64,
    /// `m_D`: training tokens over base training tokens.
    pub tokens: f64,
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
    /// `m_B`, for SGD.
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
        let surge =
            |noise: f64, batch: f64| 2.0 / ((noise / batch).sqrt() + (batch / noise).sqrt());
        match self {
            Self::SquareRoot => batch.sqrt(),
            Self::Constant => 1.0,
            Self::Linear => batch,
            Self::Surge { noise } => surge(noise, batch) / surge(noise, 1.0),
        }
    }
}

impl Horizon {
    /// Choices for [`Horizon::tokens_exponent`] (O7): iso-horizon 1/2 (2512.22382), 0.32
    /// (2409.19913), constant 0 (TP5), and -0.307 where the batch grows with the duration
    /// (2503.04715).
    pub const DURATION: [(&str, Rational32); 4] = [
        ("iso-horizon", Rational32::new_raw(1, 2)),
        ("bjorck", Rational32::new_raw(8, 25)),
        ("constant", Rational32::new_raw(0, 1)),
        ("step-law", Rational32::new_raw(-307, 1000)),
    ];

    /// The default rule.
    pub fn new(batch: f64, tokens: f64) -> Self {
        let tokens_exponent = Self::DURATION[0].1;
        Self {
            batch,
            tokens,
            batch_law: BatchLaw::SquareRoot,
            tokens_exponent,
        }
    }

    /// Steps over base steps.
    pub fn iterations(&self) -> f64 {
        self.tokens / self.batch
    }

    /// Whether the learning rate follows the default rule, so that betas, epsilon and decay fit it.
    pub fn keeps_noise(&self) -> bool {
        self.batch_law == BatchLaw::SquareRoot && self.tokens_exponent == Self::DURATION[0].1
    }

    /// The hyperparameters of the target from those of the proxy.
    ///
    /// # Errors
    /// When a ratio is not positive, or when `1 - beta` would leave (0, 1): the batch grew too much
    /// for the beta.
    pub fn apply(&self, hyper: &Hyper, decay: Decay) -> Result<Hyper, Error> {
        for (what, ratio) in [("batch", self.batch), ("tokens", self.tokens)] {
            if !(ratio > 0.0 && ratio.is_finite()) {
                return Err(Error::BadHorizon {
                    message: format!("the ratio of {what} is {ratio}; it must be positive"),
                });
            }
        }
        let g2 = self.batch / self.tokens;
        let exponent =
            f64::from(*self.tokens_exponent.numer()) / f64::from(*self.tokens_exponent.denom());
        let learning_rate = self.batch_law.factor(self.batch) * self.tokens.powf(-exponent);
        let beta = |name: &str, beta: f64| {
            let forgets = (1.0 - beta) * g2;
            match forgets > 0.0 && forgets < 1.0 {
                true => Ok(1.0 - forgets),
                false => Err(Error::BadHorizon {
                    message: format!(
                        "(1 - {name}) m_B/m_D is {forgets:.3}, not between 0 and 1; lower the batch or raise {name}"
                    ),
                }),
            }
        };
        Ok(Hyper {
            learning_rate: hyper.learning_rate * learning_rate,
            weight_decay: hyper.weight_decay
                * if decay == Decay::Independent {
                    g2
                } else {
                    g2.sqrt()
                },
            eps: hyper.eps / g2.sqrt(),
            beta1: beta("beta1", hyper.beta1)?,
            beta2: beta("beta2", hyper.beta2)?,
            ..*hyper
        })
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

/// Multipliers of u-μP's residual branches, attention and feed-forward by turns (2407.17465
/// appendix G).
///
/// `ratio` is alpha_res-attn-ratio, `alpha` alpha_res. Branch `i` is multiplied by the `i`-th value
/// before it is added.
pub fn residual_tau(branches: usize, alpha: f64, ratio: f64) -> Vec<f64> {
    let feed_forward = alpha * (2.0 / (1.0 + ratio * ratio)).sqrt();
    let attention = ratio * feed_forward;
    let tau = |branch: usize| {
        let [attentions, feed_forwards] =
            [branch.div_ceil(2), branch / 2].map(|count| count as f64);
        let own = if branch.is_multiple_of(2) {
            attention
        } else {
            feed_forward
        };
        let before =
            attentions * attention * attention + feed_forwards * feed_forward * feed_forward;
        own / (branches as f64 / 2.0 + before).sqrt()
    };
    (0..branches).map(tau).collect()
}
