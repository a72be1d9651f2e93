//! The coordinate check of a burn module: what its forward pass shows to a probe, before and after
//! updates.

use std::collections::BTreeMap;

use burn::nn::conv::Conv2d;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Int, Tensor};
use mutransfer::theory::{Layer, Quantity};

/// Sizes of one quantity: mean |x|, root of mean x², and standard deviation (n - 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Mean of the absolute values.
    pub l1: f64,
    /// Root of the mean square.
    pub l2: f64,
    /// Standard deviation.
    pub std: f64,
}

/// One quantity of one module.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Name of the module.
    pub module: String,
    /// Which end of the network it is.
    pub layer: Layer,
    /// Which quantity.
    pub quantity: Quantity,
    /// How large it is.
    pub sizes: Sizes,
}

/// Looks at activations while a module runs, or does not, at no cost.
///
/// The forward pass takes a probe and shows it what it computes. The first pass is what later ones
/// are compared with, so use the same batch for all. What is shown is kept outside of any autodiff
/// graph.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Distribution, Tensor};
/// use mutransfer::theory::{Layer, Quantity};
/// use mutransfer_burn::Probe;
///
/// fn forward(layer: &Linear, input: Tensor<2>, probe: &mut Probe) -> Tensor<2> {
///     let output = layer.forward(input.clone());
///     probe.linear(|| ("up".into(), Layer::Hidden, layer, input, 1.0));
///     probe.activation(|| ("up".into(), Layer::Hidden, output.clone()));
///     output
/// }
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(8, 8).init(&device);
/// let batch = Tensor::random([4, 8], Distribution::Default, &device);
/// let mut probe = Probe::on();
/// forward(&layer, batch.clone(), &mut probe);
/// let first = probe.take();
/// assert_eq!(first.len(), 1);
/// assert_eq!((first[0].module.as_str(), first[0].quantity), ("up", Quantity::Activation));
/// // ... an update of the layer ...
/// forward(&layer, batch, &mut probe);
/// assert_eq!(probe.take().len(), 3); // its own update, its activation, its change
/// ```
#[derive(Debug, Default)]
pub struct Probe {
    is_on: bool,
    is_later: bool,
    activations: BTreeMap<String, Tensor<1>>,
    weights: BTreeMap<String, Tensor<1>>,
    measured: Vec<Measurement>,
}

impl Probe {
    /// Looks at nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Measures everything that is shown.
    pub fn on() -> Self {
        Self {
            is_on: true,
            ..Self::default()
        }
    }

    /// Whether it measures. A forward pass that is looked at is none of the training.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Shows the output of a module.
    pub fn activation<const D: usize>(
        &mut self,
        show: impl FnOnce() -> (String, Layer, Tensor<D>),
    ) {
        if self.is_on {
            let (module, layer, output) = show();
            self.see(&module, layer, output);
        }
    }

    /// Shows what a forward pass counts. Its change is made of steps, and follows no law.
    pub fn count<const D: usize>(&mut self, show: impl FnOnce() -> (String, Layer, Tensor<D>)) {
        if self.is_on {
            let (module, layer, counts) = show();
            let counts = counts.without_autodiff().flatten(0, D - 1);
            self.push(&module, layer, Quantity::Activation, counts);
        }
    }

    /// Shows a linear layer with its input and forward multiplier.
    pub fn linear<'a, const D: usize>(
        &mut self,
        show: impl FnOnce() -> (String, Layer, &'a Linear, Tensor<D>, f64),
    ) {
        self.update(|| {
            let (module, layer, linear, input, multiplier) = show();
            (module, layer, linear.weight.val(), move |update| {
                rows(input).matmul(update) * multiplier
            })
        });
    }

    /// Shows an embedding with the tokens that it looks up and its forward multiplier.
    pub fn embedding<'a>(
        &mut self,
        show: impl FnOnce() -> (String, &'a Embedding, Tensor<2, Int>, f64),
    ) {
        self.update(|| {
            let (module, embedding, tokens, multiplier) = show();
            let tokens: Tensor<1, Int> = tokens.flatten(0, 1);
            (
                module,
                Layer::Input,
                embedding.weight.val(),
                move |update: Tensor<2>| update.select(0, tokens) * multiplier,
            )
        });
    }

    /// Shows a convolution with its input `[batch, channels, height, width]`. A forward multiplier
    /// is in the input.
    pub fn convolution<'a>(
        &mut self,
        show: impl FnOnce() -> (String, Layer, &'a Conv2d, Tensor<4>),
    ) {
        self.update(|| {
            let (module, layer, convolution, input) = show();
            let mut moved = convolution.clone();
            moved.bias = None;
            (
                module,
                layer,
                convolution.weight.val(),
                move |update: Tensor<4>| {
                    moved.weight = moved.weight.map(|_| update);
                    moved.forward(input)
                },
            )
        });
    }

    /// Shows any other weight, with what it does to its present input: a function of the weight
    /// that is linear in it.
    pub fn update<const W: usize, const D: usize, A: FnOnce(Tensor<W>) -> Tensor<D>>(
        &mut self,
        show: impl FnOnce() -> (String, Layer, Tensor<W>, A),
    ) {
        if !self.is_on {
            return;
        }
        let (module, layer, weight, apply) = show();
        let dims = weight.dims();
        let flat: Tensor<1> = weight.without_autodiff().flatten(0, W - 1);
        match (self.is_later, self.weights.get(&module)) {
            (true, Some(first)) => {
                let moved = apply((flat - first.clone()).reshape(dims)).without_autodiff();
                self.push(&module, layer, Quantity::OwnUpdate, moved.flatten(0, D - 1));
            }
            _ => drop(self.weights.insert(module, flat)),
        }
    }

    /// What was measured since the last call, in the order shown. The first call ends the first
    /// pass.
    pub fn take(&mut self) -> Vec<Measurement> {
        self.is_later = true;
        std::mem::take(&mut self.measured)
    }

    fn see<const D: usize>(&mut self, module: &str, layer: Layer, output: Tensor<D>) {
        let flat: Tensor<1> = output.without_autodiff().flatten(0, D - 1);
        self.push(module, layer, Quantity::Activation, flat.clone());
        match (self.is_later, self.activations.get(module)) {
            (true, Some(first)) => self.push(module, layer, Quantity::Change, flat - first.clone()),
            _ => drop(self.activations.insert(module.to_owned(), flat)),
        }
    }

    fn push(&mut self, module: &str, layer: Layer, quantity: Quantity, values: Tensor<1>) {
        let sizes = Sizes::of(values);
        self.measured.push(Measurement {
            module: module.to_owned(),
            layer,
            quantity,
            sizes,
        });
    }
}

/// All dimensions but the last as one.
fn rows<const D: usize>(input: Tensor<D>) -> Tensor<2> {
    let columns = input.dims()[D - 1];
    let rows = input.shape().num_elements() / columns;
    input.without_autodiff().reshape([rows, columns])
}

impl Sizes {
    fn of(values: Tensor<1>) -> Self {
        let values: Vec<f32> = values.into_data().try_to_vec().unwrap_or_default();
        let count = values.len() as f64;
        let [sum, size, square] = sums(&values, |x| [x, x.abs(), x * x]);
        let mean = sum / count;
        let [spread] = sums(&values, |x| [(x - mean).powi(2)]);
        Self {
            l1: size / count,
            l2: (square / count).sqrt(),
            std: (spread / (count - 1.0)).sqrt(),
        }
    }
}

/// Values that are added at a time.
const LANES: usize = 8;

/// Sums over the values of what a function makes of each.
fn sums<const N: usize>(values: &[f32], of: impl Fn(f64) -> [f64; N]) -> [f64; N] {
    let mut lanes = [[0.0; LANES]; N];
    let mut add = |lane: usize, value: f32| {
        for (sums, part) in lanes.iter_mut().zip(of(f64::from(value))) {
            sums[lane] += part;
        }
    };
    let (whole, rest) = values.as_chunks::<LANES>();
    for values in whole {
        (0..LANES).for_each(|lane| add(lane, values[lane]));
    }
    rest.iter()
        .enumerate()
        .for_each(|(lane, value)| add(lane, *value));
    lanes.map(|sums| sums.iter().sum())
}
