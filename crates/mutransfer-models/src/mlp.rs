//! A multilayer perceptron over a window of tokens, each as a one-hot vector, or over the pixels of
//! an image.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;
use mutransfer_fused::{gelu, linear, scaled_linear};

use crate::multipliers::Multipliers;
use crate::readout::read_out;

/// `depth` hidden matrices between an input layer and a readout, as in TP5 equation 3.
#[derive(Module, Debug)]
pub struct Mlp {
    input: Linear,
    hidden: Vec<Linear>,
    readout: Linear,
    input_multiplier: f64,
    readout_multiplier: f64,
}

/// Sizes and forward multipliers of an [`Mlp`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct MlpConfig {
    pub(crate) inputs: usize,
    pub(crate) classes: usize,
    pub(crate) width: usize,
    pub(crate) depth: usize,
    pub(crate) forward: Multipliers,
}

/// Tokens that it sees at once.
pub(crate) const WINDOW: usize = 4;

impl Mlp {
    pub(crate) fn new(config: &MlpConfig, device: &Device) -> Self {
        let width = config.width;
        Self {
            input: LinearConfig::new(config.inputs, width).init(device),
            hidden: (0..config.depth)
                .map(|_| LinearConfig::new(width, width).init(device))
                .collect(),
            readout: LinearConfig::new(width, config.classes).init(device),
            input_multiplier: config.forward.input,
            readout_multiplier: config.forward.readout,
        }
    }

    /// Logits `[batch, time, vocabulary]` for tokens `[batch, time]`; position t sees the last four
    /// tokens.
    pub fn forward(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<3> {
        self.layers(self.windows(tokens), probe)
    }

    /// Logits `[batch, classes]` for images `[batch, channels, height, width]`.
    pub fn classify(&self, images: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        self.layers(images.flatten(1, 3), probe)
    }

    fn layers<const D: usize>(&self, input: Tensor<D>, probe: &mut Probe) -> Tensor<D> {
        let multiplier = self.input_multiplier;
        probe.linear(|| {
            (
                "input".into(),
                Layer::Input,
                &self.input,
                input.clone(),
                multiplier,
            )
        });
        let mut hidden = gelu(scaled_linear(&self.input, multiplier, input));
        probe.activation(|| ("input".into(), Layer::Input, hidden.clone()));
        for (index, layer) in self.hidden.iter().enumerate() {
            let name = format!("hidden.{index}");
            probe.linear(|| (name.clone(), Layer::Hidden, layer, hidden.clone(), 1.0));
            hidden = gelu(linear(layer, hidden));
            probe.activation(|| (name, Layer::Hidden, hidden.clone()));
        }
        read_out(&self.readout, self.readout_multiplier, hidden, probe)
    }

    /// One-hot tokens t, t−1, … side by side, `[batch, time, 4 · vocabulary]`, zero before the
    /// sequence begins.
    fn windows(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [inputs, _] = self.input.weight.dims();
        let vocabulary = inputs / WINDOW;
        let one_hot: Tensor<3> = tokens.one_hot::<3>(vocabulary).float();
        let shifted = (0..WINDOW).map(|back| later(&one_hot, back));
        Tensor::cat(shifted.collect(), 2)
    }
}

/// A sequence `[batch, time, vocabulary]` that begins `steps` later, after zeros.
fn later(sequence: &Tensor<3>, steps: usize) -> Tensor<3> {
    let [batch, time, vocabulary] = sequence.dims();
    if steps >= time {
        return sequence.zeros_like();
    }
    let before = Tensor::zeros([batch, steps, vocabulary], &sequence.device());
    let after = sequence.clone().narrow(1, 0, time - steps);
    Tensor::cat(vec![before, after], 1)
}
