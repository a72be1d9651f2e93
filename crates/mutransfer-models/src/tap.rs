//! Looking at activations while the model runs.

use burn::tensor::Tensor;

/// Collects the mean absolute value of named activations, or nothing.
#[derive(Debug, Default)]
pub struct Tap {
    seen: Option<Vec<(String, f64)>>,
}

impl Tap {
    /// Looks at nothing and costs nothing.
    pub fn off() -> Self {
        Self { seen: None }
    }

    /// Records every activation that passes.
    pub fn on() -> Self {
        Self { seen: Some(Vec::new()) }
    }

    /// Lets an activation pass, with the name of its module.
    pub fn see<const D: usize>(&mut self, activation: impl FnOnce() -> (String, Tensor<D>)) {
        if let Some(seen) = &mut self.seen {
            let (module, activation) = activation();
            let size: f32 = activation.abs().mean().into_scalar();
            seen.push((module, f64::from(size)));
        }
    }

    /// Modules and the sizes seen, in the order of the forward pass.
    pub fn into_seen(self) -> Vec<(String, f64)> {
        self.seen.unwrap_or_default()
    }
}
