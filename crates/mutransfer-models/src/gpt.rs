//! A decoder-only transformer: pre-norm, GELU, learned positions, untied readout.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::Tap;
use crate::fused::{attention, embedding, gelu, layer_norm, linear};

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
    pub fn forward(&self, tokens: Tensor<2, Int>, tap: &mut Tap) -> Tensor<3> {
        let [_, time] = tokens.dims();
        let positions = Tensor::<1, Int>::arange(0..time as i64, &tokens.device()).unsqueeze();
        let mut hidden = embedding(&self.tokens, tokens) + embedding(&self.positions, positions); // [batch, time, width]
        tap.see(|| "embedding".into(), &hidden);
        for (index, block) in self.blocks.iter().enumerate() {
            hidden = block.forward(hidden, index, tap);
        }
        let hidden = layer_norm(&self.norm, hidden);
        tap.see(|| "norm".into(), &hidden);
        let logits = linear(&self.readout, hidden) * self.readout_multiplier;
        tap.see(|| "readout".into(), &logits);
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

    fn forward(&self, hidden: Tensor<3>, index: usize, tap: &mut Tap) -> Tensor<3> {
        let attended = self.attention.forward(layer_norm(&self.attention_norm, hidden.clone()), index, tap);
        tap.see(|| format!("blocks.{index}.attention"), &attended);
        let hidden = hidden + attended;
        let fed = linear(&self.mlp.down, gelu(linear(&self.mlp.up, layer_norm(&self.mlp_norm, hidden.clone()))));
        tap.see(|| format!("blocks.{index}.mlp"), &fed);
        hidden + fed
    }
}

impl Attention {
    fn forward(&self, input: Tensor<3>, index: usize, tap: &mut Tap) -> Tensor<3> {
        let query = linear(&self.query, input.clone());
        let key = linear(&self.key, input.clone());
        let value = linear(&self.value, input);
        if tap.is_on() {
            tap.see(
                || format!("blocks.{index}.attention.logits"),
                &logits(query.clone(), key.clone(), self.heads, self.scale),
            );
        }
        linear(&self.output, attend(query, key, value, self.heads, self.scale))
    }
}

/// Causal attention over `[batch, time, width]`.
pub(crate) fn attend(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: usize, scale: f64) -> Tensor<3> {
    attention(&query, &key, &value, heads, scale).unwrap_or_else(|| {
        let [batch, time, width] = query.dims();
        let future = Tensor::<2, Bool>::tril_mask([time, time], 0, &query.device());
        let logits = logits(query, key, heads, scale).mask_fill(future.unsqueeze(), f32::NEG_INFINITY);
        softmax(logits, 3).matmul(split(value, heads)).swap_dims(1, 2).reshape([batch, time, width])
    })
}

/// Scaled products of queries and keys, `[batch, heads, time, time]`.
fn logits(query: Tensor<3>, key: Tensor<3>, heads: usize, scale: f64) -> Tensor<4> {
    split(query, heads).matmul(split(key, heads).swap_dims(2, 3)) * scale
}

/// `[batch, time, width]` to `[batch, heads, time, head_dim]`.
fn split(projected: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, time, width] = projected.dims();
    projected.reshape([batch, time, heads, width / heads]).swap_dims(1, 2)
}
