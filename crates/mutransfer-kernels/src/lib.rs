//! The operations of a training step on one processor core: matrix products, convolutions,
//! attention, norms, activations, loss, embeddings, mixtures of experts and optimizer steps,
//! forward and backward, on slices of `f32`.
//!
//! The crate knows no tensor library. Every function takes a [`Workspace`], reads slices or
//! [`Matrix`] views and writes into slices that the caller owns; apart from the workspace, which
//! grows to the largest call and is kept, nothing of the size of an operand is allocated.
//!
//! ```
//! use mutransfer_kernels::{Matrix, MatrixMut, Workspace, linear_forward};
//!
//! let mut workspace = Workspace::new();
//! let (x, weight, bias) = ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0], [0.5, 0.25]);
//! let mut y = [0.0; 2];
//! let (x, weight) = (Matrix::new(&x, 1, 2), Matrix::new(&weight, 2, 2));
//! linear_forward(&mut workspace, 1.0, x, weight, Some(&bias), None, MatrixMut::new(&mut y, 1, 2));
//! assert_eq!(y, [13.5, 16.25]);
//! ```
//!
//! # Instruction sets
//!
//! Each kernel is compiled for AVX-512, AVX2 and whatever the target guarantees; [`Isa::detect`]
//! takes the best at run time and [`Workspace::with_isa`] any other. Same inputs give the same bits
//! on the same set; between sets, sums are rounded in another order.
//!
//! # Scope
//!
//! For whoever trains small networks on processor cores, many at a time, and holds their numbers in
//! slices. It is not for one training over several cores, as no function starts a thread; nor for
//! other number formats, dropout, or anything that needs to know what a model is. As
//! operations of burn, with gradients, the same kernels are in `mutransfer-fused`.

#![expect(
    clippy::inline_always,
    reason = "a function has the instruction set of the kernel that it is compiled into"
)]

pub mod activation;
pub mod attention;
pub mod batch_norm;
pub mod convolution;
pub mod embedding;
#[expect(
    unsafe_code,
    reason = "the places of numbers are read without tests of their bounds"
)]
mod left;
pub mod linear;
pub mod loss;
mod math;
pub mod matmul;
#[expect(
    unsafe_code,
    reason = "rows of a matrix that others write too are given out by pointer"
)]
pub mod matrix;
pub mod mixture;
pub mod norm;
pub mod optim;
#[expect(
    unsafe_code,
    reason = "packed numbers go where the tile reads them without a test"
)]
mod pack;
mod packed;
pub mod positions;
#[expect(unsafe_code, reason = "a processor may lack the instructions")]
mod simd;
mod sums;
#[expect(
    unsafe_code,
    reason = "the innermost loop reads and writes without tests of its bounds"
)]
mod tile;

pub use activation::{
    Gelu, gelu_backward, gelu_forward, gelu_forward_with_slope, multiply, swiglu_backward,
    swiglu_forward,
};
pub use attention::{Attention, Heads, HeadsMut, attention_backward, attention_forward};
pub use batch_norm::{
    BatchNorm, BatchNormGradients, batch_norm_backward, batch_norm_forward, batch_statistics,
};
pub use convolution::{
    Convolution, convolution_backward_input, convolution_backward_weight, convolution_forward,
    rectifier_backward,
};
pub use embedding::{embedding_backward, embedding_forward};
pub use linear::{linear_backward_input, linear_backward_weight, linear_forward};
pub use loss::cross_entropy;
pub use matmul::matmul;
pub use matrix::{Matrix, MatrixMut, Workspace};
pub use mixture::{
    Choice, Experts, Gate, Mixture, MixtureGradients, Passage, Routing, mixture_backward,
    mixture_forward,
};
pub use norm::{
    NormGradients, Statistics, layer_norm_backward, layer_norm_forward, rms_norm_backward,
    rms_norm_forward,
};
pub use optim::{Adam, Decay, Sgd, adam_step, sgd_step};
pub use positions::{mean_over_positions, mean_over_positions_backward};
pub use simd::Isa;
