//! The second branch of a transformer's block, and what both branches show to a probe.

use std::fmt::Debug;

use burn::module::{Module, ModuleDisplay};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;
use mutransfer_fused::{gelu, linear, residual_linear, swiglu};

use crate::transformer::TransformerConfig;
use crate::variant::Variant;

/// What may be the second branch.
pub(crate) trait Feed: Module + ModuleDisplay + Debug {
    fn new(config: &TransformerConfig, device: &Device) -> Self;

    /// The residual stream `[batch, time, width]` plus `multiplier` times what it makes of its
    /// input, of the same shape.
    fn add(
        &self,
        multiplier: f64,
        input_and_residual: [Tensor<3>; 2],
        index: usize,
        probe: &mut Probe,
    ) -> Tensor<3>;
}

/// The dense one: four times as wide as the stream, GELU, or SwiGLU with a gate.
#[derive(Module, Debug)]
pub(crate) struct FeedForward {
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
}

/// The width of a dense branch over that of the stream.
pub(crate) use mutransfer_study::subject::DENSE;

impl Feed for FeedForward {
    fn new(config: &TransformerConfig, device: &Device) -> Self {
        let (width, own) = (config.width, DENSE * config.width);
        let has_gate = config.variants.has(Variant::Swiglu);
        Self {
            gate: has_gate.then(|| new_linear(width, own, device)),
            up: new_linear(width, own, device),
            down: new_linear(own, width, device),
        }
    }

    fn add(
        &self,
        multiplier: f64,
        [input, residual]: [Tensor<3>; 2],
        index: usize,
        probe: &mut Probe,
    ) -> Tensor<3> {
        let hidden = self.hidden(input, index, probe);
        show_branch(["mlp", "down"], index, &self.down, &hidden, probe);
        residual_linear(&self.down, multiplier, hidden, residual)
    }
}

impl FeedForward {
    /// What the last layer reads.
    fn hidden(&self, input: Tensor<3>, index: usize, probe: &mut Probe) -> Tensor<3> {
        show_linear("mlp.up", index, &self.up, &input, probe);
        let Some(gate) = &self.gate else {
            return gelu(linear(&self.up, input));
        };
        show_linear("mlp.gate", index, gate, &input, probe);
        swiglu(linear(gate, input.clone()), linear(&self.up, input))
    }
}

pub(crate) fn new_linear(fan_in: usize, fan_out: usize, device: &Device) -> Linear {
    LinearConfig::new(fan_in, fan_out).init(device)
}

/// Shows the last layer of a branch with what it reads, and the branch's output.
pub(crate) fn show_branch(
    [branch, last]: [&str; 2],
    index: usize,
    layer: &Linear,
    input: &Tensor<3>,
    probe: &mut Probe,
) {
    show_linear(&format!("{branch}.{last}"), index, layer, input, probe);
    probe.activation(|| {
        (
            format!("blocks.{index}.{branch}"),
            Layer::Hidden,
            linear(layer, input.clone()),
        )
    });
}

/// Shows a linear layer of a block with what it reads.
pub(crate) fn show_linear(
    part: &str,
    index: usize,
    layer: &Linear,
    input: &Tensor<3>,
    probe: &mut Probe,
) {
    probe.linear(|| {
        (
            format!("blocks.{index}.{part}"),
            Layer::Hidden,
            layer,
            input.clone(),
            1.0,
        )
    });
}
