//! What an operation with its own backward pass is to burn's autodiff.

use std::fmt::Debug;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, BackendTypes, Flex};
use burn::tensor::Tensor;

use crate::tensor::contiguous;

/// An operation on contiguous `f32` tensors with one output and an exact backward pass.
pub(crate) trait Fused<const N: usize>: Clone + Debug + Send + 'static {
    /// What the backward pass needs.
    type State: Clone + Debug + Send + 'static;

    /// The output, and what is kept for the backward pass.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::State);

    /// Gives each input its gradient.
    fn backward(&self, state: Self::State, gradient: FlexTensor, parents: Parents<'_, N>);
}

/// The inputs of an operation during its backward pass.
pub(crate) struct Parents<'a, const N: usize> {
    /// None for inputs that need no gradient.
    nodes: [Option<NodeId>; N],
    gradients: &'a mut Gradients,
}

impl<const N: usize> Parents<'_, N> {
    pub(crate) fn wants(&self, index: usize) -> bool {
        self.nodes[index].is_some()
    }

    /// Adds to the gradient of an input.
    pub(crate) fn give(&mut self, index: usize, gradient: FlexTensor) {
        if let Some(node) = self.nodes[index] {
            self.gradients.register::<Flex>(node, gradient);
        }
    }
}

/// A tensor with its place in an autodiff graph on the CPU.
type Tracked = <Autodiff<Flex> as BackendTypes>::FloatTensorPrimitive;

/// A tensor on the CPU.
pub(crate) enum Input {
    Tracked(Tracked),
    Plain(FlexTensor),
}

impl Input {
    pub(crate) fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        const ON_CPU: &str = "all inputs of a fused operation are on the CPU";
        if tensor.device().is_autodiff() {
            Self::Tracked(tensor.try_into_primitive::<Autodiff<Flex>>().expect(ON_CPU))
        } else {
            Self::Plain(tensor.try_into_primitive::<Flex>().expect(ON_CPU))
        }
    }

    fn is_tracked(&self) -> bool {
        matches!(self, Self::Tracked(_))
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
        $crate::operation::run($operation, [$($crate::operation::Input::new($input)),+])
    };
}
pub(crate) use apply;

/// Applies an operation, in a graph where an input is in one.
pub(crate) fn run<const N: usize, const D: usize, F: Fused<N>>(
    operation: F,
    inputs: [Input; N],
) -> Tensor<D> {
    if inputs.iter().any(Input::is_tracked) {
        Tensor::from_primitive::<Autodiff<Flex>>(record(operation, inputs.map(Input::tracked)))
    } else {
        let (output, _) = operation.forward(inputs.map(Input::plain));
        Tensor::from_primitive::<Flex>(output)
    }
}

/// Applies the operation inside an autodiff graph.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the type of the inputs has no path that is public"
)]
fn record<const N: usize, F: Fused<N>>(operation: F, inputs: [Tracked; N]) -> Tracked {
    let nodes = inputs.each_ref().map(|input| input.node());
    let (output, state) = operation.forward(inputs.map(|input| contiguous(input.into_primitive())));
    let prepared = Step(operation)
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful();
    match prepared {
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
        let parents = Parents { nodes, gradients };
        self.0.backward(ops.state, gradient, parents);
    }
}
