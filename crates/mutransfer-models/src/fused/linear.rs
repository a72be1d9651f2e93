//! `y = x W + b` without transposed copies, and GELU.

use burn::backend::flex::FlexTensor;
use burn::nn::Linear;
use burn::tensor::{Tensor, activation};
use mutransfer_kernels::{
    Gelu, Matrix, MatrixMut, gelu_backward, gelu_forward, linear_backward_input, linear_backward_weight, linear_forward,
};

use super::{Fused, apply, columns, dims, kernel, slice, tensor};

/// Applies a linear layer to the last dimension.
pub(crate) fn linear<const D: usize>(layer: &Linear, input: Tensor<D>) -> Tensor<D> {
    let weight = layer.weight.val();
    let fused = match &layer.bias {
        Some(bias) => apply!(Product, &input, &weight, &bias.val()),
        None => apply!(Product, &input, &weight),
    };
    fused.unwrap_or_else(|| layer.forward(input))
}

/// The exact GELU, `x Φ(x)`.
pub(crate) fn gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    apply!(Activation, &input).unwrap_or_else(|| activation::gelu(input))
}

/// Inputs: `[.., fan_in]`, weight `[fan_in, fan_out]`, and where there is one the bias `[fan_out]`.
#[derive(Clone, Debug)]
struct Product;

impl<const N: usize> Fused<N> for Product {
    fn forward(&self, inputs: &[FlexTensor; N]) -> (FlexTensor, Vec<f32>) {
        let (x, weight) = (matrix(&inputs[0]), matrix(&inputs[1]));
        let mut values = vec![0.0; x.rows() * weight.columns()];
        let y = MatrixMut::new(&mut values, x.rows(), weight.columns());
        kernel(|workspace| linear_forward(workspace, x, weight, inputs.get(2).map(slice), None, y));
        let mut shape = dims(&inputs[0]);
        shape.pop();
        shape.push(weight.columns());
        (tensor(values, shape), Vec::new())
    }

    fn backward(
        &self,
        inputs: &[FlexTensor; N],
        _: &FlexTensor,
        _: &[f32],
        gradient: &FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let (x, weight, dy) = (matrix(&inputs[0]), matrix(&inputs[1]), matrix(gradient));
        let mut gradients = [const { None }; N];
        if wanted[0] {
            let mut dx = vec![0.0; x.rows() * x.columns()];
            let out = MatrixMut::new(&mut dx, x.rows(), x.columns());
            kernel(|workspace| linear_backward_input(workspace, dy, weight, out));
            gradients[0] = Some(tensor(dx, dims(&inputs[0])));
        }
        let mut dweight = vec![0.0; weight.rows() * weight.columns()];
        let mut dbias = vec![0.0; if N > 2 { weight.columns() } else { 0 }];
        let out = MatrixMut::new(&mut dweight, weight.rows(), weight.columns());
        kernel(|workspace| linear_backward_weight(workspace, x, dy, out, (N > 2).then_some(&mut dbias[..])));
        gradients[1] = Some(tensor(dweight, dims(&inputs[1])));
        if let Some(bias) = gradients.get_mut(2) {
            *bias = Some(tensor(dbias, dims(&inputs[2])));
        }
        gradients
    }
}

fn matrix(tensor: &FlexTensor) -> Matrix<'_> {
    let (values, columns) = (slice(tensor), columns(tensor));
    Matrix::new(values, values.len() / columns, columns)
}

#[derive(Clone, Debug)]
struct Activation;

impl Fused<1> for Activation {
    fn forward(&self, [x]: &[FlexTensor; 1]) -> (FlexTensor, Vec<f32>) {
        let mut y = vec![0.0; slice(x).len()];
        kernel(|workspace| gelu_forward(workspace, Gelu::Exact, slice(x), &mut y));
        (tensor(y, dims(x)), Vec::new())
    }

    fn backward(
        &self,
        [x]: &[FlexTensor; 1],
        _: &FlexTensor,
        _: &[f32],
        gradient: &FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let mut dx = vec![0.0; slice(x).len()];
        kernel(|workspace| gelu_backward(workspace, Gelu::Exact, slice(x), slice(gradient), &mut dx));
        [Some(tensor(dx, dims(x)))]
    }
}
