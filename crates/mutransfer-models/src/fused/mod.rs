//! The hot operations of the proxies as single kernels, with their own backward passes.
//!
//! On the CPU device each call runs a kernel of `mutransfer-kernels` over whole slices: no
//! transposed copies, no attention weights for all heads at once, no tensor per elementary
//! operation, and the memory of the step before. On any other device the same call is the
//! composition of burn's own operations, which is also what the tests compare with. Tensors of
//! `f32` only; others go burn's way.

mod activation;
mod attention;
mod embedding;
mod linear;
mod loss;
mod memory;
mod norm;
mod optimizer;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt::Debug;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, BackendTypes, Flex};
use burn::tensor::{DType, Device, Tensor};
use memory::Buffer;
use mutransfer_kernels::Workspace;

pub use activation::{gelu, swiglu};
pub use attention::{Heads, attention, attention_logits};
pub use embedding::{embedding, positioned_embedding};
pub use linear::{linear, residual_linear, scaled_linear, tied_readout};
pub use loss::cross_entropy;
pub use norm::{layer_norm, rms_norm};
pub(crate) use optimizer::Optimizer;

/// An operation on contiguous `f32` tensors with one output and an exact backward pass.
trait Fused<const N: usize>: Clone + Debug + Send + 'static {
    /// What the backward pass needs.
    type State: Clone + Debug + Send + 'static;

    /// The output, and what is kept for the backward pass.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::State);

    /// Gives each input its gradient.
    fn backward(&self, state: Self::State, gradient: FlexTensor, parents: Parents<'_, N>);
}

/// The inputs of an operation during its backward pass.
struct Parents<'a, const N: usize> {
    /// None for inputs that need no gradient.
    nodes: [Option<NodeId>; N],
    gradients: &'a mut Gradients,
}

impl<const N: usize> Parents<'_, N> {
    fn wants(&self, index: usize) -> bool {
        self.nodes[index].is_some()
    }

    /// Adds to the gradient of an input.
    fn give(&mut self, index: usize, gradient: FlexTensor) {
        if let Some(node) = self.nodes[index] {
            self.gradients.register::<Flex>(node, gradient);
        }
    }
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace::new());
}

/// Runs a kernel with the scratch memory of this thread.
fn kernel<T>(run: impl FnOnce(&mut Workspace) -> T) -> T {
    WORKSPACE.with_borrow_mut(run)
}

/// Whether the kernels can work on this tensor.
fn on_cpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    // Device equality ignores autodiff.
    enabled() && tensor.device() == Device::flex() && tensor.dtype() == DType::F32
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

/// A tensor with its place in an autodiff graph on the CPU.
type Tracked = <Autodiff<Flex> as BackendTypes>::FloatTensorPrimitive;

/// A tensor on the CPU.
enum Input {
    Tracked(Tracked),
    Plain(FlexTensor),
}

impl Input {
    fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        const ON_CPU: &str = "all inputs of a fused operation are on the CPU";
        match tensor.device().is_autodiff() {
            true => Self::Tracked(tensor.try_into_primitive::<Autodiff<Flex>>().expect(ON_CPU)),
            false => Self::Plain(tensor.try_into_primitive::<Flex>().expect(ON_CPU)),
        }
    }

    fn tracked(self) -> Tracked {
        match self {
            Self::Tracked(tensor) => tensor,
            Self::Plain(tensor) => Tracked::new(tensor),
        }
    }

    fn plain(self) -> FlexTensor {
        contiguous(match self {
            Self::Tracked(tensor) => tensor.into_primitive(),
            Self::Plain(tensor) => tensor,
        })
    }
}

/// Applies an operation to tensors of any ranks on the CPU.
macro_rules! apply {
    ($operation:expr, $($input:expr),+) => {
        $crate::fused::run($operation, [$($crate::fused::Input::new($input)),+])
    };
}
use apply;

/// Applies an operation, in a graph where an input is in one.
fn run<const N: usize, const D: usize, F: Fused<N>>(operation: F, inputs: [Input; N]) -> Tensor<D> {
    match inputs
        .iter()
        .any(|input| matches!(input, Input::Tracked(_)))
    {
        true => {
            Tensor::from_primitive::<Autodiff<Flex>>(record(operation, inputs.map(Input::tracked)))
        }
        false => Tensor::from_primitive::<Flex>(operation.forward(inputs.map(Input::plain)).0),
    }
}

/// Applies the operation inside an autodiff graph.
fn record<const N: usize, F: Fused<N>>(operation: F, inputs: [Tracked; N]) -> Tracked {
    let nodes = inputs.each_ref().map(|input| input.node());
    let (output, state) = operation.forward(inputs.map(|input| contiguous(input.into_primitive())));
    match Step(operation)
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Clone, Debug)]
struct Step<F>(F);

impl<const N: usize, F: Fused<N>> Backward<Flex, N> for Step<F> {
    type State = F::State;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        self.0
            .backward(ops.state, gradient, Parents { nodes, gradients });
    }
}

/// The numbers of a contiguous tensor.
fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice()
        .expect("fused operations make their inputs contiguous")
}

/// The tensor as the whole of its memory.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let tensor = tensor.to_contiguous();
    if tensor.storage::<f32>().len() == tensor.layout().num_elements() {
        return tensor;
    }
    let mut copy = Buffer::new(slice(&tensor).len());
    copy.copy_from_slice(slice(&tensor));
    copy.tensor(dims(&tensor))
}

/// A tensor of the same shape to be overwritten: this one, where nobody else needs it.
fn reuse(mut tensor: FlexTensor) -> FlexTensor {
    match tensor.try_storage_mut::<f32>() {
        Some(_) => tensor,
        None => Buffer::new(slice(&tensor).len()).tensor(dims(&tensor)),
    }
}

/// Sizes of a tensor.
fn dims(tensor: &FlexTensor) -> Vec<usize> {
    tensor.layout().shape().to_vec()
}

/// Columns of a tensor seen as a matrix: its last dimension. All others together are the rows.
fn columns(tensor: &FlexTensor) -> usize {
    dims(tensor).last().copied().unwrap_or(1)
}
