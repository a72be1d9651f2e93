//! Softmax cross-entropy, its gradient made in the forward pass.

use burn::backend::flex::FlexTensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use mutransfer_kernels::cross_entropy as cross_entropy_kernel;

use crate::kernels::{kernel, on_cpu};
use crate::memory::Buffer;
use crate::operation::{Fused, Parents, apply};
use crate::tensor::{dims, indices, slice};

/// Mean of −log p(target) over logits `[rows, vocabulary]`, in nats.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    if !on_cpu(&logits) {
        return -log_softmax(logits, 1)
            .gather(1, targets.unsqueeze_dim::<2>(1))
            .mean();
    }
    apply!(
        CrossEntropy {
            targets: indices(targets)
        },
        logits
    )
}

/// Input: the logits.
#[derive(Clone, Debug)]
struct CrossEntropy {
    targets: Vec<u32>,
}

impl Fused<1> for CrossEntropy {
    /// The gradient of the logits.
    type State = FlexTensor;

    fn forward(&self, [logits]: [FlexTensor; 1]) -> (FlexTensor, Self::State) {
        let (mut loss, mut gradient) = (Buffer::new(1), Buffer::new(slice(&logits).len()));
        loss[0] = kernel(|workspace| {
            cross_entropy_kernel(
                workspace,
                slice(&logits),
                &self.targets,
                Some(&mut gradient),
            )
        });
        (loss.tensor([1]), gradient.tensor(dims(&logits)))
    }

    fn backward(
        &self,
        mut dlogits: Self::State,
        gradient: FlexTensor,
        mut parents: Parents<'_, 1>,
    ) {
        let upstream = slice(&gradient)[0];
        if upstream != 1.0 {
            for value in dlogits.storage_mut::<f32>() {
                *value *= upstream;
            }
        }
        parents.give(0, dlogits);
    }
}
