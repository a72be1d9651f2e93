//! Causal multi-head attention without the weights of all heads at once.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use mutransfer_kernels::{Attention, Heads, HeadsMut, Matrix, MatrixMut, attention_backward, attention_forward};

use super::{Fused, apply, dims, kernel, slice, tensor};

/// Attention of `heads` heads over query, key and value `[batch, time, width]`; none where there is no kernel.
pub(crate) fn attention(
    query: &Tensor<3>,
    key: &Tensor<3>,
    value: &Tensor<3>,
    heads: usize,
    scale: f64,
) -> Option<Tensor<3>> {
    apply!(Causal { heads, scale: scale as f32 }, query, key, value)
}

/// Inputs: query, key and value. Saves the logarithm of each row's sum.
#[derive(Clone, Debug)]
struct Causal {
    heads: usize,
    scale: f32,
}

impl Causal {
    fn shape(&self, query: &FlexTensor) -> (Attention, usize, usize) {
        let [batch, length, width] = dims(query)[..] else { unreachable!("queries have three dimensions") };
        let (heads, scale) = (self.heads, self.scale);
        let attention = Attention { batch, length, heads, head_dim: width / heads, scale, causal: true };
        (attention, batch * length, width)
    }
}

impl Fused<3> for Causal {
    fn forward(&self, inputs: &[FlexTensor; 3]) -> (FlexTensor, Vec<f32>) {
        let (attention, rows, width) = self.shape(&inputs[0]);
        let [q, k, v] = inputs.each_ref().map(|input| Matrix::new(slice(input), rows, width));
        let mut out = vec![0.0; rows * width];
        let mut log_sums = vec![0.0; rows * self.heads];
        kernel(|workspace| {
            let out = MatrixMut::new(&mut out, rows, width);
            attention_forward(workspace, attention, Heads { q, k, v }, out, &mut log_sums);
        });
        (tensor(out, dims(&inputs[0])), log_sums)
    }

    fn backward(
        &self,
        inputs: &[FlexTensor; 3],
        output: &FlexTensor,
        log_sums: &[f32],
        gradient: &FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let (attention, rows, width) = self.shape(&inputs[0]);
        let matrix = |tensor| Matrix::new(slice(tensor), rows, width);
        let [q, k, v] = inputs.each_ref().map(matrix);
        let mut gradients = [(); 3].map(|()| vec![0.0; rows * width]);
        let [dq, dk, dv] = gradients.each_mut().map(|values| MatrixMut::new(values, rows, width));
        kernel(|workspace| {
            let (heads, out, dout) = (Heads { q, k, v }, matrix(output), matrix(gradient));
            attention_backward(workspace, attention, heads, out, log_sums, dout, HeadsMut { q: dq, k: dk, v: dv });
        });
        gradients.map(|values| Some(tensor(values, dims(&inputs[0]))))
    }
}
