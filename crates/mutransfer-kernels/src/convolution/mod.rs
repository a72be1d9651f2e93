//! Convolutions of images whose channels lie side by side: `[images, height, width, channels]`.
//!
//! Each is one matrix product with the windows of its input as rows. That matrix is never
//! written: the product finds the numbers of a window in the image, or in a copy of it with zeros
//! around it, of which a few exist at a time. The gradient of the input is such a product too, of
//! the windows of the output's gradient; at a larger stride one for every place that a number can
//! have between two windows.

mod frame;
mod weights;
mod windows;

use crate::matrix::{Matrix, MatrixMut, Workspace, reserve};
use crate::packed::{Right, multiply_gathered};
use crate::simd::{Simd, kernel, spans};
use crate::sums::column_sums;
use crate::tile::Start;
use weights::{from_rows, pack_weight};
use windows::{Tap, Windows};

/// Sizes of a convolution with square windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Images of a batch.
    pub images: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Side of a window.
    pub window: usize,
    /// Distance of one window to the next.
    pub stride: usize,
    /// Rows and columns of zeros around an image.
    pub padding: usize,
}

impl Convolution {
    /// Rows and columns of an image of the output; zero where no window fits.
    #[must_use]
    pub fn output_size(&self) -> [usize; 2] {
        [self.height, self.width].map(|size| {
            let room = (size + 2 * self.padding).checked_sub(self.window);
            room.map_or(0, |room| room / self.stride + 1)
        })
    }

    /// Numbers of the input.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.images * self.height * self.width * self.inputs
    }

    /// Numbers of the output.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.windows() * self.outputs
    }

    /// Numbers of the weight, `[outputs, inputs, window, window]`.
    #[must_use]
    pub fn weight_len(&self) -> usize {
        self.outputs * self.inputs * self.taps()
    }

    fn windows(&self) -> usize {
        self.images * self.output_size().iter().product::<usize>()
    }

    fn taps(&self) -> usize {
        self.window * self.window
    }

    /// The windows of the input, one for each position of the output.
    fn of_input<'a>(&self, x: &'a [f32]) -> Windows<'a> {
        let place = |at: usize| at as isize - self.padding as isize;
        let tap = |at: usize| Tap {
            row: place(at / self.window),
            column: place(at % self.window),
            weight: at,
        };
        Windows {
            source: x,
            images: self.images,
            size: [self.height, self.width],
            channels: self.inputs,
            grid: self.output_size(),
            step: self.stride,
            taps: (0..self.taps()).map(tap).collect(),
        }
    }

    /// The windows of the output, one for each position of the input that lies as far behind a
    /// multiple of the stride as `phase` says.
    fn of_output<'a>(&self, dy: &'a [f32], phase: [usize; 2]) -> Windows<'a> {
        let place = |phase: usize, at: usize| {
            let ahead = (phase + self.padding) as isize - at as isize;
            let stride = self.stride as isize;
            (ahead % stride == 0).then_some(ahead / stride)
        };
        let tap = |at: usize| {
            Some(Tap {
                row: place(phase[0], at / self.window)?,
                column: place(phase[1], at % self.window)?,
                weight: at,
            })
        };
        let mut taps: Vec<Tap> = (0..self.taps()).filter_map(tap).collect();
        taps.reverse();
        let count = |size: usize, phase: usize| size.saturating_sub(phase).div_ceil(self.stride);
        Windows {
            source: dy,
            images: self.images,
            size: self.output_size(),
            channels: self.outputs,
            grid: [count(self.height, phase[0]), count(self.width, phase[1])],
            step: 1,
            taps,
        }
    }

    /// The windows of the output for every phase that has any.
    fn phases<'a>(&self, dy: &'a [f32]) -> Vec<([usize; 2], Windows<'a>)> {
        let places = 0..self.stride * self.stride;
        let phases = places.map(|place| [place / self.stride, place % self.stride]);
        let windows = phases.map(|phase| (phase, self.of_output(dy, phase)));
        windows.filter(|(_, own)| !own.taps.is_empty()).collect()
    }

    #[track_caller]
    fn check(&self, x: usize, weight: usize, y: usize) {
        assert!(self.stride > 0 && self.window > 0, "a size is zero");
        assert_eq!(
            (x, weight, y),
            (self.input_len(), self.weight_len(), self.output_len()),
            "input, weight and output of {self:?}"
        );
    }
}

/// `y = x ∗ weight + bias`, and where asked for zero in place of what is below it.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn convolution_forward(
    workspace: &mut Workspace,
    sizes: &Convolution,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    is_rectified: bool,
    y: &mut [f32],
) {
    sizes.check(x.len(), weight.len(), y.len());
    let windows = sizes.of_input(x);
    let isa = workspace.isa();
    let mut scratch = Scratch::take(workspace);
    let taps = [&windows.taps[..]];
    let weight = pack_weight(isa, weight, sizes, &taps, false, &mut scratch.packed)[0];
    windows.blocks(&mut scratch.images, |at, block| {
        let count = block.rows();
        let part = &mut y[at * sizes.outputs..][..count * sizes.outputs];
        let out = MatrixMut::new(part, count, sizes.outputs);
        multiply_gathered(isa, block, weight, Start::Zero, bias, out);
        if is_rectified {
            rectify(isa, part);
        }
    });
    scratch.give_back(workspace);
}

/// The gradient of the input of [`convolution_forward`] from that of its output, before anything
/// was rectified.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn convolution_backward_input(
    workspace: &mut Workspace,
    sizes: &Convolution,
    weight: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    sizes.check(dx.len(), weight.len(), dy.len());
    let isa = workspace.isa();
    let mut scratch = Scratch::take(workspace);
    if sizes.stride > sizes.window {
        // No window reaches the positions between two of them.
        dx.fill(0.0);
    }
    let phases = sizes.phases(dy);
    let weights = if sizes.taps() == 1 {
        // It lies there as it is used.
        let matrix = Matrix::new(weight, sizes.outputs, sizes.inputs);
        vec![Right::of(isa, matrix, sizes.windows(), &mut scratch.packed)]
    } else {
        let taps = phases.iter().map(|(_, windows)| &windows.taps[..]);
        let taps: Vec<&[Tap]> = taps.collect();
        pack_weight(isa, weight, sizes, &taps, true, &mut scratch.packed)
    };
    for ((phase, windows), weight) in phases.iter().zip(weights) {
        let products = &mut scratch.products;
        windows.blocks(&mut scratch.images, |at, block| {
            let count = block.rows();
            let product = |to: &mut [f32]| {
                let out = MatrixMut::new(to, count, sizes.inputs);
                multiply_gathered(isa, block, weight, Start::Zero, None, out);
            };
            if sizes.stride == 1 {
                product(&mut dx[at * sizes.inputs..][..count * sizes.inputs]);
            } else {
                let to = reserve(products, count * sizes.inputs);
                product(to);
                scatter(isa, sizes, windows, *phase, at, to, dx);
            }
        });
    }
    scratch.give_back(workspace);
}

kernel! {
    fn scatter(
        sizes: &Convolution,
        windows: &Windows<'_>,
        phase: [usize; 2],
        first: usize,
        from: &[f32],
        dx: &mut [f32],
    ) = scatter_body
}

/// Puts what belongs to a block of positions of one phase where it belongs.
#[inline(always)]
fn scatter_body<S: Simd>(
    s: S,
    sizes: &Convolution,
    windows: &Windows<'_>,
    phase: [usize; 2],
    first: usize,
    from: &[f32],
    dx: &mut [f32],
) {
    let (channels, stride) = (sizes.inputs, sizes.stride);
    let (count, mut at) = (from.len() / channels.max(1), 0);
    while at < count {
        let [image, row, column] = windows.place(first + at);
        let columns = (windows.grid[1] - column).min(count - at);
        let line = image * sizes.height + row * stride + phase[0];
        let begin = line * sizes.width + column * stride + phase[1];
        for index in 0..columns {
            let from = &from[(at + index) * channels..][..channels];
            let to = &mut dx[(begin + index * stride) * channels..][..channels];
            spans!(s, channels, |p| p.store(to, p.load(from)));
        }
        at += columns;
    }
}

/// The gradients of weight and bias of [`convolution_forward`].
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn convolution_backward_weight(
    workspace: &mut Workspace,
    sizes: &Convolution,
    x: &[f32],
    dy: &[f32],
    dweight: &mut [f32],
    dbias: Option<&mut [f32]>,
) {
    sizes.check(x.len(), dweight.len(), dy.len());
    let windows = sizes.of_input(x);
    let isa = workspace.isa();
    let mut scratch = Scratch::take(workspace);
    let rows = reserve(&mut scratch.sums, dweight.len());
    let depth = windows.len();
    if sizes.images * windows.grid[0] * windows.grid[1] == 0 {
        rows.fill(0.0);
    }
    windows.blocks(&mut scratch.images, |at, block| {
        let count = block.rows();
        let part = &dy[at * sizes.outputs..][..count * sizes.outputs];
        let part = Matrix::new(part, count, sizes.outputs);
        let right = Right::of(isa, part, depth, &mut scratch.packed);
        let sums = MatrixMut::new(rows, depth, sizes.outputs);
        let start = if at == 0 {
            Start::Zero
        } else {
            Start::Output(1.0)
        };
        multiply_gathered(isa, block.transposed(), right, start, None, sums);
    });
    from_rows(isa, rows, sizes, dweight);
    scratch.give_back(workspace);
    if let Some(dbias) = dbias {
        column_sums(workspace, dy, dbias);
    }
}

/// `dx = dy` where `y` is above zero, and zero elsewhere.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn rectifier_backward(workspace: &mut Workspace, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    let fits = (y.len(), y.len()) == (dy.len(), dx.len());
    assert!(fits, "the gradients have another length");
    rectifier_backward_kernel(workspace.isa(), y, dy, dx);
}

kernel! { fn rectify(y: &mut [f32]) = rectify_body }
kernel! {
    fn rectifier_backward_kernel(y: &[f32], dy: &[f32], dx: &mut [f32]) = rectifier_backward_body
}

#[inline(always)]
fn rectify_body<S: Simd>(s: S, y: &mut [f32]) {
    // What is not a number stays so.
    spans!(s, y.len(), |p| {
        let v = p.load(y);
        p.store(y, s.select_negative(v, s.splat(0.0), v));
    });
}

#[inline(always)]
fn rectifier_backward_body<S: Simd>(s: S, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    spans!(s, y.len(), |p| {
        let zero = s.splat(0.0);
        let is_above = s.sub(zero, p.load(y));
        p.store(dx, s.select_negative(is_above, p.load(dy), zero));
    });
}

/// What convolutions keep in the workspace.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Images within their margins.
    images: Vec<f32>,
    /// The right operand.
    packed: Vec<f32>,
    /// The gradient of the weight as the rows of a product.
    sums: Vec<f32>,
    /// The gradient of a block of the input.
    products: Vec<f32>,
}

impl Scratch {
    fn take(workspace: &mut Workspace) -> Self {
        std::mem::take(&mut workspace.convolution)
    }

    fn give_back(self, workspace: &mut Workspace) {
        workspace.convolution = self;
    }
}
