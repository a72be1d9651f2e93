//! Softmax cross-entropy, its gradient made in the forward pass.

use burn::backend::flex::FlexTensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use mutransfer_kernels::{cross_entropy as cross_entropy_kernel, multiply};

use super::embedding::indices;
use super::{Fused, apply, dims, kernel, slice, tensor};

/// Mean of −log p(target) over logits `[rows, vocabulary]`, in nats.
pub(crate) fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let loss = CrossEntropy { targets: indices(&targets) };
    apply!(loss, &logits).unwrap_or_else(|| {
        let targets = targets.unsqueeze_dim::<2>(1);
        -log_softmax(logits, 1).gather(1, targets).mean()
    })
}

/// Input: the logits. Saves their gradient.
#[derive(Clone, Debug)]
struct CrossEntropy {
    targets: Vec<u32>,
}

impl Fused<1> for CrossEntropy {
    fn forward(&self, [logits]: &[FlexTensor; 1]) -> (FlexTensor, Vec<f32>) {
        let mut gradient = vec![0.0; slice(logits).len()];
        let loss =
            kernel(|workspace| cross_entropy_kernel(workspace, slice(logits), &self.targets, Some(&mut gradient)));
        (tensor(vec![loss], [1]), gradient)
    }

    fn backward(
        &self,
        [logits]: &[FlexTensor; 1],
        _: &FlexTensor,
        saved: &[f32],
        gradient: &FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let upstream = slice(gradient)[0];
        let mut dlogits = vec![0.0; saved.len()];
        match upstream == 1.0 {
            true => dlogits.copy_from_slice(saved),
            false => kernel(|workspace| multiply(workspace, saved, &vec![upstream; saved.len()], &mut dlogits)),
        }
        [Some(tensor(dlogits, dims(logits)))]
    }
}
