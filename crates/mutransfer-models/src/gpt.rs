//! A decoder-only transformer: pre-norm, GELU, learned positions, untied readout.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;

use crate::fused::{
    Heads, attention, attention_logits, gelu, layer_norm, linear, positioned_embedding, residual_linear, scaled_linear,
};

/// GPT with `depth` blocks; see [`crate::Architecture`] for its sizes.
#[derive(Module, Debug)]
pub struct Gpt {
    tokens: Embedding,
    positions: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    readout: Linear,
    readout_multiplier: f64,
}

#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    attention: Attention,
    mlp_norm: LayerNorm,
    mlp: FeedForward,
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
    scale: f64,
}

#[derive(Module, Debug)]
struct FeedForward {
    up: Linear,
    down: Linear,
}

/// Sizes and forward multipliers of a [`Gpt`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct GptConfig {
    pub(crate) vocabulary: usize,
    pub(crate) context: usize,
    pub(crate) width: usize,
    pub(crate) depth: usize,
    pub(crate) heads: usize,
    pub(crate) attention_scale: f64,
    pub(crate) readout_multiplier: f64,
}

impl Gpt {
    pub(crate) fn new(config: &GptConfig, device: &Device) -> Self {
        let width = config.width;
        Self {
            tokens: EmbeddingConfig::new(config.vocabulary, width).init(device),
            positions: EmbeddingConfig::new(config.context, width).init(device),
            blocks: (0..config.depth).map(|_| Block::new(config, device)).collect(),
            norm: LayerNormConfig::new(width).init(device),
            readout: LinearConfig::new(width, config.vocabulary).with_bias(false).init(device),
            readout_multiplier: config.readout_multiplier,
        }
    }

    /// Logits `[batch, time, vocabulary]` for tokens `[batch, time]`.
    pub fn forward(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<3> {
        probe.embedding(|| ("tokens".into(), &self.tokens, tokens.clone()));
        let mut hidden = positioned_embedding(&self.tokens, &self.positions, tokens); // [batch, time, width]
        probe.activation(|| ("embedding".into(), Layer::Input, hidden.clone()));
        for (index, block) in self.blocks.iter().enumerate() {
            hidden = block.forward(hidden, index, probe);
        }
        let hidden = layer_norm(&self.norm, hidden);
        probe.activation(|| ("norm".into(), Layer::Hidden, hidden.clone()));
        probe.linear(|| ("readout".into(), Layer::Output, &self.readout, hidden.clone(), self.readout_multiplier));
        let logits = scaled_linear(&self.readout, self.readout_multiplier, hidden);
        probe.activation(|| ("readout".into(), Layer::Output, logits.clone()));
        logits
    }
}

impl Block {
    fn new(config: &GptConfig, device: &Device) -> Self {
        let width = config.width;
        let linear = |fan_in, fan_out| LinearConfig::new(fan_in, fan_out).init(device);
        Self {
            attention_norm: LayerNormConfig::new(width).init(device),
            attention: Attention {
                query: linear(width, width),
                key: linear(width, width),
                value: linear(width, width),
                output: linear(width, width),
                heads: config.heads,
                scale: config.attention_scale,
            },
            mlp_norm: LayerNormConfig::new(width).init(device),
            mlp: FeedForward { up: linear(width, 4 * width), down: linear(4 * width, width) },
        }
    }

    fn forward(&self, hidden: Tensor<3>, index: usize, probe: &mut Probe) -> Tensor<3> {
        let attended = self.attention.mix(layer_norm(&self.attention_norm, hidden.clone()), index, probe);
        let name = |part: &str| format!("blocks.{index}.{part}");
        let (up, down, output) = (&self.mlp.up, &self.mlp.down, &self.attention.output);
        probe.linear(|| (name("attention.output"), Layer::Hidden, output, attended.clone(), 1.0));
        probe.activation(|| (name("attention"), Layer::Hidden, linear(output, attended.clone())));
        let hidden = residual_linear(output, attended, hidden);
        let normed = layer_norm(&self.mlp_norm, hidden.clone());
        probe.linear(|| (name("mlp.up"), Layer::Hidden, up, normed.clone(), 1.0));
        let fed = gelu(linear(up, normed));
        probe.linear(|| (name("mlp.down"), Layer::Hidden, down, fed.clone(), 1.0));
        probe.activation(|| (name("mlp"), Layer::Hidden, linear(down, fed.clone())));
        residual_linear(down, fed, hidden)
    }
}

impl Attention {
    /// The heads side by side, before the output layer.
    fn mix(&self, input: Tensor<3>, index: usize, probe: &mut Probe) -> Tensor<3> {
        let heads = Heads { count: self.heads, scale: self.scale, causal: true };
        for (part, layer) in [("query", &self.query), ("key", &self.key), ("value", &self.value)] {
            let name = || format!("blocks.{index}.attention.{part}");
            probe.linear(|| (name(), Layer::Hidden, layer, input.clone(), 1.0));
        }
        let query = linear(&self.query, input.clone());
        let key = linear(&self.key, input.clone());
        let value = linear(&self.value, input);
        let logits = || attention_logits(query.clone(), key.clone(), heads);
        probe.activation(|| (format!("blocks.{index}.attention.logits"), Layer::Attention, logits()));
        attention(query, key, value, heads)
    }
}
