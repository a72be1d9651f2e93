//! Multi-head attention without the weights of all heads at once.

use burn::backend::flex::FlexTensor;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor};
use mutransfer_kernels::{
    Attention, Heads as Inputs, HeadsMut as Gradients, Matrix, MatrixMut, attention_backward,
    attention_forward,
};

use crate::kernels::{kernel, on_cpu};
use crate::memory::Buffer;
use crate::operation::{Fused, Parents, apply};
use crate::tensor::{dims, slice};

/// How an attention reads its queries, keys and values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heads {
    /// How many there are; they share the width evenly.
    pub count: usize,
    /// Multiplier of the products of queries and keys.
    pub scale: f64,
    /// Whether a position sees only itself and what came before.
    pub causal: bool,
}

/// `softmax(scale q kᵀ) v` in each head, over query, key and value `[batch, time, width]`.
pub fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: Heads) -> Tensor<3> {
    if on_cpu(&query) {
        return apply!(heads, query, key, value);
    }
    let [batch, time, width] = query.dims();
    let mut logits = attention_logits(query, key, heads);
    if heads.causal {
        let future = Tensor::<2, Bool>::tril_mask([time, time], 0, &logits.device());
        logits = logits.mask_fill(future.unsqueeze(), f32::NEG_INFINITY);
    }
    softmax(logits, 3)
        .matmul(split(value, heads.count))
        .swap_dims(1, 2)
        .reshape([batch, time, width])
}

/// Scaled products of queries and keys `[batch, time, width]`, before any mask: `[batch, heads,
/// time, time]`.
pub fn attention_logits(query: Tensor<3>, key: Tensor<3>, heads: Heads) -> Tensor<4> {
    split(query, heads.count).matmul(split(key, heads.count).swap_dims(2, 3)) * heads.scale
}

/// `[batch, time, width]` to `[batch, heads, time, head_dim]`.
fn split(projected: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, time, width] = projected.dims();
    projected
        .reshape([batch, time, heads, width / heads])
        .swap_dims(1, 2)
}

impl Heads {
    fn shape(&self, query: &FlexTensor) -> (Attention, usize, usize) {
        let [batch, length, width] = dims(query)[..] else {
            unreachable!("queries have three dimensions")
        };
        let Self {
            count,
            scale,
            causal,
        } = *self;
        let head_dim = width / count;
        (
            Attention {
                batch,
                length,
                heads: count,
                head_dim,
                scale: scale as f32,
                causal,
            },
            batch * length,
            width,
        )
    }
}

/// Inputs: query, key and value.
impl Fused<3> for Heads {
    /// The inputs, the output, and the logarithm of each row's sum.
    type State = ([FlexTensor; 3], FlexTensor, Buffer);

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Self::State) {
        let (attention, rows, width) = self.shape(&inputs[0]);
        let [q, k, v] = inputs
            .each_ref()
            .map(|input| Matrix::new(slice(input), rows, width));
        let (mut out, mut log_sums) = (Buffer::new(rows * width), Buffer::new(rows * self.count));
        kernel(|workspace| {
            let out = MatrixMut::new(&mut out, rows, width);
            attention_forward(workspace, attention, Inputs { q, k, v }, out, &mut log_sums);
        });
        let out = out.tensor(dims(&inputs[0]));
        (out.clone(), (inputs, out, log_sums))
    }

    fn backward(
        &self,
        (inputs, out, log_sums): Self::State,
        gradient: FlexTensor,
        mut parents: Parents<'_, 3>,
    ) {
        let (attention, rows, width) = self.shape(&out);
        let matrix = |tensor| Matrix::new(slice(tensor), rows, width);
        let [q, k, v] = inputs.each_ref().map(matrix);
        let mut gradients = [(); 3].map(|()| Buffer::new(rows * width));
        let [dq, dk, dv] = gradients
            .each_mut()
            .map(|values| MatrixMut::new(values, rows, width));
        kernel(|workspace| {
            let to = Gradients {
                q: dq,
                k: dk,
                v: dv,
            };
            attention_backward(
                workspace,
                attention,
                Inputs { q, k, v },
                matrix(&out),
                &log_sums,
                matrix(&gradient),
                to,
            );
        });
        for (index, values) in gradients.into_iter().enumerate() {
            parents.give(index, values.tensor(dims(&out)));
        }
    }
}
