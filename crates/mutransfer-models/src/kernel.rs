//! How far training takes a small perceptron from where it started: its features, and its neural
//! tangent kernel.
//!
//! The kernel `K(x, x') = Σ_l s_l · m_l² · <δ_l(x), δ_l(x')> · <h_{l-1}(x), h_{l-1}(x')>`, with `s`
//! the scale of the learning rate, `m` the multiplier, `h` what a layer reads and `δ` the gradient
//! of the output in what it computes, says how a step of gradient descent on x' moves the output at
//! x (Jacot et al., arXiv 1806.07572; with a learning rate per layer TP4, arXiv 2011.14522). A
//! network whose features change as `n^-r`, r at most 1/2, has a kernel that changes as `n^-2r`:
//! what is linear in the features' change has the random signs of the initial readout, and sums to
//! no more than what is quadratic. In the neural tangent parametrization that is 1/n (arXiv
//! 1909.08156, 1909.11304).

#[cfg(test)]
mod tests;

use burn::tensor::{Device, Tensor, TensorData};
use mutransfer::error::WidthsError;
use mutransfer::{Axes, Hyper, Optimizer, ParamPlan, Parametrization, Plan, Shape, Shapes, Widths};
use mutransfer_burn::normal;

use crate::error::Error;

const LAYERS: [&str; 3] = ["input.weight", "hidden.weight", "readout.weight"];

/// Examples, and entries of each.
const EXAMPLES: usize = 16;
const ENTRIES: usize = 16;

/// Steps of full-batch gradient descent.
const STEPS: usize = 50;

/// Learning rate times base width, as the kernel of the standard network grows with its width.
const RATE: f64 = 6.4;

/// How far one run of training took the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelChange {
    /// `|h_T - h_0| / |h_0|` of the last activations, over all examples.
    pub features: f64,
    /// `|K_T - K_0| / |K_0|` of the kernel, Frobenius norms.
    pub kernel: f64,
    /// Mean squared error over two before training.
    pub first_loss: f64,
    /// The same after it.
    pub last_loss: f64,
}

/// Trains a perceptron with two hidden layers by plain gradient descent, under a rule that is the
/// standard one at `base_width`. The examples are random and depend on the seed only; the targets
/// are ±1 from the initial output, so that all widths and rules begin with the same errors.
///
/// # Errors
/// When a width is zero, the rule has no table for SGD, or the loss does not stay finite.
pub fn kernel_change(
    rule: &Parametrization,
    base_width: usize,
    width: usize,
    seed: u64,
) -> Result<KernelChange, Error> {
    let learning_rate = RATE / base_width as f64;
    let mut network = Perceptron::new(&plan(rule, base_width, width)?, learning_rate, seed)?;
    let (examples, signs) = examples(seed);
    let before = network.pass(&examples);
    // The initial output vanishes with width under some rules. Left in the errors, it would tilt
    // the slopes.
    let targets = before.output.clone() + signs;
    let mut now = before.clone();
    for step in 1..=STEPS {
        network.descend(&now, &targets);
        now = network.pass(&examples);
        if !now.loss(&targets).is_finite() {
            return Err(Error::NotFinite {
                rule: rule.name(),
                width,
                seed,
                learning_rate,
                step,
            });
        }
    }
    Ok(KernelChange {
        features: relative_change(&before.features(), &now.features()),
        kernel: relative_change(&network.kernel(&before), &network.kernel(&now)),
        first_loss: before.loss(&targets),
        last_loss: now.loss(&targets),
    })
}

fn plan(rule: &Parametrization, base_width: usize, width: usize) -> Result<Plan, Error> {
    if base_width == 0 || width == 0 {
        return Err(Error::Zero { what: "width" });
    }
    let widths = Widths::between(&shapes(base_width), &shapes(2 * base_width))?;
    Ok(Plan::new(
        &widths,
        &shapes(width),
        rule.clone(),
        Optimizer::Sgd,
    )?)
}

fn shapes(width: usize) -> Shapes {
    let sizes = [[ENTRIES, width], [width, width], [width, 1]];
    LAYERS
        .into_iter()
        .zip(sizes.map(|dims| Shape::new(dims).with_axes(Axes::IN_OUT)))
        .collect()
}

/// Normal inputs `[examples, entries]` and signs `[examples, 1]`.
fn examples(seed: u64) -> (Tensor<2>, Tensor<2>) {
    let inputs = normal(seed, "inputs", EXAMPLES * ENTRIES);
    let signs = normal(seed, "signs", EXAMPLES)
        .into_iter()
        .map(f32::signum)
        .collect();
    (
        matrix(inputs, [EXAMPLES, ENTRIES]),
        matrix(signs, [EXAMPLES, 1]),
    )
}

fn matrix(entries: Vec<f32>, dims: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(entries, dims), &Device::flex())
}

fn entries(matrix: Tensor<2>) -> Vec<f32> {
    matrix
        .into_data()
        .try_to_vec()
        .expect("tensors on the CPU are f32")
}

/// `|now - before| / |before|`
fn relative_change(before: &[f32], now: &[f32]) -> f64 {
    let moved: f64 = before
        .iter()
        .zip(now)
        .map(|(before, now)| square(now - before))
        .sum();
    (moved / before.iter().copied().map(square).sum::<f64>()).sqrt()
}

fn square(entry: f32) -> f64 {
    f64::from(entry).powi(2)
}

struct Layer {
    /// `[fan_in, fan_out]`
    weight: Tensor<2>,
    multiplier: f64,
    /// Scale of the learning rate.
    scale: f64,
}

impl Layer {
    fn planned(plan: &Plan, name: &str, seed: u64) -> Result<Self, Error> {
        let param = plan.param(name).ok_or_else(|| {
            mutransfer::Error::from(WidthsError::Missing {
                name: name.into(),
                present: "given",
                absent: "planned",
            })
        })?;
        Ok(Self::new(name, param, &Hyper::default(), seed))
    }

    fn new(name: &str, param: &ParamPlan, hyper: &Hyper, seed: u64) -> Self {
        let std = param.setting(hyper).init_std.unwrap_or_default();
        let dims = [0, 1].map(|axis| param.dims[axis].size());
        let draws = normal(seed, name, dims[0] * dims[1]);
        let weight = matrix(
            draws
                .into_iter()
                .map(|draw| (f64::from(draw) * std) as f32)
                .collect(),
            dims,
        );
        Self {
            weight,
            multiplier: param.scales.multiplier,
            scale: param.scales.learning_rate,
        }
    }

    fn forward(&self, read: &Tensor<2>) -> Tensor<2> {
        read.clone().matmul(self.weight.clone()) * self.multiplier
    }

    fn backward(&self, delta: &Tensor<2>) -> Tensor<2> {
        delta.clone().matmul(self.weight.clone().transpose()) * self.multiplier
    }
}

/// tanh between the layers: it is smooth, so that gradients can be checked by differences, and
/// bounded.
struct Perceptron {
    layers: [Layer; 3],
    learning_rate: f64,
}

/// What one forward and backward pass leaves, a row for each example.
#[derive(Clone)]
struct Pass {
    /// What each layer reads.
    read: [Tensor<2>; 3],
    /// Gradient of the output in what each layer computes.
    deltas: [Tensor<2>; 3],
    /// `[examples, 1]`
    output: Tensor<2>,
}

impl Perceptron {
    fn new(plan: &Plan, learning_rate: f64, seed: u64) -> Result<Self, Error> {
        let [input, hidden, readout] = LAYERS.map(|name| Layer::planned(plan, name, seed));
        Ok(Self {
            layers: [input?, hidden?, readout?],
            learning_rate,
        })
    }

    fn pass(&self, examples: &Tensor<2>) -> Pass {
        let [input, hidden, readout] = &self.layers;
        let first = input.forward(examples).tanh();
        let second = hidden.forward(&first).tanh();
        let output = readout.forward(&second);
        let last = output.ones_like();
        let middle = readout.backward(&last) * slope(&second);
        let lowest = hidden.backward(&middle) * slope(&first);
        Pass {
            read: [examples.clone(), first, second],
            deltas: [lowest, middle, last],
            output,
        }
    }

    /// One step down the gradient of the loss.
    fn descend(&mut self, pass: &Pass, targets: &Tensor<2>) {
        let errors = (pass.output.clone() - targets.clone()) / EXAMPLES as f64;
        for ((layer, read), delta) in self.layers.iter_mut().zip(&pass.read).zip(&pass.deltas) {
            let rate = self.learning_rate * layer.scale * layer.multiplier;
            let step = read
                .clone()
                .transpose()
                .matmul(delta.clone() * errors.clone() * rate);
            layer.weight.inplace(|weight| weight - step);
        }
    }

    /// The kernel between all examples, row by row.
    fn kernel(&self, pass: &Pass) -> Vec<f32> {
        let layers = self.layers.iter().zip(&pass.read).zip(&pass.deltas);
        let terms = layers.map(|((layer, read), delta)| {
            entries(products(delta) * products(read) * (layer.scale * layer.multiplier.powi(2)))
        });
        terms
            .reduce(|sum, term| sum.iter().zip(term).map(|(sum, term)| sum + term).collect())
            .unwrap_or_default()
    }
}

/// The slope of tanh where it gives this activation.
fn slope(activation: &Tensor<2>) -> Tensor<2> {
    activation.clone().square().neg() + 1.0
}

/// The inner products of all rows.
fn products(rows: &Tensor<2>) -> Tensor<2> {
    rows.clone().matmul(rows.clone().transpose())
}

impl Pass {
    fn features(&self) -> Vec<f32> {
        entries(self.read[2].clone())
    }

    /// Half the mean squared error.
    fn loss(&self, targets: &Tensor<2>) -> f64 {
        let errors = entries(self.output.clone() - targets.clone());
        errors
            .iter()
            .map(|error| f64::from(*error).powi(2))
            .sum::<f64>()
            / (2 * errors.len()) as f64
    }
}
