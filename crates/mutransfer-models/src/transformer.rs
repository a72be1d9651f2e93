//! A transformer for language: causal as a GPT, or looking both ways as BERT.

use burn::module::{Module, Param};
use burn::nn::{
    Embedding, EmbeddingConfig, Linear, LinearConfig, RotaryEncoding, RotaryEncodingConfig,
};
use burn::tensor::{Device, Int, Tensor};
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;

use crate::architecture::{Variant, Variants};
use mutransfer_fused::{
    Heads, attention, attention_logits, embedding, gelu, layer_norm, linear, positioned_embedding,
    residual_linear, rms_norm, scaled_linear, swiglu, tied_readout,
};

/// `depth` blocks of attention and a feed-forward layer; see [`crate::Architecture`] for its sizes.
///
/// As it comes: layer norm before each branch, GELU, learned positions, a readout of its own. Each
/// [`Variant`] replaces one of these.
#[derive(Module, Debug)]
pub struct Transformer {
    tokens: Embedding,
    positions: Option<Embedding>,
    blocks: Vec<Block>,
    norm: Norm,
    readout: Option<Linear>,
    readout_multiplier: f64,
}

#[derive(Module, Debug)]
struct Block {
    attention_norm: Norm,
    attention: Attention,
    mlp_norm: Norm,
    mlp: FeedForward,
    is_post_norm: bool,
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

#[derive(Module, Debug)]
struct FeedForward {
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
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
    pub(crate) attention_scale: f64,
    pub(crate) readout_multiplier: f64,
}

/// Query heads that share a key and a value, with [`Variant::GroupedKv`].
pub(crate) const GROUP: usize = 2;

impl Transformer {
    pub(crate) fn new(config: &TransformerConfig, device: &Device) -> Self {
        let (width, variants) = (config.width, &config.variants);
        let readout = || {
            LinearConfig::new(width, config.vocabulary)
                .with_bias(false)
                .init(device)
        };
        Self {
            tokens: EmbeddingConfig::new(config.vocabulary, width).init(device),
            positions: (!variants.has(Variant::Rope))
                .then(|| EmbeddingConfig::new(config.context, width).init(device)),
            blocks: (0..config.depth)
                .map(|_| Block::new(config, device))
                .collect(),
            norm: Norm::new(width, variants.has(Variant::RmsNorm), device),
            readout: (!variants.has(Variant::Tied)).then(readout),
            readout_multiplier: config.readout_multiplier,
        }
    }

    /// Logits `[batch, time, vocabulary]` for tokens `[batch, time]`.
    pub fn forward(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<3> {
        probe.embedding(|| ("tokens".into(), &self.tokens, tokens.clone()));
        let mut hidden = match &self.positions {
            Some(positions) => positioned_embedding(&self.tokens, positions, tokens),
            None => embedding(&self.tokens, tokens),
        }; // [batch, time, width]
        probe.activation(|| ("embedding".into(), Layer::Input, hidden.clone()));
        for (index, block) in self.blocks.iter().enumerate() {
            hidden = block.forward(hidden, index, probe);
        }
        let hidden = self.norm.forward(hidden);
        probe.activation(|| ("norm".into(), Layer::Hidden, hidden.clone()));
        let logits = self.read_out(hidden, probe);
        probe.activation(|| ("readout".into(), Layer::Output, logits.clone()));
        logits
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
                    let apply = move |update: Tensor<2>| {
                        input.matmul(update.transpose().unsqueeze()) * multiplier
                    };
                    ("readout".into(), Layer::Output, tokens.weight.val(), apply)
                });
                tied_readout(tokens, multiplier, hidden)
            }
        }
    }
}

impl Norm {
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

impl Block {
    fn new(config: &TransformerConfig, device: &Device) -> Self {
        let (width, variants) = (config.width, &config.variants);
        let linear = |fan_in, fan_out| LinearConfig::new(fan_in, fan_out).init(device);
        let norm = || Norm::new(width, variants.has(Variant::RmsNorm), device);
        let gate = variants
            .has(Variant::Swiglu)
            .then(|| linear(width, 4 * width));
        Self {
            attention_norm: norm(),
            attention: Attention::new(config, device),
            mlp_norm: norm(),
            mlp: FeedForward {
                gate,
                up: linear(width, 4 * width),
                down: linear(4 * width, width),
            },
            is_post_norm: variants.has(Variant::PostNorm),
        }
    }

    fn forward(&self, hidden: Tensor<3>, index: usize, probe: &mut Probe) -> Tensor<3> {
        let name = |part: &str| format!("blocks.{index}.{part}");
        let output = &self.attention.output;
        let attended = self.attention.mix(
            self.before(&self.attention_norm, hidden.clone()),
            index,
            probe,
        );
        probe.linear(|| {
            (
                name("attention.output"),
                Layer::Hidden,
                output,
                attended.clone(),
                1.0,
            )
        });
        probe.activation(|| {
            (
                name("attention"),
                Layer::Hidden,
                linear(output, attended.clone()),
            )
        });
        let hidden = self.after(
            &self.attention_norm,
            residual_linear(output, attended, hidden),
        );
        let down = &self.mlp.down;
        let fed = self
            .mlp
            .hidden(self.before(&self.mlp_norm, hidden.clone()), index, probe);
        probe.linear(|| (name("mlp.down"), Layer::Hidden, down, fed.clone(), 1.0));
        probe.activation(|| (name("mlp"), Layer::Hidden, linear(down, fed.clone())));
        self.after(&self.mlp_norm, residual_linear(down, fed, hidden))
    }

    fn before(&self, norm: &Norm, hidden: Tensor<3>) -> Tensor<3> {
        if self.is_post_norm {
            hidden
        } else {
            norm.forward(hidden)
        }
    }

    fn after(&self, norm: &Norm, hidden: Tensor<3>) -> Tensor<3> {
        if self.is_post_norm {
            norm.forward(hidden)
        } else {
            hidden
        }
    }
}

impl FeedForward {
    /// What the last layer reads.
    fn hidden(&self, input: Tensor<3>, index: usize, probe: &mut Probe) -> Tensor<3> {
        let name = |part: &str| format!("blocks.{index}.mlp.{part}");
        probe.linear(|| (name("up"), Layer::Hidden, &self.up, input.clone(), 1.0));
        let Some(gate) = &self.gate else {
            return gelu(linear(&self.up, input));
        };
        probe.linear(|| (name("gate"), Layer::Hidden, gate, input.clone(), 1.0));
        swiglu(linear(gate, input.clone()), linear(&self.up, input))
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
        let linear = |fan_in, fan_out| LinearConfig::new(fan_in, fan_out).init(device);
        let norm = || {
            variants
                .has(Variant::QkNorm)
                .then(|| Norm::new(head_dim, true, device))
        };
        let rotation = || RotaryEncodingConfig::new(config.context, head_dim).init(device);
        Self {
            query: linear(width, width),
            key: linear(width, width / group),
            value: linear(width, width / group),
            output: linear(width, width),
            query_norm: norm(),
            key_norm: norm(),
            rotation: variants.has(Variant::Rope).then(rotation),
            heads: config.heads,
            group,
            scale: config.attention_scale,
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
        for (part, layer) in [
            ("query", &self.query),
            ("key", &self.key),
            ("value", &self.value),
        ] {
            let name = || format!("blocks.{index}.attention.{part}");
            probe.linear(|| (name(), Layer::Hidden, layer, input.clone(), 1.0));
        }
        let query = self.position(
            linear(&self.query, input.clone()),
            self.heads,
            self.query_norm.as_ref(),
        );
        let shared = self.heads / self.group;
        let key = self.position(
            linear(&self.key, input.clone()),
            shared,
            self.key_norm.as_ref(),
        );
        let (key, value) = (self.repeat(key), self.repeat(linear(&self.value, input)));
        let logits = || attention_logits(query.clone(), key.clone(), heads);
        probe.activation(|| {
            (
                format!("blocks.{index}.attention.logits"),
                Layer::Attention,
                logits(),
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
