//! A transformer for language: causal as a GPT, or looking both ways as BERT.

use burn::module::{Module, Param};
use burn::nn::{
    Embedding, EmbeddingConfig, Linear, LinearConfig, RotaryEncoding, RotaryEncodingConfig,
};
use burn::tensor::{Device, Int, Tensor};
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;

use crate::expert_sizes::ExpertSizes;
use crate::feed_forward::{Feed, new_linear, show_branch, show_linear};
use crate::multipliers::{Multipliers, scaled};
use crate::variant::{GROUP, Variant, Variants};
use mutransfer_fused::{
    Heads, attention, attention_logits, embedding, layer_norm, linear, positioned_embedding,
    residual_linear, rms_norm, scaled_linear, tied_readout,
};

/// `depth` blocks of attention and a feed-forward layer; see [`crate::Architecture`] for its sizes.
///
/// `F` is the second branch of a block: dense, or a mixture of experts.
///
/// As it comes: layer norm before each branch, GELU, learned positions, a readout of its own. Each
/// [`Variant`] replaces one of these. Branches are added times the plan's residual multiplier.
#[derive(Module, Debug)]
pub(crate) struct Transformer<F: Module> {
    tokens: Embedding,
    positions: Option<Embedding>,
    blocks: Vec<Block<F>>,
    norm: Option<Norm>,
    readout: Option<Linear>,
    input_multiplier: f64,
    readout_multiplier: f64,
}

#[derive(Module, Debug)]
struct Block<F: Module> {
    attention_norm: Option<Norm>,
    attention: Attention,
    mlp_norm: Option<Norm>,
    mlp: F,
    is_post_norm: bool,
    residual: f64,
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    query_norm: Option<Norm>,
    key_norm: Option<Norm>,
    rotation: Option<RotaryEncoding>,
    heads: usize,
    group: usize,
    scale: f64,
    is_causal: bool,
}

/// Layer norm, or RMS norm where it has no bias.
#[derive(Module, Debug)]
struct Norm {
    gamma: Param<Tensor<1>>,
    beta: Option<Param<Tensor<1>>>,
}

/// Sizes and forward multipliers of a [`Transformer`].
#[derive(Clone, Debug)]
pub(crate) struct TransformerConfig {
    pub(crate) vocabulary: usize,
    pub(crate) context: usize,
    pub(crate) width: usize,
    pub(crate) depth: usize,
    pub(crate) heads: usize,
    pub(crate) variants: Variants,
    pub(crate) is_causal: bool,
    pub(crate) forward: Multipliers,
    /// Of a mixture; a dense layer has none.
    pub(crate) experts: ExpertSizes,
    /// Whether their load is balanced.
    pub(crate) is_balanced: bool,
}

impl<F: Feed> Transformer<F> {
    pub(crate) fn new(config: &TransformerConfig, device: &Device) -> Self {
        let (width, variants) = (config.width, &config.variants);
        let has_positions = !variants.has(Variant::Rope);
        let has_readout = !variants.has(Variant::Tied);
        Self {
            tokens: EmbeddingConfig::new(config.vocabulary, width).init(device),
            positions: has_positions
                .then(|| EmbeddingConfig::new(config.context, width).init(device)),
            blocks: (0..config.depth)
                .map(|_| Block::new(config, device))
                .collect(),
            norm: Norm::of(config, device),
            readout: has_readout.then(|| {
                LinearConfig::new(width, config.vocabulary)
                    .with_bias(false)
                    .init(device)
            }),
            input_multiplier: config.forward.input,
            readout_multiplier: config.forward.readout,
        }
    }

    /// Logits `[batch, time, vocabulary]` for tokens `[batch, time]`.
    pub(crate) fn forward(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<3> {
        let hidden = normed(self.norm.as_ref(), self.stream(tokens, probe));
        probe.activation(|| ("norm".into(), Layer::Hidden, hidden.clone()));
        let logits = self.read_out(hidden, probe);
        probe.activation(|| ("readout".into(), Layer::Output, logits.clone()));
        logits
    }

    /// The residual stream after the last block, `[batch, time, width]`.
    pub(crate) fn stream(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<3> {
        let multiplier = self.input_multiplier;
        probe.embedding(|| ("tokens".into(), &self.tokens, tokens.clone(), multiplier));
        let embedded = match &self.positions {
            Some(positions) => positioned_embedding(&self.tokens, positions, tokens),
            None => embedding(&self.tokens, tokens),
        };
        let mut hidden = scaled(embedded, multiplier); // [batch, time, width]
        probe.activation(|| ("embedding".into(), Layer::Input, hidden.clone()));
        for (index, block) in self.blocks.iter().enumerate() {
            hidden = block.forward(hidden, index, probe);
        }
        hidden
    }

    fn read_out(&self, hidden: Tensor<3>, probe: &mut Probe) -> Tensor<3> {
        let multiplier = self.readout_multiplier;
        match &self.readout {
            Some(readout) => {
                probe.linear(|| {
                    (
                        "readout".into(),
                        Layer::Output,
                        readout,
                        hidden.clone(),
                        multiplier,
                    )
                });
                scaled_linear(readout, multiplier, hidden)
            }
            None => {
                let tokens = &self.tokens;
                probe.update(|| {
                    let input = hidden.clone().without_autodiff();
                    (
                        "readout".into(),
                        Layer::Output,
                        tokens.weight.val(),
                        move |update: Tensor<2>| {
                            input.matmul(update.transpose().unsqueeze()) * multiplier
                        },
                    )
                });
                tied_readout(tokens, multiplier, hidden)
            }
        }
    }
}

/// What a norm makes of it, where there is one.
fn normed(norm: Option<&Norm>, hidden: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(hidden),
        None => hidden,
    }
}

impl Norm {
    /// That of the residual stream, unless it goes without.
    fn of(config: &TransformerConfig, device: &Device) -> Option<Self> {
        let variants = &config.variants;
        let is_rms = variants.has(Variant::RmsNorm);
        (!variants.has(Variant::NoNorm)).then(|| Self::new(config.width, is_rms, device))
    }

    fn new(width: usize, is_rms: bool, device: &Device) -> Self {
        let beta = (!is_rms).then(|| Param::from_tensor(Tensor::zeros([width], device)));
        Self {
            gamma: Param::from_tensor(Tensor::ones([width], device)),
            beta,
        }
    }

    fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        match &self.beta {
            Some(beta) => layer_norm(self.gamma.val(), beta.val(), input),
            None => rms_norm(self.gamma.val(), input),
        }
    }
}

impl<F: Feed> Block<F> {
    fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            attention_norm: Norm::of(config, device),
            attention: Attention::new(config, device),
            mlp_norm: Norm::of(config, device),
            mlp: F::new(config, device),
            is_post_norm: config.variants.has(Variant::PostNorm),
            residual: config.forward.residual,
        }
    }

    fn forward(&self, hidden: Tensor<3>, index: usize, probe: &mut Probe) -> Tensor<3> {
        let output = &self.attention.output;
        let input = self.before(self.attention_norm.as_ref(), hidden.clone());
        let attended = self.attention.mix(input, index, probe);
        show_branch(["attention", "output"], index, output, &attended, probe);
        let attended = residual_linear(output, self.residual, attended, hidden);
        let hidden = self.after(self.attention_norm.as_ref(), attended);
        let input = self.before(self.mlp_norm.as_ref(), hidden.clone());
        let fed = self.mlp.add(self.residual, [input, hidden], index, probe);
        self.after(self.mlp_norm.as_ref(), fed)
    }

    fn before(&self, norm: Option<&Norm>, hidden: Tensor<3>) -> Tensor<3> {
        normed(norm.filter(|_| !self.is_post_norm), hidden)
    }

    fn after(&self, norm: Option<&Norm>, hidden: Tensor<3>) -> Tensor<3> {
        normed(norm.filter(|_| self.is_post_norm), hidden)
    }
}

impl Attention {
    fn new(config: &TransformerConfig, device: &Device) -> Self {
        let (width, variants) = (config.width, &config.variants);
        let head_dim = width / config.heads;
        let group = if variants.has(Variant::GroupedKv) {
            GROUP
        } else {
            1
        };
        let is_normed = variants.has(Variant::QkNorm);
        let is_rotated = variants.has(Variant::Rope);
        Self {
            query: new_linear(width, width, device),
            key: new_linear(width, width / group, device),
            value: new_linear(width, width / group, device),
            output: new_linear(width, width, device),
            query_norm: is_normed.then(|| Norm::new(head_dim, true, device)),
            key_norm: is_normed.then(|| Norm::new(head_dim, true, device)),
            rotation: is_rotated
                .then(|| RotaryEncodingConfig::new(config.context, head_dim).init(device)),
            heads: config.heads,
            group,
            scale: config.forward.attention,
            is_causal: config.is_causal,
        }
    }

    /// The heads side by side, before the output layer.
    fn mix(&self, input: Tensor<3>, index: usize, probe: &mut Probe) -> Tensor<3> {
        let heads = Heads {
            count: self.heads,
            scale: self.scale,
            causal: self.is_causal,
        };
        show_linear("attention.query", index, &self.query, &input, probe);
        show_linear("attention.key", index, &self.key, &input, probe);
        show_linear("attention.value", index, &self.value, &input, probe);
        let shared = self.heads / self.group;
        let query = linear(&self.query, input.clone());
        let query = self.position(query, self.heads, self.query_norm.as_ref());
        let key = linear(&self.key, input.clone());
        let key = self.repeat(self.position(key, shared, self.key_norm.as_ref()));
        let value = self.repeat(linear(&self.value, input));
        probe.activation(|| {
            (
                format!("blocks.{index}.attention.logits"),
                Layer::Attention,
                attention_logits(query.clone(), key.clone(), heads),
            )
        });
        attention(query, key, value, heads)
    }

    /// Normalises each of the heads and turns it by its position, `[batch, time, heads ·
    /// head_dim]`.
    fn position(&self, projected: Tensor<3>, heads: usize, norm: Option<&Norm>) -> Tensor<3> {
        if norm.is_none() && self.rotation.is_none() {
            return projected;
        }
        let [batch, time, width] = projected.dims();
        let mut split: Tensor<4> = projected.reshape([batch, time, heads, width / heads]);
        if let Some(norm) = norm {
            split = norm.forward(split);
        }
        if let Some(rotation) = &self.rotation {
            split = rotation.forward(split.swap_dims(1, 2)).swap_dims(1, 2);
        }
        split.reshape([batch, time, width])
    }

    /// Gives every query head its copy of the key or value that it shares.
    fn repeat(&self, shared: Tensor<3>) -> Tensor<3> {
        if self.group == 1 {
            return shared;
        }
        let [batch, time, width] = shared.dims();
        let heads = self.heads / self.group;
        let split: Tensor<5> = shared.reshape([batch, time, heads, 1, width / heads]);
        split
            .repeat_dim(3, self.group)
            .reshape([batch, time, width * self.group])
    }
}
