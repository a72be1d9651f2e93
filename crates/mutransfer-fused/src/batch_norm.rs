//! Batch norm of images whose channels lie side by side, with the addition of a shortcut and a
//! rectifier where they follow.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::nn::BatchNorm;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use mutransfer_kernels::{
    BatchNorm as Norm, BatchNormGradients, batch_norm_backward, batch_norm_forward,
    batch_statistics,
};

use crate::convolution::{first_channels, last_channels};
use crate::kernels::{kernel, on_cpu};
use crate::memory::Buffer;
use crate::operation::{Fused, Parents, apply};
use crate::tensor::{contiguous, dims, slice};

/// Applies a batch norm to `[images, height, width, channels]`. As burn's own it takes the
/// statistics of the input where that is trained on, and moves the running ones towards them.
pub fn batch_norm(layer: &BatchNorm, input: Tensor<4>) -> Tensor<4> {
    normalize(layer, 1.0, input, None, false)
}

/// Applies a batch norm, and puts zero in place of what is below it.
pub fn rectified_batch_norm(layer: &BatchNorm, input: Tensor<4>) -> Tensor<4> {
    normalize(layer, 1.0, input, None, true)
}

/// Applies a batch norm, adds it times a multiplier to a shortcut of the same shape, and puts zero
/// in place of what is below it.
pub fn residual_batch_norm(
    layer: &BatchNorm,
    multiplier: f64,
    input: Tensor<4>,
    shortcut: Tensor<4>,
) -> Tensor<4> {
    normalize(layer, multiplier, input, Some(shortcut), true)
}

fn normalize(
    layer: &BatchNorm,
    multiplier: f64,
    input: Tensor<4>,
    shortcut: Option<Tensor<4>>,
    is_rectified: bool,
) -> Tensor<4> {
    let device = input.device();
    let is_training = device.is_autodiff() && layer.training.is_enabled();
    // Running statistics do not depend on the input, so the gradient would be another one.
    if !on_cpu(&input) || device.is_autodiff() != is_training {
        let normed = last_channels(layer.forward(first_channels(input)));
        let normed = times(normed, multiplier);
        let sum = match shortcut {
            Some(shortcut) => normed + shortcut,
            None => normed,
        };
        return if is_rectified { relu(sum) } else { sum };
    }
    let statistics = if is_training {
        let own = of_input(input.clone());
        follow(layer, &own, &device);
        own
    } else {
        [&layer.running_mean, &layer.running_var].map(|running| numbers(running.value()))
    };
    let operation = Scaled {
        epsilon: layer.epsilon as f32,
        statistics,
        has_shortcut: shortcut.is_some(),
        is_rectified,
    };
    // On numbers of channels, and not on the images: it takes no pass of its own.
    let [gain, bias] = [&layer.gamma, &layer.beta].map(|numbers| times(numbers.val(), multiplier));
    match shortcut {
        Some(shortcut) => apply!(operation, input, gain, bias, shortcut),
        None => apply!(operation, input, gain, bias),
    }
}

fn times<const D: usize>(tensor: Tensor<D>, multiplier: f64) -> Tensor<D> {
    if multiplier == 1.0 {
        tensor
    } else {
        tensor * multiplier
    }
}

/// Mean and variance of each channel.
fn of_input(input: Tensor<4>) -> [Vec<f32>; 2] {
    let [.., channels] = input.dims();
    let input = input.inner().try_into_primitive::<Flex>();
    let input = contiguous(input.expect("a tensor on the CPU"));
    let mut statistics = [(); 2].map(|()| vec![0.0; channels]);
    let [mean, variance] = &mut statistics;
    kernel(|workspace| batch_statistics(workspace, slice(&input), mean, variance));
    statistics
}

/// Moves the running statistics towards those of a batch.
fn follow(layer: &BatchNorm, statistics: &[Vec<f32>; 2], device: &Device) {
    let running = [&layer.running_mean, &layer.running_var];
    for (running, own) in running.into_iter().zip(statistics) {
        let own = Tensor::<1>::from_data(own.as_slice(), device);
        let old = running.value_sync().to_device(device);
        let new = old.mul_scalar(1.0 - layer.momentum) + own.mul_scalar(layer.momentum);
        running.update(new.detach());
    }
}

fn numbers(tensor: Tensor<1>) -> Vec<f32> {
    tensor
        .into_data()
        .try_to_vec()
        .expect("statistics on the CPU are f32")
}

/// Inputs: `[.., channels]`, gain and bias `[channels]`, and where there is one a shortcut.
#[derive(Clone, Debug)]
struct Scaled {
    epsilon: f32,
    /// Mean and variance.
    statistics: [Vec<f32>; 2],
    has_shortcut: bool,
    is_rectified: bool,
}

impl Scaled {
    fn norm<'a>(&'a self, gain: &'a FlexTensor, bias: &'a FlexTensor) -> Norm<'a> {
        let [mean, variance] = &self.statistics;
        Norm {
            gain: slice(gain),
            bias: slice(bias),
            mean,
            variance,
            epsilon: self.epsilon,
        }
    }
}

impl<const N: usize> Fused<N> for Scaled {
    /// Input, gain and bias, and the output where it was rectified.
    type State = ([FlexTensor; 3], Option<FlexTensor>);

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::State) {
        let mut y = Buffer::new(slice(&inputs[0]).len());
        let norm = self.norm(&inputs[1], &inputs[2]);
        let shortcut = self.has_shortcut.then(|| slice(&inputs[3]));
        let x = slice(&inputs[0]);
        kernel(|workspace| {
            batch_norm_forward(workspace, &norm, x, shortcut, self.is_rectified, &mut y);
        });
        let y = y.tensor(dims(&inputs[0]));
        let kept = self.is_rectified.then(|| y.clone());
        let mut inputs = inputs.into_iter();
        let state = [(); 3].map(|()| inputs.next().expect("an input, a gain and a bias"));
        (y, (state, kept))
    }

    fn backward(&self, (state, y): Self::State, gradient: FlexTensor, mut parents: Parents<'_, N>) {
        let [x, gain, bias] = state;
        let channels = slice(&gain).len();
        let mut dx = Buffer::new(slice(&x).len());
        let mut dshortcut = self.has_shortcut.then(|| Buffer::new(slice(&x).len()));
        let [mut dgain, mut dbias] = [(); 2].map(|()| Buffer::new(channels));
        let gradients = BatchNormGradients {
            x: &mut dx,
            shortcut: dshortcut.as_deref_mut(),
            gain: &mut dgain,
            bias: &mut dbias,
        };
        let norm = self.norm(&gain, &bias);
        let y = y.as_ref().map(slice);
        kernel(|workspace| {
            batch_norm_backward(workspace, &norm, slice(&x), y, slice(&gradient), gradients);
        });
        parents.give(0, dx.tensor(dims(&x)));
        parents.give(1, dgain.tensor([channels]));
        parents.give(2, dbias.tensor([channels]));
        if let Some(dshortcut) = dshortcut {
            parents.give(3, dshortcut.tensor(dims(&x)));
        }
    }
}
