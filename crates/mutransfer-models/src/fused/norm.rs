//! Layer norm.

use burn::backend::flex::FlexTensor;
use burn::nn::LayerNorm;
use burn::tensor::Tensor;
use mutransfer_kernels::{NormGradients, Statistics, layer_norm_backward, layer_norm_forward};

use super::{Fused, apply, columns, dims, kernel, slice, tensor};

/// burn's default; its layer does not tell what it was made with.
const EPSILON: f32 = 1e-5;

/// Normalises the last dimension. The layer must have burn's default epsilon.
pub(crate) fn layer_norm<const D: usize>(layer: &LayerNorm, input: Tensor<D>) -> Tensor<D> {
    let fused = layer.beta.as_ref().and_then(|beta| apply!(Norm, &input, &layer.gamma.val(), &beta.val()));
    fused.unwrap_or_else(|| layer.forward(input))
}

/// Inputs: `[.., width]`, gain and bias `[width]`. Saves the mean and the inverse deviation of each row.
#[derive(Clone, Debug)]
struct Norm;

impl Fused<3> for Norm {
    fn forward(&self, [x, gain, bias]: &[FlexTensor; 3]) -> (FlexTensor, Vec<f32>) {
        let rows = slice(x).len() / columns(x);
        let mut y = vec![0.0; slice(x).len()];
        let mut saved = vec![0.0; 2 * rows];
        let (mean, inverse_deviation) = saved.split_at_mut(rows);
        let statistics = Statistics { mean, inverse_deviation };
        kernel(|workspace| {
            layer_norm_forward(workspace, slice(x), slice(gain), slice(bias), EPSILON, &mut y, statistics);
        });
        (tensor(y, dims(x)), saved)
    }

    fn backward(
        &self,
        [x, gain, bias]: &[FlexTensor; 3],
        _: &FlexTensor,
        saved: &[f32],
        gradient: &FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let (mean, inverse_deviation) = saved.split_at(saved.len() / 2);
        let zeros = |of: &FlexTensor| vec![0.0; slice(of).len()];
        let (mut dx, mut dgain, mut dbias) = (zeros(x), zeros(gain), zeros(bias));
        let gradients = NormGradients { x: &mut dx, residual: None, gain: &mut dgain, bias: &mut dbias };
        kernel(|workspace| {
            let dy = slice(gradient);
            layer_norm_backward(workspace, slice(x), slice(gain), mean, inverse_deviation, dy, gradients);
        });
        [Some(tensor(dx, dims(x))), Some(tensor(dgain, dims(gain))), Some(tensor(dbias, dims(bias)))]
    }
}
