//! The hot operations of the proxies as single kernels, with their own backward passes.
//!
//! On the CPU device each call runs a kernel of `mutransfer-kernels` over whole slices: no transposed copies, no
//! attention weights for all heads at once, no tensor per elementary operation. On any other device the same call is
//! the composition of burn's own operations, which is also what the tests compare with.

mod attention;
mod embedding;
mod linear;
mod loss;
mod norm;
mod optimizer;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, BackendTypes, Flex, TensorMetadata};
use burn::tensor::{DType, Tensor, TensorData};
use mutransfer_kernels::Workspace;

pub(crate) use attention::attention;
pub(crate) use embedding::embedding;
pub(crate) use linear::{gelu, linear};
pub(crate) use loss::cross_entropy;
pub(crate) use norm::layer_norm;
pub(crate) use optimizer::Optimizer;

/// An operation on contiguous `f32` tensors with one output and an exact backward pass.
trait Fused<const N: usize>: Clone + Debug + Send + 'static {
    /// The output, and what the backward pass needs beside the inputs.
    fn forward(&self, inputs: &[FlexTensor; N]) -> (FlexTensor, Vec<f32>);

    /// The gradients of the inputs; those not `wanted` may be anything.
    fn backward(
        &self,
        inputs: &[FlexTensor; N],
        output: &FlexTensor,
        saved: &[f32],
        gradient: &FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace::new());
}

/// Runs a kernel with the scratch memory of this thread.
fn kernel<T>(run: impl FnOnce(&mut Workspace) -> T) -> T {
    WORKSPACE.with_borrow_mut(run)
}

/// A tensor with its place in an autodiff graph on the CPU.
type Tracked = <Autodiff<Flex> as BackendTypes>::FloatTensorPrimitive;

/// The tensor with its place in the graph; none on other devices than the CPU, or outside a graph.
fn tracked<const D: usize>(tensor: &Tensor<D>) -> Option<Tracked> {
    let primitive = tensor.clone().try_into_primitive::<Autodiff<Flex>>().ok();
    primitive.filter(|tensor| tensor.dtype() == DType::F32 && enabled())
}

/// The tensor's memory; none on other devices than the CPU, or in an autodiff graph.
fn plain<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
    let primitive = tensor.clone().try_into_primitive::<Flex>().ok();
    primitive.filter(|tensor| tensor.dtype() == DType::F32 && enabled())
}

#[cfg(not(test))]
fn enabled() -> bool {
    true
}

/// Tests turn the kernels off to compare with what other devices compute.
#[cfg(test)]
fn enabled() -> bool {
    tests::ENABLED.get()
}

/// Applies an operation to tensors of any ranks; none where they are not on the CPU.
macro_rules! apply {
    ($operation:expr, $($input:expr),+) => {
        $crate::fused::run($operation, [$($crate::fused::tracked($input)),+], || [$($crate::fused::plain($input)),+])
    };
}
use apply;

fn run<const N: usize, const D: usize, F: Fused<N>>(
    operation: F,
    tracked: [Option<Tracked>; N],
    plain: impl FnOnce() -> [Option<FlexTensor>; N],
) -> Option<Tensor<D>> {
    if let Some(inputs) = all(tracked) {
        return Some(Tensor::from_primitive::<Autodiff<Flex>>(record(operation, inputs)));
    }
    let inputs = all(plain())?.map(|input| input.to_contiguous());
    Some(Tensor::from_primitive::<Flex>(operation.forward(&inputs).0))
}

fn all<T, const N: usize>(options: [Option<T>; N]) -> Option<[T; N]> {
    let found: Option<Vec<T>> = options.into_iter().collect();
    found?.try_into().ok()
}

/// Applies the operation inside an autodiff graph.
fn record<const N: usize, F: Fused<N>>(operation: F, inputs: [Tracked; N]) -> Tracked {
    let nodes = inputs.each_ref().map(|input| input.node());
    let inputs = inputs.map(|input| input.into_primitive().to_contiguous());
    let (output, saved) = operation.forward(&inputs);
    match Step(operation).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((inputs, output.clone(), saved), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Clone, Debug)]
struct Step<F>(F);

impl<const N: usize, F: Fused<N>> Backward<Flex, N> for Step<F> {
    type State = ([FlexTensor; N], FlexTensor, Vec<f32>);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (inputs, output, saved) = &ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = self.0.backward(inputs, output, saved, &gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// The numbers of a contiguous tensor.
fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("fused operations make their inputs contiguous")
}

/// A tensor of these numbers.
fn tensor(values: Vec<f32>, shape: impl Into<burn::tensor::Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Sizes of a tensor.
fn dims(tensor: &FlexTensor) -> Vec<usize> {
    tensor.layout().shape().to_vec()
}

/// Columns of a tensor seen as a matrix: its last dimension. All others together are the rows.
fn columns(tensor: &FlexTensor) -> usize {
    dims(tensor).last().copied().unwrap_or(1)
}
