//! Where the literature disagrees: one choice each, with a default.

mod experts;

use num_rational::Rational32;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use experts::{Density, ExpertEps, Gate, Head, RouteGroups, RouterInit, SparsityLaw};

use crate::error::{Error, OptionsError};
use crate::power::{Power, Ratio, exponent_from};

/// The choices. Those about batch and duration are in [`Horizon`](crate::horizon::Horizon), those
/// about Muon's factor and the SP baseline are names of optimizers and rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// How the decay of hidden matrices follows the width.
    pub hidden_decay: HiddenDecay,
    /// How that decay follows depth.
    pub decay_depth: DecayDepth,
    /// How epsilon follows the sizes.
    pub eps: Eps,
    /// Epsilon of gains and biases outside of the blocks, where the final norm is.
    pub final_norm_eps: FinalNormEps,
    /// Learning rate of embeddings and first layers.
    pub embedding_lr: EmbeddingRate,
    /// Learning rate of hidden matrices under a raw gradient.
    pub sgd_hidden: SgdHidden,
    /// Learning rate of the readout under a trust ratio, in the form without multipliers.
    pub trust_readout: TrustReadout,
    /// What attention logits are divided by.
    pub attention: Attention,
    /// Depth exponent alpha: residual branches are multiplied by `m_L^-alpha`.
    pub depth: Alpha,
    /// What a gradient clipping threshold is compared with.
    pub clip: Clip,
    /// Alignment of updates with activations, for `sp-per-layer`.
    pub alignment: Alignment,
    /// The readout, under a rule with laws of experts, as all that follows.
    pub head: Head,
    /// Initial weights of routers.
    pub router_init: RouterInit,
    /// How scores of experts become their weights.
    pub gate: Gate,
    /// Groups of experts that normalise their weights each for itself.
    pub route_groups: RouteGroups,
    /// What to do where the share of active experts changes.
    pub density: Density,
    /// Epsilon of experts.
    pub expert_eps: ExpertEps,
    /// How learning rates follow the share of active experts.
    pub sparsity_law: SparsityLaw,
}

/// O1 of the literature's disagreements: decay per step of hidden matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HiddenDecay {
    /// Learning rate times decay stays constant (2308.01814, 2405.13698, 2505.01618, 2512.22382,
    /// 2510.19093).
    #[default]
    KeepProduct,
    /// The decay itself stays constant, so that the decay per step falls as the learning rate.
    ConstantLambda,
    /// Halfway: the decay per step falls as the root of the learning rate (2510.15262).
    Sqrt,
    /// Decay per step 1/m_in, whatever the learning rate (2512.05620, in compute-optimal runs, for
    /// every optimizer).
    IndependentInverseWidth,
}

impl HiddenDecay {
    /// Decay per step of a matrix whose constant decay would give `strength` per step, which is its
    /// learning rate in most cases.
    pub(crate) fn per_step(self, strength: Power) -> Power {
        match self {
            Self::KeepProduct => Power::ONE,
            Self::ConstantLambda => strength,
            Self::Sqrt => strength.raised(Rational32::new(1, 2)),
            Self::IndependentInverseWidth => Power::fan_in(-1, 1),
        }
    }
}

/// Whether the decay of parameters in blocks makes up for a learning rate that falls with depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecayDepth {
    /// As the published tables: no factor.
    #[default]
    Published,
    /// Learning rate times decay stays constant over depth too.
    KeepProduct,
}

/// O2: epsilon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Eps {
    /// As the rule has it: faithful, unless its paper prints another.
    #[default]
    Rule,
    /// As the gradient's entries, in every form (2308.01814 equation 2.26).
    Faithful,
    /// 1/fan-in for every tensor (TP5 B.3), which is right in the form of Table 8 only.
    FanIn,
    /// In the residual blocks only (2505.01618 Table 1).
    CompleteP,
    /// 2512.22382 Table 1: as `Faithful`, but for the final norm.
    #[serde(rename = "complete-dp")]
    CompleteDP,
    /// Constant.
    Constant,
}

/// O16: epsilon of the final norm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinalNormEps {
    /// 1/m_out, as every gain (2308.01814 definition 2.9.12).
    #[default]
    Faithful,
    /// Constant (2512.22382 Table 1, output norms).
    Constant,
}

/// O4: learning rate of the embedding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmbeddingRate {
    /// As the rule has it; constant under μP.
    #[default]
    Rule,
    /// Divided by √m_out more (2407.17465; 2506.15025 for large vocabularies).
    InverseSqrt,
}

/// O10: SGD on hidden matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SgdHidden {
    /// m_out/m_in (`mup` package, 2310.17813).
    #[default]
    Ratio,
    /// 1, as TP5 prints for square matrices.
    One,
}

/// O9: readout under LARS or LAMB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustReadout {
    /// 1 (2407.05872).
    #[default]
    One,
    /// 1/√fan_in (TP5 B.3, in parentheses).
    FanIn,
}

/// O13: attention scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// As the rule has it: `√base_head_dim / head_dim` under μP.
    #[default]
    Rule,
    /// `1/√head_dim`, for models that norm queries and keys.
    Root,
}

/// O8: global gradient clipping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clip {
    /// A constant threshold, with every tensor's norm as it would be in the form of Table 8.
    #[default]
    Invariant,
    /// A constant threshold on the norms as they are.
    Constant,
    /// A threshold on each tensor's update instead, which grows with the tensor (2308.01814 section
    /// 2.10.2).
    Update,
}

/// How updates align with activations (2407.05872).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// As in the infinite-width limit.
    #[default]
    Full,
    /// Not at all.
    None,
}

/// O5: the depth exponent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alpha {
    /// As the rule has it: 1 as CompleteP (2505.01618), 1/2 as Depth-μP (2310.02244).
    #[default]
    Rule,
    /// Depth changes nothing.
    None,
    /// This one.
    Exponent(Rational32),
}

impl Alpha {
    /// What is written before an exponent that no paper has tested.
    const UNTESTED: &str = "untested:";

    /// `m_L^(times · alpha + plus)` under a rule whose own exponent is `own`, and 1 without a law
    /// of depth.
    pub(crate) fn power(self, own: Rational32, times: i32, plus: i32) -> Power {
        let alpha = match self {
            Self::Rule => own,
            Self::None => return Power::ONE,
            Self::Exponent(alpha) => alpha,
        };
        Power::of(Ratio::Depth, alpha * times + plus)
    }

    /// Below 1/2 the residual stream grows with depth, above 1 its blocks learn nothing
    /// (2310.02244); 2505.01618 and 2512.22382 tested what lies between.
    fn is_tested(alpha: Rational32) -> bool {
        (Rational32::new(1, 2)..=Rational32::from(1)).contains(&alpha)
    }
}

impl Serialize for Alpha {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&match self {
            Self::Rule => "rule".to_owned(),
            Self::None => "none".to_owned(),
            Self::Exponent(alpha) if Self::is_tested(*alpha) => alpha.to_string(),
            Self::Exponent(alpha) => format!("{}{alpha}", Self::UNTESTED),
        })
    }
}

impl<'de> Deserialize<'de> for Alpha {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "rule" => return Ok(Self::Rule),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let asked = text.strip_prefix(Self::UNTESTED);
        let exponent = exponent_from(asked.unwrap_or(&text));
        match exponent.filter(|alpha| asked.is_some() || Self::is_tested(*alpha)) {
            Some(alpha) => Ok(Self::Exponent(alpha)),
            None => Err(serde::de::Error::custom(format!(
                "`{text}` is no depth exponent; give 1/2 to 1, which papers have tested, none, or \
                 untested:{text}"
            ))),
        }
    }
}

impl Options {
    /// From `key=value` pairs, as typed; every other choice keeps its default.
    ///
    /// ```
    /// use mutransfer::{HiddenDecay, Options};
    ///
    /// let options = Options::from_pairs([("hidden-decay", "sqrt")])?;
    /// assert_eq!(options.hidden_decay, HiddenDecay::Sqrt);
    /// # Ok::<(), mutransfer::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a key or a value is unknown; the message lists those there are.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Error> {
        let pairs: serde_json::Map<_, _> = pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned().into()))
            .collect();
        serde_json::from_value(pairs.into()).map_err(|error| {
            let message = error.to_string();
            OptionsError::Malformed { message }.into()
        })
    }
}
