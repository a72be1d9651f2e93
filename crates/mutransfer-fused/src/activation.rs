//! GELU and SwiGLU.

use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, activation};
use mutransfer_kernels::{
    Gelu, gelu_forward_with_slope, multiply, swiglu_backward, swiglu_forward,
};

use crate::kernels::{kernel, on_cpu};
use crate::memory::Buffer;
use crate::operation::{Fused, Parents, apply};
use crate::tensor::{dims, slice};

/// The exact GELU, `x Φ(x)`.
pub fn gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    if !on_cpu(&input) {
        return activation::gelu(input);
    }
    apply!(ExactGelu, input)
}

/// `swish(gate) up`, both of the same shape.
pub fn swiglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    if !on_cpu(&gate) {
        return activation::silu(gate) * up;
    }
    apply!(SwiGlu, gate, up)
}

#[derive(Clone, Debug)]
struct ExactGelu;

impl Fused<1> for ExactGelu {
    /// The slope at each input, in its place where nobody else needs it.
    type State = FlexTensor;

    fn forward(&self, [mut x]: [FlexTensor; 1]) -> (FlexTensor, Self::State) {
        let mut y = Buffer::new(slice(&x).len());
        kernel(|workspace| {
            gelu_forward_with_slope(workspace, Gelu::Exact, x.storage_mut(), &mut y);
        });
        (y.tensor(dims(&x)), x)
    }

    fn backward(&self, slope: Self::State, mut gradient: FlexTensor, mut parents: Parents<'_, 1>) {
        kernel(|workspace| multiply(workspace, slice(&slope), gradient.storage_mut()));
        parents.give(0, gradient);
    }
}

/// Inputs: gate and up.
#[derive(Clone, Debug)]
struct SwiGlu;

impl Fused<2> for SwiGlu {
    type State = [FlexTensor; 2];

    fn forward(&self, inputs: [FlexTensor; 2]) -> (FlexTensor, Self::State) {
        let [gate, up] = inputs.each_ref().map(slice);
        let mut y = Buffer::new(gate.len());
        kernel(|workspace| swiglu_forward(workspace, gate, up, &mut y));
        (y.tensor(dims(&inputs[0])), inputs)
    }

    fn backward(&self, inputs: Self::State, gradient: FlexTensor, mut parents: Parents<'_, 2>) {
        let [gate, up] = inputs.each_ref().map(slice);
        let [mut dgate, mut dup] = [(); 2].map(|()| Buffer::new(gate.len()));
        kernel(|workspace| {
            swiglu_backward(workspace, gate, up, slice(&gradient), &mut dgate, &mut dup);
        });
        parents.give(0, dgate.tensor(dims(&inputs[0])));
        parents.give(1, dup.tensor(dims(&inputs[1])));
    }
}
