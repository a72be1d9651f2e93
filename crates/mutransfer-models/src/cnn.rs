//! A plain convolutional network for images.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;
use mutransfer_fused::{convolution, linear, mean_over_positions, rectified_convolution};

use crate::kind::CHANNELS;
use crate::multipliers::{Multipliers, scaled};
use crate::readout::read_out;

/// Two convolutions of stride 2 with a quarter of `width` channels, the mean over positions,
/// `depth` hidden matrices of `width` and a readout.
#[derive(Module, Debug)]
pub struct Cnn {
    first: Conv2d,
    second: Conv2d,
    hidden: Vec<Linear>,
    readout: Linear,
    input_multiplier: f64,
    readout_multiplier: f64,
}

/// Sizes and forward multipliers of a [`Cnn`] or [`crate::ResNet`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct VisionConfig {
    pub(crate) channels: usize,
    pub(crate) classes: usize,
    pub(crate) width: usize,
    pub(crate) depth: usize,
    pub(crate) forward: Multipliers,
}

/// A 3 × 3 convolution that keeps the size of an image, or halves it.
pub(crate) fn three_by_three(channels: [usize; 2], stride: usize) -> Conv2dConfig {
    Conv2dConfig::new(channels, [3, 3])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
}

/// `[batch, channels, height, width]` to `[batch, height, width, channels]`.
pub(crate) fn channels_last(images: Tensor<4>) -> Tensor<4> {
    images.permute([0, 2, 3, 1])
}

/// Shows a convolution with its input `[batch, height, width, channels]`, which is read as it lies.
/// A forward multiplier is in the input.
pub(crate) fn show(
    probe: &mut Probe,
    module: impl Into<String>,
    layer: Layer,
    shown: &Conv2d,
    input: &Tensor<4>,
) {
    probe.update(|| {
        let (mut moved, input) = (shown.clone(), input.clone().without_autodiff());
        moved.bias = None;
        let weight = shown.weight.val();
        (module.into(), layer, weight, move |update: Tensor<4>| {
            moved.weight = moved.weight.map(|_| update);
            convolution(&moved, input)
        })
    });
}

impl Cnn {
    pub(crate) fn new(config: &VisionConfig, device: &Device) -> Self {
        let VisionConfig {
            channels,
            classes,
            width,
            depth,
            forward,
        } = *config;
        let narrow = width / CHANNELS;
        let fan_ins = std::iter::once(narrow).chain(std::iter::repeat(width));
        Self {
            first: three_by_three([channels, narrow], 2).init(device),
            second: three_by_three([narrow, narrow], 2).init(device),
            hidden: fan_ins
                .take(depth)
                .map(|fan_in| LinearConfig::new(fan_in, width).init(device))
                .collect(),
            readout: LinearConfig::new(width, classes).init(device),
            input_multiplier: forward.input,
            readout_multiplier: forward.readout,
        }
    }

    /// Logits `[batch, classes]` for images `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let images = channels_last(scaled(images, self.input_multiplier));
        show(probe, "first", Layer::Input, &self.first, &images);
        let seen = rectified_convolution(&self.first, images);
        probe.activation(|| ("first".into(), Layer::Input, seen.clone()));
        show(probe, "second", Layer::Hidden, &self.second, &seen);
        let seen = rectified_convolution(&self.second, seen);
        probe.activation(|| ("second".into(), Layer::Hidden, seen.clone()));
        let mut hidden = mean_over_positions(seen);
        for (index, layer) in self.hidden.iter().enumerate() {
            let name = format!("hidden.{index}");
            probe.linear(|| (name.clone(), Layer::Hidden, layer, hidden.clone(), 1.0));
            hidden = relu(linear(layer, hidden));
            probe.activation(|| (name, Layer::Hidden, hidden.clone()));
        }
        read_out(&self.readout, self.readout_multiplier, hidden, probe)
    }
}
