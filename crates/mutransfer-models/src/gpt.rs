//! A decoder-only transformer: pre-norm, GELU, learned positions, untied readout.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::Tap;

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
        let device = tokens.device();
        let positions = Tensor::<1, Int>::arange(0..time as i64, &device).unsqueeze();
        let mut hidden = self.tokens.forward(tokens) + self.positions.forward(positions); // [batch, time, width]
        tap.see(|| "embedding".into(), &hidden);
        let future = Tensor::<2, Bool>::tril_mask([time, time], 0, &device);
        for (index, block) in self.blocks.iter().enumerate() {
            hidden = block.forward(hidden, &future, index, tap);
        }
        let hidden = self.norm.forward(hidden);
        tap.see(|| "norm".into(), &hidden);
        let logits = self.readout.forward(hidden) * self.readout_multiplier;
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

    fn forward(&self, hidden: Tensor<3>, future: &Tensor<2, Bool>, index: usize, tap: &mut Tap) -> Tensor<3> {
        let attended = self.attention.forward(self.attention_norm.forward(hidden.clone()), future, index, tap);
        tap.see(|| format!("blocks.{index}.attention"), &attended);
        let hidden = hidden + attended;
        let fed = self.mlp.down.forward(gelu(self.mlp.up.forward(self.mlp_norm.forward(hidden.clone()))));
        tap.see(|| format!("blocks.{index}.mlp"), &fed);
        hidden + fed
    }
}

impl Attention {
    fn forward(&self, input: Tensor<3>, future: &Tensor<2, Bool>, index: usize, tap: &mut Tap) -> Tensor<3> {
        let [batch, time, width] = input.dims();
        let split = |projected: Tensor<3>| {
            projected.reshape([batch, time, self.heads, width / self.heads]).swap_dims(1, 2) // [batch, heads, time, head_dim]
        };
        let query = split(self.query.forward(input.clone()));
        let key = split(self.key.forward(input.clone()));
        let value = split(self.value.forward(input));
        let logits = query.matmul(key.swap_dims(2, 3)) * self.scale; // [batch, heads, time, time]
        tap.see(|| format!("blocks.{index}.attention.logits"), &logits);
        let weights = softmax(logits.mask_fill(future.clone().unsqueeze(), f32::NEG_INFINITY), 3);
        self.output.forward(weights.matmul(value).swap_dims(1, 2).reshape([batch, time, width]))
    }
}
