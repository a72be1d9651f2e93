//! Convolutions of images whose channels lie side by side: `[images, height, width, channels]`.

use burn::backend::flex::FlexTensor;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use mutransfer_kernels::{
    Convolution, convolution_backward_input, convolution_backward_weight, convolution_forward,
    mean_over_positions as mean_kernel, mean_over_positions_backward, rectifier_backward,
};

use crate::kernels::{kernel, on_cpu};
use crate::memory::Buffer;
use crate::operation::{Fused, Parents, apply};
use crate::tensor::{columns, dims, reuse, slice};

/// Applies a convolution to `[images, height, width, channels]`.
pub fn convolution(layer: &Conv2d, input: Tensor<4>) -> Tensor<4> {
    convolve(layer, input, false)
}

/// Applies a convolution, and puts zero in place of what is below it.
pub fn rectified_convolution(layer: &Conv2d, input: Tensor<4>) -> Tensor<4> {
    convolve(layer, input, true)
}

fn convolve(layer: &Conv2d, input: Tensor<4>, is_rectified: bool) -> Tensor<4> {
    let Some(padding) = padding(layer).filter(|_| on_cpu(&input)) else {
        let output = last_channels(layer.forward(first_channels(input)));
        return if is_rectified { relu(output) } else { output };
    };
    let operation = Windows {
        stride: layer.stride[0],
        padding,
        bias: layer.bias.is_some(),
        is_rectified,
    };
    match &layer.bias {
        Some(bias) => apply!(operation, input, layer.weight.val(), bias.val()),
        None => apply!(operation, input, layer.weight.val()),
    }
}

/// The padding of a layer that the kernels can do: square, equal on all sides, without groups or
/// gaps.
fn padding(layer: &Conv2d) -> Option<usize> {
    let padding = match layer.padding {
        PaddingConfig2d::Valid => Some(0),
        PaddingConfig2d::Explicit(top, left, bottom, right) => {
            (top == left && top == bottom && top == right).then_some(top)
        }
        PaddingConfig2d::Same => None,
    };
    let [rows, columns] = layer.kernel_size;
    let is_plain = layer.groups == 1
        && layer.dilation == [1, 1]
        && layer.stride[0] == layer.stride[1]
        && rows == columns;
    padding.filter(|_| is_plain)
}

/// As burn has images: `[images, channels, height, width]`.
pub(crate) fn first_channels(images: Tensor<4>) -> Tensor<4> {
    images.permute([0, 3, 1, 2])
}

/// As the kernels have them.
pub(crate) fn last_channels(images: Tensor<4>) -> Tensor<4> {
    images.permute([0, 2, 3, 1])
}

/// Inputs: images, weight `[outputs, inputs, window, window]`, and where there is one a bias
/// `[outputs]`.
#[derive(Clone, Debug)]
struct Windows {
    stride: usize,
    padding: usize,
    bias: bool,
    is_rectified: bool,
}

impl Windows {
    fn sizes(&self, x: &FlexTensor, weight: &FlexTensor) -> Convolution {
        let (x, weight) = (dims(x), dims(weight));
        Convolution {
            images: x[0],
            height: x[1],
            width: x[2],
            inputs: x[3],
            outputs: weight[0],
            window: weight[2],
            stride: self.stride,
            padding: self.padding,
        }
    }
}

impl<const N: usize> Fused<N> for Windows {
    /// The input and the weight, and the output where it was rectified.
    type State = ([FlexTensor; 2], Option<FlexTensor>);

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::State) {
        let sizes = self.sizes(&inputs[0], &inputs[1]);
        let mut y = Buffer::new(sizes.output_len());
        let [x, weight] = [0, 1].map(|index| slice(&inputs[index]));
        let bias = self.bias.then(|| slice(&inputs[2]));
        kernel(|workspace| {
            convolution_forward(
                workspace,
                &sizes,
                x,
                weight,
                bias,
                self.is_rectified,
                &mut y,
            );
        });
        let [height, width] = sizes.output_size();
        let y = y.tensor([sizes.images, height, width, sizes.outputs]);
        let kept = self.is_rectified.then(|| y.clone());
        let mut inputs = inputs.into_iter();
        let state = [(); 2].map(|()| inputs.next().expect("an input and a weight"));
        (y, (state, kept))
    }

    fn backward(&self, (state, y): Self::State, gradient: FlexTensor, mut parents: Parents<'_, N>) {
        let [x, weight] = state;
        let sizes = self.sizes(&x, &weight);
        let gradient = y.map_or_else(|| gradient.clone(), |y| passed(&y, &gradient));
        let dy = slice(&gradient);
        let mut dweight = Buffer::new(sizes.weight_len());
        let mut dbias = self.bias.then(|| Buffer::new(sizes.outputs));
        kernel(|workspace| {
            convolution_backward_weight(
                workspace,
                &sizes,
                slice(&x),
                dy,
                &mut dweight,
                dbias.as_deref_mut(),
            );
        });
        parents.give(1, dweight.tensor(dims(&weight)));
        if let Some(dbias) = dbias {
            parents.give(2, dbias.tensor([sizes.outputs]));
        }
        if parents.wants(0) {
            let mut dx = reuse(x);
            kernel(|workspace| {
                let to = dx.storage_mut();
                convolution_backward_input(workspace, &sizes, slice(&weight), dy, to);
            });
            parents.give(0, dx);
        }
    }
}

/// The part of a gradient that passes a rectifier.
fn passed(y: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
    let mut dx = Buffer::new(slice(y).len());
    kernel(|workspace| rectifier_backward(workspace, slice(y), slice(gradient), &mut dx));
    dx.tensor(dims(y))
}

/// `[images, height, width, channels]` to `[images, channels]`.
pub fn mean_over_positions(images: Tensor<4>) -> Tensor<2> {
    let [count, height, width, channels] = images.dims();
    if on_cpu(&images) {
        return apply!(Mean, images);
    }
    images
        .reshape([count, height * width, channels])
        .mean_dim(1)
        .reshape([count, channels])
}

/// Input: images.
#[derive(Clone, Debug)]
struct Mean;

impl Fused<1> for Mean {
    /// The sizes of the input.
    type State = Vec<usize>;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, Self::State) {
        let (sizes, channels) = (dims(&x), columns(&x));
        let mut y = Buffer::new(sizes[0] * channels);
        kernel(|workspace| mean_kernel(workspace, channels, slice(&x), &mut y));
        (y.tensor([sizes[0], channels]), sizes)
    }

    fn backward(&self, sizes: Self::State, gradient: FlexTensor, mut parents: Parents<'_, 1>) {
        let mut dx = Buffer::new(sizes.iter().product());
        let channels = columns(&gradient);
        kernel(|workspace| {
            mean_over_positions_backward(workspace, channels, slice(&gradient), &mut dx);
        });
        parents.give(0, dx.tensor(sizes));
    }
}
