//! Tensors of the CPU as slices.

use std::borrow::Cow;

use burn::backend::flex::FlexTensor;
use burn::tensor::{Int, Tensor};

use crate::memory::Buffer;

/// The numbers of a contiguous tensor.
pub(crate) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice()
        .expect("fused operations make their inputs contiguous")
}

/// The tensor as the whole of its memory.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let tensor = tensor.to_contiguous();
    if tensor.storage::<f32>().len() == tensor.layout().num_elements() {
        return tensor;
    }
    let mut copy = Buffer::new(slice(&tensor).len());
    copy.copy_from_slice(slice(&tensor));
    copy.tensor(dims(&tensor))
}

/// A tensor of the same shape to be overwritten: this one, where nobody else needs it.
pub(crate) fn reuse(mut tensor: FlexTensor) -> FlexTensor {
    if tensor.try_storage_mut::<f32>().is_some() {
        tensor
    } else {
        Buffer::new(slice(&tensor).len()).tensor(dims(&tensor))
    }
}

/// Sizes of a tensor.
pub(crate) fn dims(tensor: &FlexTensor) -> Vec<usize> {
    tensor.layout().shape().to_vec()
}

/// Columns of a tensor seen as a matrix: its last dimension. All others together are the rows.
pub(crate) fn columns(tensor: &FlexTensor) -> usize {
    dims(tensor).last().copied().unwrap_or(1)
}

/// Token numbers in memory. They are few, and no device keeps them.
pub(crate) fn indices<const D: usize>(tokens: Tensor<D, Int>) -> Vec<u32> {
    let data = tokens.into_data();
    match data.as_slice::<i32>() {
        Ok(tokens) => tokens.iter().map(|&token| token as u32).collect(),
        Err(_) => data.iter::<u32>().collect(),
    }
}

/// A vector times a number: a bias, which is small beside what a layer passes on.
pub(crate) fn times(by: f32, vector: &[f32]) -> Cow<'_, [f32]> {
    if by == 1.0 {
        Cow::Borrowed(vector)
    } else {
        Cow::Owned(vector.iter().map(|entry| by * entry).collect())
    }
}
