//! A residual network for images, with batch norm and projection shortcuts (He et al. 2016).

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;
use mutransfer_fused::{
    batch_norm, convolution, mean_over_positions, rectified_batch_norm, residual_batch_norm,
};

use crate::cnn::{VisionConfig, channels_last, show, three_by_three};
use crate::multipliers::scaled;
use crate::readout::read_out;

/// How many stages of blocks there are.
pub(crate) const STAGES: usize = 2;

/// A stem of stride 2, `depth` blocks of `width` channels, `depth` blocks of twice as many on
/// images half the size, the mean over positions and a readout. What a block
/// computes is added to its shortcut times the plan's residual multiplier.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: Conv2d,
    norm: BatchNorm,
    blocks: Vec<Block>,
    readout: Linear,
    input_multiplier: f64,
    residual_multiplier: f64,
    readout_multiplier: f64,
}

/// Two convolutions beside a shortcut, which is a projection where the number of channels changes.
#[derive(Module, Debug)]
struct Block {
    first: Conv2d,
    first_norm: BatchNorm,
    second: Conv2d,
    second_norm: BatchNorm,
    shortcut: Option<Conv2d>,
    shortcut_norm: Option<BatchNorm>,
}

impl ResNet {
    pub(crate) fn new(config: &VisionConfig, device: &Device) -> Self {
        let VisionConfig {
            channels,
            classes,
            width,
            depth,
            forward,
        } = *config;
        let narrow = std::iter::repeat_n(([width, width], 1), depth);
        let widening = std::iter::once(([width, 2 * width], 2));
        let wide = std::iter::repeat_n(([2 * width, 2 * width], 1), depth - 1);
        Self {
            stem: three_by_three([channels, width], 2)
                .with_bias(false)
                .init(device),
            norm: BatchNormConfig::new(width).init(device),
            blocks: narrow
                .chain(widening)
                .chain(wide)
                .map(|(channels, stride)| Block::new(channels, stride, device))
                .collect(),
            readout: LinearConfig::new(2 * width, classes).init(device),
            input_multiplier: forward.input,
            residual_multiplier: forward.residual,
            readout_multiplier: forward.readout,
        }
    }

    /// Logits `[batch, classes]` for images `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let images = channels_last(scaled(images, self.input_multiplier));
        show(probe, "stem", Layer::Input, &self.stem, &images);
        let stem = convolution(&self.stem, images);
        let mut hidden = rectified_batch_norm(&self.norm, stem);
        probe.activation(|| ("stem".into(), Layer::Input, hidden.clone()));
        for (index, block) in self.blocks.iter().enumerate() {
            hidden = block.forward(self.residual_multiplier, hidden, index, probe);
            probe.activation(|| (format!("blocks.{index}"), Layer::Hidden, hidden.clone()));
        }
        let hidden = mean_over_positions(hidden);
        read_out(&self.readout, self.readout_multiplier, hidden, probe)
    }
}

impl Block {
    fn new(channels: [usize; 2], stride: usize, device: &Device) -> Self {
        let [input, output] = channels;
        let norm = BatchNormConfig::new(output);
        let has_shortcut = input != output;
        Self {
            first: three_by_three(channels, stride)
                .with_bias(false)
                .init(device),
            first_norm: norm.init(device),
            second: three_by_three([output, output], 1)
                .with_bias(false)
                .init(device),
            second_norm: norm.init(device),
            shortcut: has_shortcut.then(|| {
                Conv2dConfig::new(channels, [1, 1])
                    .with_stride([stride; 2])
                    .with_bias(false)
                    .init(device)
            }),
            shortcut_norm: has_shortcut.then(|| norm.init(device)),
        }
    }

    /// Channels lie side by side.
    fn forward(
        &self,
        multiplier: f64,
        input: Tensor<4>,
        index: usize,
        probe: &mut Probe,
    ) -> Tensor<4> {
        let name = |part: &str| format!("blocks.{index}.{part}");
        show(probe, name("first"), Layer::Hidden, &self.first, &input);
        let hidden = convolution(&self.first, input.clone());
        let hidden = rectified_batch_norm(&self.first_norm, hidden);
        show(probe, name("second"), Layer::Hidden, &self.second, &hidden);
        let hidden = convolution(&self.second, hidden);
        let shortcut = match (&self.shortcut, &self.shortcut_norm) {
            (Some(projection), Some(norm)) => {
                show(probe, name("shortcut"), Layer::Hidden, projection, &input);
                batch_norm(norm, convolution(projection, input))
            }
            _ => input,
        };
        residual_batch_norm(&self.second_norm, multiplier, hidden, shortcut)
    }
}
