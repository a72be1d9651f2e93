//! Rows of a table by index.

use burn::backend::flex::FlexTensor;
use burn::nn::Embedding;
use burn::tensor::{Int, Tensor};
use mutransfer_kernels::{embedding_backward, embedding_forward};

use crate::kernels::{kernel, on_cpu};
use crate::memory::Buffer;
use crate::operation::{Fused, Parents, apply};
use crate::tensor::{columns, dims, indices, slice};

/// Looks up tokens `[batch, time]`, giving `[batch, time, width]`.
pub fn embedding(layer: &Embedding, tokens: Tensor<2, Int>) -> Tensor<3> {
    let table = layer.weight.val();
    if !on_cpu(&table) {
        return layer.forward(tokens);
    }
    apply!(
        Lookup {
            shape: tokens.dims(),
            indices: indices(tokens)
        },
        table
    )
}

/// Looks up tokens `[batch, time]` and adds the first `time` rows of a table of positions, giving
/// `[batch, time, width]`.
pub fn positioned_embedding(
    layer: &Embedding,
    positions: &Embedding,
    tokens: Tensor<2, Int>,
) -> Tensor<3> {
    let (table, places) = (layer.weight.val(), positions.weight.val());
    if !on_cpu(&table) {
        let [_, time] = tokens.dims();
        let place = Tensor::<1, Int>::arange(0..time as i64, &tokens.device()).unsqueeze();
        return layer.forward(tokens) + positions.forward(place);
    }
    apply!(
        Lookup {
            shape: tokens.dims(),
            indices: indices(tokens)
        },
        table,
        places
    )
}

/// Inputs: the table `[entries, width]`, and where there is one the table of positions `[context,
/// width]`.
#[derive(Clone, Debug)]
struct Lookup {
    indices: Vec<u32>,
    shape: [usize; 2],
}

impl<const N: usize> Fused<N> for Lookup {
    /// Shapes of the tables.
    type State = [Vec<usize>; N];

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::State) {
        let ([batch, time], width) = (self.shape, columns(&inputs[0]));
        let mut rows = Buffer::new(batch * time * width);
        kernel(|workspace| {
            embedding_forward(
                workspace,
                slice(&inputs[0]),
                width,
                &self.indices,
                &mut rows,
            );
        });
        if let Some(positions) = inputs.get(1) {
            let positions = &slice(positions)[..time * width];
            for sequence in rows.chunks_exact_mut(positions.len()) {
                sequence
                    .iter_mut()
                    .zip(positions)
                    .for_each(|(x, position)| *x += position);
            }
        }
        (
            rows.tensor([batch, time, width]),
            inputs.each_ref().map(dims),
        )
    }

    fn backward(&self, shapes: Self::State, gradient: FlexTensor, mut parents: Parents<'_, N>) {
        let (time, width) = (self.shape[1], columns(&gradient));
        let mut dtable = Buffer::new(shapes[0].iter().product());
        kernel(|workspace| {
            embedding_backward(
                workspace,
                slice(&gradient),
                width,
                &self.indices,
                &mut dtable,
            );
        });
        if let Some(positions) = shapes.get(1) {
            let mut dpositions = Buffer::new(positions.iter().product());
            dpositions.fill(0.0);
            for sequence in slice(&gradient).chunks_exact(time * width) {
                dpositions
                    .iter_mut()
                    .zip(sequence)
                    .for_each(|(sum, x)| *sum += x);
            }
            parents.give(1, dpositions.tensor(positions.clone()));
        }
        parents.give(0, dtable.tensor(shapes[0].clone()));
    }
}
