//! Rows of a table by index.

use burn::backend::flex::FlexTensor;
use burn::nn::Embedding;
use burn::tensor::{Int, Tensor};
use mutransfer_kernels::{embedding_backward, embedding_forward};

use super::{Fused, apply, columns, dims, kernel, slice, tensor};

/// Looks up tokens `[batch, time]`, giving `[batch, time, width]`.
pub(crate) fn embedding(layer: &Embedding, tokens: Tensor<2, Int>) -> Tensor<3> {
    let table = layer.weight.val();
    let [batch, time] = tokens.dims();
    let lookup = Lookup { indices: indices(&tokens), shape: [batch, time] };
    apply!(lookup, &table).unwrap_or_else(|| layer.forward(tokens))
}

/// Token numbers in memory. They are few, and no device keeps them.
pub(super) fn indices<const D: usize>(tokens: &Tensor<D, Int>) -> Vec<u32> {
    tokens.to_data().iter::<u32>().collect()
}

/// Input: the table `[entries, width]`.
#[derive(Clone, Debug)]
struct Lookup {
    indices: Vec<u32>,
    shape: [usize; 2],
}

impl Fused<1> for Lookup {
    fn forward(&self, [table]: &[FlexTensor; 1]) -> (FlexTensor, Vec<f32>) {
        let width = columns(table);
        let mut rows = vec![0.0; self.indices.len() * width];
        kernel(|workspace| embedding_forward(workspace, slice(table), width, &self.indices, &mut rows));
        (tensor(rows, [self.shape[0], self.shape[1], width]), Vec::new())
    }

    fn backward(
        &self,
        [table]: &[FlexTensor; 1],
        _: &FlexTensor,
        _: &[f32],
        gradient: &FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let mut dtable = vec![0.0; slice(table).len()];
        let width = columns(table);
        kernel(|workspace| embedding_backward(workspace, slice(gradient), width, &self.indices, &mut dtable));
        [Some(tensor(dtable, dims(table)))]
    }
}
