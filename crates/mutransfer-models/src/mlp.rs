//! A multilayer perceptron over a window of tokens, each as a one-hot vector, or over the pixels of
//! an image.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;

use crate::readout::read_out;
use mutransfer_fused::{gelu, linear};

/// `depth` hidden matrices between an input layer and a readout, as in TP5 equation 3.
#[derive(Module, Debug)]
pub struct Mlp {
    input: Linear,
    hidden: Vec<Linear>,
    readout: Linear,
    readout_multiplier: f64,
}

/// Sizes and forward multiplier of an [`Mlp`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct MlpConfig {
    pub(crate) inputs: usize,
    pub(crate) classes: usize,
    pub(crate) width: usize,
    pub(crate) depth: usize,
    pub(crate) readout_multiplier: f64,
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
            readout_multiplier: config.readout_multiplier,
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
        probe.linear(|| {
            (
                "input".into(),
                Layer::Input,
                &self.input,
                input.clone(),
                1.0,
            )
        });
        let mut hidden = gelu(linear(&self.input, input));
        probe.activation(|| ("input".into(), Layer::Input, hidden.clone()));
        for (index, layer) in self.hidden.iter().enumerate() {
            let name = || format!("hidden.{index}");
            probe.linear(|| (name(), Layer::Hidden, layer, hidden.clone(), 1.0));
            hidden = gelu(linear(layer, hidden));
            probe.activation(|| (name(), Layer::Hidden, hidden.clone()));
        }
        read_out(&self.readout, self.readout_multiplier, hidden, probe)
    }

    /// One-hot tokens t, t−1, … side by side, `[batch, time, 4 · vocabulary]`, zero before the
    /// sequence begins.
    fn windows(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [batch, time] = tokens.dims();
        let [inputs, _] = self.input.weight.dims();
        let vocabulary = inputs / WINDOW;
        let one_hot: Tensor<3> = tokens.one_hot::<3>(vocabulary).float();
        let shifted = |back: usize| {
            if back >= time {
                return one_hot.zeros_like();
            }
            let before = Tensor::zeros([batch, back, vocabulary], &one_hot.device());
            Tensor::cat(vec![before, one_hot.clone().narrow(1, 0, time - back)], 1)
        };
        Tensor::cat((0..WINDOW).map(shifted).collect(), 2)
    }
}
