//! A model family at a size, and the plan that follows from its shapes.

use burn::tensor::Device;
use mutransfer::{
    Form, Hyper, Optimizer, Parametrization, Plan, Power, Role, Shapes, Size, Sizes, Widths,
};
use serde::{Deserialize, Serialize};

use crate::cnn::{CHANNELS, VisionConfig};
use crate::data::Format;
use crate::mlp::{MlpConfig, WINDOW};
use crate::transformer::{GROUP, TransformerConfig};
use crate::{Cnn, Error, Mlp, ResNet, Transformer};

/// Which family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Transformer that predicts the next token.
    Gpt,
    /// Transformer that predicts hidden tokens.
    Bert,
    /// Multilayer perceptron over a window of tokens, or over an image.
    Mlp,
    /// Convolutional network.
    Cnn,
    /// Residual convolutional network with batch norm.
    ResNet,
}

/// A part of a transformer in another than its usual form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// The readout is the embedding of the tokens.
    Tied,
    /// RMS norm instead of layer norm.
    RmsNorm,
    /// Rotary positions instead of learned ones (2104.09864).
    Rope,
    /// SwiGLU instead of GELU, with a gate beside the layer that reads (2002.05202).
    Swiglu,
    /// RMS norm of queries and keys, head by head (2010.04245).
    QkNorm,
    /// Two query heads share a key and a value (2305.13245).
    GroupedKv,
    /// Norms after each branch instead of before it, as in the first transformers.
    PostNorm,
}

/// Names of the kinds and variants.
macro_rules! names {
    ($type:ident, $what:literal, $($name:literal => $value:ident),+ $(,)?) => {
        impl $type {
            /// All there are, with their names.
            pub const NAMED: &[(&str, Self)] = &[$(($name, Self::$value)),+];
        }

        impl std::str::FromStr for $type {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self, Error> {
                let found = Self::NAMED.iter().find(|(known, _)| *known == name);
                let known = || Self::NAMED.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
                let unknown = || Error::Unknown { what: $what, name: name.to_owned(), known: known() };
                found.map(|(_, value)| *value).ok_or_else(unknown)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let found = Self::NAMED.iter().find(|(_, value)| value == self);
                f.write_str(found.map_or("", |(name, _)| name))
            }
        }
    };
}

names!(Kind, "model", "gpt" => Gpt, "bert" => Bert, "mlp" => Mlp, "cnn" => Cnn, "resnet" => ResNet);
names!(Variant, "variant", "tied" => Tied, "rms-norm" => RmsNorm, "rope" => Rope, "swiglu" => Swiglu,
    "qk-norm" => QkNorm, "grouped-kv" => GroupedKv, "post-norm" => PostNorm);

/// The variants of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variants(pub Vec<Variant>);

impl Variants {
    /// Whether this one is among them.
    pub fn has(&self, variant: Variant) -> bool {
        self.0.contains(&variant)
    }
}

impl Kind {
    /// Whether it has attention.
    pub fn is_transformer(self) -> bool {
        matches!(self, Self::Gpt | Self::Bert)
    }
}

/// How attention heads follow the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Heads {
    /// Heads of this size; their number grows.
    Dim(usize),
    /// This many heads; their size grows.
    Count(usize),
}

/// Everything about a model family but its width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// The family.
    pub kind: Kind,
    /// Blocks of a transformer, hidden matrices of a perceptron or convolutional network, blocks of
    /// each of the two stages of a residual network.
    pub depth: usize,
    /// Attention heads; only transformers have any.
    pub heads: Heads,
    /// Parts of a transformer in another form.
    pub variants: Variants,
    /// What the data looks like.
    pub data: Format,
    /// Tokens in a sequence; nothing for images.
    pub context: usize,
    /// Start the readout at zero (TP5 appendix D). A tied readout is an embedding and does not.
    pub zero_readout: bool,
    /// Start the queries at zero (TP5 appendix D). Not where they are normalised, as zero has no
    /// direction.
    pub zero_query: bool,
}

impl Architecture {
    /// Depth 2, heads of 16, sequences of 64 tokens, everything in its usual form, nothing at zero.
    pub fn new(kind: Kind, data: Format) -> Self {
        let (heads, variants) = (Heads::Dim(16), Variants::default());
        Self {
            kind,
            depth: 2,
            heads,
            variants,
            data,
            context: 64,
            zero_readout: false,
            zero_query: false,
        }
    }

    /// Scales for training at `width` what was tuned at `base_width`, inferred from the shapes of
    /// the modules.
    ///
    /// Multipliers are those of the readout and of attention only: a rule with others is brought to
    /// the form of Table 8.
    ///
    /// # Errors
    /// When a size is zero, heads do not tile a width, the rule has no table for the optimizer, or
    /// burn has no such optimizer.
    pub fn plan(
        &self,
        base_width: usize,
        width: usize,
        rule: impl Into<Parametrization>,
        optimizer: Optimizer,
    ) -> Result<Plan, Error> {
        let mut widths = Widths::between(&self.shapes(base_width)?, &self.shapes(2 * base_width)?)?;
        if self.variants.has(Variant::Tied) {
            widths = widths.tie(READOUT, "tokens.weight")?;
        }
        if self.kind.is_transformer() {
            let [base, target] =
                [base_width, width].map(|width| self.heads(width).map(|heads| width / heads));
            widths = widths.with_sizes(Sizes::NONE.with(Size::HeadDim, base?, target?)?);
        }
        let mut parametrization = rule.into();
        let table = parametrization.table(optimizer)?;
        if [Role::Input, Role::Hidden]
            .iter()
            .any(|role| table.law(*role).multiplier != Power::ONE)
        {
            parametrization = parametrization.with_form(Form::Table8);
        }
        let mut plan = Plan::new(&widths, &self.shapes(width)?, parametrization, optimizer)?;
        mutransfer_burn::supports(&plan)?;
        if self.zero_readout && !self.variants.has(Variant::Tied) {
            plan = plan.with_zero_init(READOUT)?;
        }
        if self.zero_query && self.kind.is_transformer() && !self.variants.has(Variant::QkNorm) {
            plan = plan.with_zero_init("blocks.*.attention.query.weight")?;
        }
        Ok(plan)
    }

    /// Names and dimensions of the parameters at a width. Allocates none of them.
    ///
    /// # Errors
    /// When a size is zero or heads do not tile the width.
    pub fn shapes(&self, width: usize) -> Result<Shapes, Error> {
        let device = Device::flex();
        self.check(width)?;
        let forward = Multipliers {
            attention: 1.0,
            readout: 1.0,
        };
        Ok(match self.kind {
            Kind::Gpt | Kind::Bert => mutransfer_burn::shapes(&Transformer::new(
                &self.transformer(width, forward)?,
                &device,
            )),
            Kind::Mlp => mutransfer_burn::shapes(&Mlp::new(&self.mlp(width, forward), &device)),
            Kind::Cnn => mutransfer_burn::shapes(&Cnn::new(&self.vision(width, forward)?, &device)),
            Kind::ResNet => {
                mutransfer_burn::shapes(&ResNet::new(&self.vision(width, forward)?, &device))
            }
        })
    }

    fn check(&self, width: usize) -> Result<(), Error> {
        let sizes = [
            ("width", width),
            ("depth", self.depth),
            ("context", self.context),
        ];
        let zero = sizes.into_iter().find(|(_, size)| *size == 0);
        match (zero, self.kind, self.variants.0.first(), &self.data) {
            (Some((what, _)), ..) => Err(Error::Zero { what }),
            (_, kind, Some(variant), _) if !kind.is_transformer() => Err(Error::NoTransformer {
                kind,
                variant: *variant,
            }),
            (_, kind @ (Kind::Gpt | Kind::Bert), _, Format::Images { .. }) => {
                Err(Error::WrongData {
                    kind,
                    wanted: "text",
                    given: "images",
                })
            }
            (_, kind @ (Kind::Cnn | Kind::ResNet), _, Format::Tokens { .. }) => {
                Err(Error::WrongData {
                    kind,
                    wanted: "images",
                    given: "text",
                })
            }
            _ => self.heads(width).map(|_| ()),
        }
    }

    /// Number of heads at a width.
    fn heads(&self, width: usize) -> Result<usize, Error> {
        let (what, divisor) = match self.heads {
            Heads::Dim(size) => ("head_dim", size),
            Heads::Count(count) => ("heads", count),
        };
        let (heads, head_dim) = match (self.kind.is_transformer(), divisor, self.heads) {
            (false, ..) if self.kind == Kind::Cnn && !width.is_multiple_of(CHANNELS) => {
                return Err(Error::NotDivisible {
                    of: "width",
                    size: width,
                    what: "channels' share",
                    divisor: CHANNELS,
                });
            }
            (false, ..) => return Ok(1),
            (_, 0, _) => return Err(Error::Zero { what }),
            _ if !width.is_multiple_of(divisor) => {
                return Err(Error::NotDivisible {
                    of: "width",
                    size: width,
                    what,
                    divisor,
                });
            }
            (_, _, Heads::Dim(size)) => (width / size, size),
            (_, _, Heads::Count(count)) => (count, width / count),
        };
        let parts = [
            (
                Variant::GroupedKv,
                "the number of heads",
                heads,
                "grouped-kv's group of",
                GROUP,
            ),
            (
                Variant::Rope,
                "the size of a head",
                head_dim,
                "rope's pairs of",
                2,
            ),
        ];
        match parts.into_iter().find(|(variant, _, size, _, divisor)| {
            self.variants.has(*variant) && size % divisor != 0
        }) {
            Some((_, of, size, what, divisor)) => Err(Error::NotDivisible {
                of,
                size,
                what,
                divisor,
            }),
            None => Ok(heads),
        }
    }

    pub(crate) fn transformer(
        &self,
        width: usize,
        forward: Multipliers,
    ) -> Result<TransformerConfig, Error> {
        Ok(TransformerConfig {
            vocabulary: self.classes(),
            context: self.context,
            width,
            depth: self.depth,
            heads: self.heads(width)?,
            variants: self.variants.clone(),
            is_causal: self.kind == Kind::Gpt,
            attention_scale: forward.attention,
            readout_multiplier: forward.readout,
        })
    }

    pub(crate) fn mlp(&self, width: usize, forward: Multipliers) -> MlpConfig {
        let inputs = match self.data {
            Format::Tokens { vocabulary } => WINDOW * vocabulary,
            Format::Images { shape, .. } => shape.iter().product(),
        };
        MlpConfig {
            inputs,
            classes: self.classes(),
            width,
            depth: self.depth,
            readout_multiplier: forward.readout,
        }
    }

    pub(crate) fn vision(&self, width: usize, forward: Multipliers) -> Result<VisionConfig, Error> {
        let Format::Images {
            shape: [channels, ..],
            classes,
        } = self.data
        else {
            return Err(Error::WrongData {
                kind: self.kind,
                wanted: "images",
                given: "text",
            });
        };
        Ok(VisionConfig {
            channels,
            classes,
            width,
            depth: self.depth,
            readout_multiplier: forward.readout,
        })
    }

    /// How many logits there are.
    fn classes(&self) -> usize {
        match self.data {
            // One more than there are tokens is the mask.
            Format::Tokens { vocabulary } if self.kind == Kind::Bert => vocabulary + 1,
            Format::Tokens { vocabulary } => vocabulary,
            Format::Images { classes, .. } => classes,
        }
    }
}

/// What the forward pass applies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Multipliers {
    pub(crate) attention: f64,
    pub(crate) readout: f64,
}

impl Multipliers {
    /// Those of the plan at these hyperparameters.
    ///
    /// # Errors
    /// When a factor is on a multiplier that no model applies.
    pub(crate) fn of(plan: &Plan, hyper: &Hyper) -> Result<Self, Error> {
        let ignored = hyper
            .factors
            .iter()
            .find(|(role, factors)| *role != Role::Output && factors.multiplier != 1.0);
        if let Some((role, _)) = ignored {
            return Err(Error::NoMultiplier { role });
        }
        let forward = plan.forward_at(hyper);
        let tied = forward
            .readout
            .iter()
            .find(|(name, _)| name.as_str() == READOUT)
            .map(|(_, factor)| *factor);
        let own = plan
            .setting(READOUT, hyper)
            .map_or(1.0, |own| own.multiplier);
        Ok(Self {
            attention: forward.attention.unwrap_or(1.0),
            readout: tied.unwrap_or(own),
        })
    }
}

/// The last matrix of every model.
const READOUT: &str = "readout.weight";
