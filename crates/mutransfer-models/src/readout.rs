//! The last matrix of a model.

use burn::nn::Linear;
use burn::tensor::Tensor;
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;
use mutransfer_fused::scaled_linear;

/// Logits `[.., classes]` of hidden activations `[.., width]`, shown to the probe.
pub(crate) fn read_out<const D: usize>(
    readout: &Linear,
    multiplier: f64,
    hidden: Tensor<D>,
    probe: &mut Probe,
) -> Tensor<D> {
    probe.linear(|| {
        (
            "readout".into(),
            Layer::Output,
            readout,
            hidden.clone(),
            multiplier,
        )
    });
    let logits = scaled_linear(readout, multiplier, hidden);
    probe.activation(|| ("readout".into(), Layer::Output, logits.clone()));
    logits
}
