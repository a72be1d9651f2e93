//! Layer norm and RMS norm.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use mutransfer_kernels::{
    NormGradients, Statistics, layer_norm_backward, layer_norm_forward, rms_norm_backward,
    rms_norm_forward,
};

use crate::kernels::{kernel, on_cpu};
use crate::memory::Buffer;
use crate::operation::{Fused, Parents, apply};
use crate::tensor::{columns, dims, slice};

/// burn's default.
const EPSILON: f32 = 1e-5;

/// Subtracts the mean of the last dimension of `[.., width]`, divides by its deviation, and applies
/// gain and bias.
pub fn layer_norm<const D: usize>(gain: Tensor<1>, bias: Tensor<1>, input: Tensor<D>) -> Tensor<D> {
    if on_cpu(&input) {
        return apply!(Layer, input, gain, bias);
    }
    let (variance, mean) = input.clone().var_mean_bias(D - 1);
    (input - mean) / (variance + EPSILON).sqrt() * gain.unsqueeze() + bias.unsqueeze()
}

/// Divides the last dimension of `[.., width]` by its root mean square and applies a gain.
pub fn rms_norm<const D: usize>(gain: Tensor<1>, input: Tensor<D>) -> Tensor<D> {
    if on_cpu(&input) {
        return apply!(RootMeanSquare { epsilon: EPSILON }, input, gain);
    }
    let square = (input.clone() * input.clone()).mean_dim(D - 1);
    input / (square + EPSILON).sqrt() * gain.unsqueeze()
}

/// Inputs: `[.., width]`, gain and bias `[width]`.
#[derive(Clone, Debug)]
struct Layer;

impl Fused<3> for Layer {
    /// Input and gain; the mean and the inverse deviation of each row.
    type State = ([FlexTensor; 2], [Buffer; 2]);

    fn forward(&self, [x, gain, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::State) {
        let rows = slice(&x).len() / columns(&x);
        let mut y = Buffer::new(slice(&x).len());
        let mut saved = [(); 2].map(|()| Buffer::new(rows));
        let [mean, inverse_deviation] = &mut saved;
        let statistics = Statistics {
            mean,
            inverse_deviation,
        };
        kernel(|workspace| {
            layer_norm_forward(
                workspace,
                slice(&x),
                slice(&gain),
                slice(&bias),
                EPSILON,
                &mut y,
                statistics,
            );
        });
        (y.tensor(dims(&x)), ([x, gain], saved))
    }

    fn backward(
        &self,
        (inputs, saved): Self::State,
        gradient: FlexTensor,
        mut parents: Parents<'_, 3>,
    ) {
        let ([x, gain], [mean, inverse_deviation]) = (inputs.each_ref().map(slice), &saved);
        let [mut dx, mut dgain, mut dbias] = [x.len(), gain.len(), gain.len()].map(Buffer::new);
        let to = NormGradients {
            x: &mut dx,
            residual: None,
            gain: &mut dgain,
            bias: &mut dbias,
        };
        kernel(|workspace| {
            layer_norm_backward(
                workspace,
                x,
                gain,
                mean,
                inverse_deviation,
                slice(&gradient),
                to,
            );
        });
        parents.give(0, dx.tensor(dims(&inputs[0])));
        parents.give(1, dgain.tensor(dims(&inputs[1])));
        parents.give(2, dbias.tensor(dims(&inputs[1])));
    }
}

/// Inputs: `[.., width]`, gain `[width]`.
#[derive(Clone, Debug)]
struct RootMeanSquare {
    epsilon: f32,
}

impl Fused<2> for RootMeanSquare {
    /// The inputs; one over the root mean square of each row.
    type State = ([FlexTensor; 2], Buffer);

    fn forward(&self, inputs: [FlexTensor; 2]) -> (FlexTensor, Self::State) {
        let [x, gain] = inputs.each_ref().map(slice);
        let [mut y, mut inverse_size] = [x.len(), x.len() / gain.len()].map(Buffer::new);
        kernel(|workspace| {
            rms_norm_forward(workspace, x, gain, self.epsilon, &mut y, &mut inverse_size);
        });
        (y.tensor(dims(&inputs[0])), (inputs, inverse_size))
    }

    fn backward(
        &self,
        (inputs, inverse_size): Self::State,
        gradient: FlexTensor,
        mut parents: Parents<'_, 2>,
    ) {
        let [x, gain] = inputs.each_ref().map(slice);
        let [mut dx, mut dgain] = [x.len(), gain.len()].map(Buffer::new);
        let to = NormGradients {
            x: &mut dx,
            residual: None,
            gain: &mut dgain,
            bias: &mut [],
        };
        kernel(|workspace| {
            rms_norm_backward(workspace, x, gain, &inverse_size, slice(&gradient), to);
        });
        parents.give(0, dx.tensor(dims(&inputs[0])));
        parents.give(1, dgain.tensor(dims(&inputs[1])));
    }
}
