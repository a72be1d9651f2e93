//! The kernels of `mutransfer-kernels` as differentiable operations of [burn](https://burn.dev),
//! and the planned optimizers in place.
//!
//! On the CPU device each call runs one kernel over whole slices, with its own backward pass: no
//! transposed copies, no attention weights for all heads at once, no tensor per elementary
//! operation, and the memory of the step before. On any other device, and for tensors of other
//! numbers than `f32`, the same call is the composition of burn's own operations;
//! [`without_kernels`] asks for that on the CPU too, which is what the tests compare with.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::tensor::{Device, Distribution, Tensor};
//! use mutransfer_fused::{gelu, linear, without_kernels};
//!
//! let device = Device::flex().autodiff();
//! let layer = LinearConfig::new(8, 4).init(&device);
//! let input = Tensor::<2>::random([3, 8], Distribution::Default, &device);
//! let fused = gelu(linear(&layer, input.clone()));
//! let own = without_kernels(|| gelu(linear(&layer, input)));
//! let difference: f32 = (fused - own).abs().max().into_scalar();
//! assert!(difference < 1e-6);
//! ```
//!
//! # Scope
//!
//! For models of burn that train on processor cores, one training to a core, as the proxies of
//! `mutransfer-models` do. It is not for graphics processors, where burn fuses operations itself,
//! nor for one training over many cores, as each kernel runs on the thread that calls it. It knows
//! no model: what a transformer is made of is said elsewhere. The kernels without burn are in
//! `mutransfer-kernels`.

mod activation;
mod attention;
mod batch_norm;
mod convolution;
mod embedding;
mod kernels;
mod linear;
mod loss;
#[expect(
    unsafe_code,
    reason = "the memory of tensors is cut into pieces and used again"
)]
mod memory;
mod mixture;
mod norm;
mod operation;
mod optimizer;
mod tensor;

pub use activation::{gelu, swiglu};
pub use attention::{Heads, attention, attention_logits};
pub use batch_norm::{batch_norm, rectified_batch_norm, residual_batch_norm};
pub use convolution::{convolution, mean_over_positions, rectified_convolution};
pub use embedding::{embedding, positioned_embedding};
pub use kernels::without_kernels;
pub use linear::{linear, residual_linear, scaled_linear, tied_readout};
pub use loss::cross_entropy;
pub use mixture::{Experts, Routes, balanced, mixture, route};
pub use mutransfer_kernels::{Choice, Gate};
pub use norm::{layer_norm, rms_norm};
pub use optimizer::{Moments, Optimizer};
