//! `y = multiplier x W + b + residual` and `y = multiplier (x W + b) + residual` without transposed
//! copies.

use burn::backend::flex::FlexTensor;
use burn::module::Param;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Tensor, module};
use mutransfer_kernels::{
    Matrix, MatrixMut, linear_backward_input, linear_backward_weight, linear_forward,
};

use crate::kernels::{kernel, on_cpu};
use crate::memory::Buffer;
use crate::operation::{Fused, Parents, apply};
use crate::tensor::{columns, dims, reuse, slice, times};

/// Applies a linear layer to the last dimension of `[.., fan_in]`.
pub fn linear<const D: usize>(layer: &Linear, input: Tensor<D>) -> Tensor<D> {
    scaled_linear(layer, 1.0, input)
}

/// Applies a linear layer whose weight, but not its bias, is multiplied by a number.
pub fn scaled_linear<const D: usize>(
    layer: &Linear,
    multiplier: f64,
    input: Tensor<D>,
) -> Tensor<D> {
    let bias = layer.bias.as_ref().map(Param::val);
    scaled_product(layer.weight.val(), bias, multiplier, input)
}

/// The same of a weight `[fan_in, fan_out]` and a bias `[fan_out]` in no layer.
pub(crate) fn scaled_product<const D: usize>(
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    multiplier: f64,
    input: Tensor<D>,
) -> Tensor<D> {
    if !on_cpu(&input) {
        let scaled = if multiplier == 1.0 {
            input
        } else {
            input * multiplier
        };
        return module::linear(scaled, weight, bias);
    }
    let product = Product {
        multiplier: multiplier as f32,
        bias: bias.is_some().then_some(1.0),
        residual: false,
    };
    match bias {
        Some(bias) => apply!(product, input, weight, bias),
        None => apply!(product, input, weight),
    }
}

/// Products with the rows of an embedding, multiplied by a number: `[.., width]` to `[..,
/// entries]`.
pub fn tied_readout<const D: usize>(
    embedding: &Embedding,
    multiplier: f64,
    input: Tensor<D>,
) -> Tensor<D> {
    let weight = embedding.weight.val().transpose();
    if !on_cpu(&input) {
        return input.matmul(weight.unsqueeze()) * multiplier;
    }
    apply!(
        Product {
            multiplier: multiplier as f32,
            bias: None,
            residual: false
        },
        input,
        weight
    )
}

/// Adds a linear layer's output times `multiplier` to a residual `[.., fan_out]`.
pub fn residual_linear<const D: usize>(
    layer: &Linear,
    multiplier: f64,
    input: Tensor<D>,
    residual: Tensor<D>,
) -> Tensor<D> {
    let bias = layer.bias.as_ref().map(Param::val);
    residual_product(layer.weight.val(), bias, [multiplier; 2], input, residual)
}

/// The same of a weight `[fan_in, fan_out]` and a bias `[fan_out]` in no layer, each with its own
/// multiplier.
pub(crate) fn residual_product<const D: usize>(
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    [by, bias_by]: [f64; 2],
    input: Tensor<D>,
    residual: Tensor<D>,
) -> Tensor<D> {
    if !on_cpu(&input) {
        let sum = residual + module::linear(input, weight, None) * by;
        return match bias {
            Some(bias) => sum + (bias * bias_by).unsqueeze(),
            None => sum,
        };
    }
    let product = Product {
        multiplier: by as f32,
        bias: bias.is_some().then_some(bias_by as f32),
        residual: true,
    };
    match bias {
        Some(bias) => apply!(product, input, weight, residual, bias),
        None => apply!(product, input, weight, residual),
    }
}

/// Inputs: `[.., fan_in]`, weight `[fan_in, fan_out]`, and where there are any a residual `[..,
/// fan_out]` and then a bias `[fan_out]`.
#[derive(Clone, Debug)]
struct Product {
    multiplier: f32,
    /// What multiplies the bias, if there is one.
    bias: Option<f32>,
    residual: bool,
}

impl<const N: usize> Fused<N> for Product {
    /// The input and the weight.
    type State = [FlexTensor; 2];

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::State) {
        let [x, weight] = [0, 1].map(|index| matrix(&inputs[index]));
        let mut shape = dims(&inputs[0]);
        shape.pop();
        shape.push(weight.columns());
        let mut values = Buffer::new(x.rows() * weight.columns());
        let y = MatrixMut::new(&mut values, x.rows(), weight.columns());
        let bias = self.bias.map(|by| times(by, slice(&inputs[N - 1])));
        let residual = self.residual.then(|| matrix(&inputs[2]));
        kernel(|workspace| {
            linear_forward(
                workspace,
                self.multiplier,
                x,
                weight,
                bias.as_deref(),
                residual,
                y,
            );
        });
        let mut inputs = inputs.into_iter();
        let state = [(); 2].map(|()| inputs.next().expect("an input and a weight"));
        (values.tensor(shape), state)
    }

    fn backward(&self, state: Self::State, gradient: FlexTensor, mut parents: Parents<'_, N>) {
        let [x, weight] = state;
        let (fan_in, fan_out, dy) = (columns(&x), columns(&weight), matrix(&gradient));
        let mut dweight = Buffer::new(fan_in * fan_out);
        let mut dbias = self.bias.map(|_| Buffer::new(fan_out));
        let out = MatrixMut::new(&mut dweight, fan_in, fan_out);
        kernel(|workspace| {
            linear_backward_weight(
                workspace,
                self.multiplier,
                matrix(&x),
                dy,
                out,
                dbias.as_deref_mut(),
            );
        });
        if let (Some(dbias), Some(by)) = (&mut dbias, self.bias.filter(|by| *by != 1.0)) {
            dbias.iter_mut().for_each(|entry| *entry *= by);
        }
        parents.give(1, dweight.tensor([fan_in, fan_out]));
        if let Some(dbias) = dbias {
            parents.give(N - 1, dbias.tensor([fan_out]));
        }
        if parents.wants(0) {
            let mut dx = reuse(x);
            let out = MatrixMut::new(dx.storage_mut(), dy.rows(), fan_in);
            kernel(|workspace| {
                linear_backward_input(workspace, self.multiplier, dy, matrix(&weight), out);
            });
            parents.give(0, dx);
        }
        if self.residual {
            parents.give(2, gradient);
        }
    }
}

fn matrix(tensor: &FlexTensor) -> Matrix<'_> {
    let (values, columns) = (slice(tensor), columns(tensor));
    Matrix::new(values, values.len() / columns, columns)
}
