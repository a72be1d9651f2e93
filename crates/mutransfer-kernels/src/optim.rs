//! Optimizer steps in place, one call per parameter, with that parameter's own numbers.

use crate::matrix::Workspace;
use crate::simd::{Simd, kernel, spans};

/// How weights decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// `decay * w` is added to the gradient.
    Coupled(f64),
    /// `w` shrinks by `learning_rate * decay` before the step.
    Decoupled(f64),
}

/// Settings of an SGD step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate of this parameter.
    pub learning_rate: f64,
    /// What remains of the momentum; without a momentum slice it is not used.
    pub momentum: f64,
    /// The weight decay.
    pub decay: Decay,
}

/// Settings of an Adam step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The learning rate of this parameter.
    pub learning_rate: f64,
    /// Memory of the mean gradient.
    pub beta1: f64,
    /// Memory of the mean square.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// The weight decay.
    pub decay: Decay,
}

/// One step of SGD: `m = momentum m + g`, `w -= learning_rate m`, or with the plain gradient.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn sgd_step(
    workspace: &mut Workspace,
    sgd: Sgd,
    weights: &mut [f32],
    gradient: &[f32],
    momentum: Option<&mut [f32]>,
) {
    assert_eq!(
        weights.len(),
        gradient.len(),
        "the gradient has another length"
    );
    assert!(
        momentum.as_ref().is_none_or(|m| m.len() == weights.len()),
        "the momentum has another length"
    );
    match momentum {
        Some(momentum) => momentum_kernel(workspace.isa(), sgd, weights, gradient, momentum),
        None => sgd_kernel(workspace.isa(), sgd, weights, gradient),
    }
}

/// Step number `step` (the first is 1) of Adam with bias correction:
/// `w -= learning_rate m̂ / (√v̂ + epsilon)`.
///
/// # Panics
/// If the lengths differ or the step is 0.
#[track_caller]
pub fn adam_step(
    workspace: &mut Workspace,
    adam: Adam,
    step: u32,
    weights: &mut [f32],
    gradient: &[f32],
    mean: &mut [f32],
    mean_square: &mut [f32],
) {
    assert!(step > 0, "steps count from 1");
    let len = weights.len();
    assert_eq!(
        (len, len, len),
        (gradient.len(), mean.len(), mean_square.len()),
        "the lengths differ"
    );
    adam_kernel(
        workspace.isa(),
        adam,
        step,
        weights,
        gradient,
        mean,
        mean_square,
    );
}

kernel! { fn sgd_kernel(sgd: Sgd, weights: &mut [f32], gradient: &[f32]) = sgd_body }
kernel! {
    fn momentum_kernel(
        sgd: Sgd,
        weights: &mut [f32],
        gradient: &[f32],
        momentum: &mut [f32],
    ) = momentum_body
}
kernel! {
    fn adam_kernel(
        adam: Adam,
        step: u32,
        weights: &mut [f32],
        gradient: &[f32],
        mean: &mut [f32],
        mean_square: &mut [f32],
    ) = adam_body
}

impl Decay {
    /// What is added to the gradient, as a multiple of the weight, and what the weight is
    /// multiplied by.
    fn factors(self, learning_rate: f64) -> (f32, f32) {
        match self {
            Self::Coupled(decay) => (decay as f32, 1.0),
            Self::Decoupled(decay) => (0.0, (1.0 - learning_rate * decay) as f32),
        }
    }
}

#[inline(always)]
fn sgd_body<S: Simd>(s: S, sgd: Sgd, weights: &mut [f32], gradient: &[f32]) {
    let (coupled, keep) = sgd.decay.factors(sgd.learning_rate);
    spans!(s, gradient.len(), |p| {
        let w = p.load(weights);
        let g = s.fma(w, s.splat(coupled), p.load(gradient));
        p.store(
            weights,
            s.fnma(
                g,
                s.splat(sgd.learning_rate as f32),
                s.mul(w, s.splat(keep)),
            ),
        );
    });
}

#[inline(always)]
fn momentum_body<S: Simd>(
    s: S,
    sgd: Sgd,
    weights: &mut [f32],
    gradient: &[f32],
    momentum: &mut [f32],
) {
    let (coupled, keep) = sgd.decay.factors(sgd.learning_rate);
    spans!(s, gradient.len(), |p| {
        let w = p.load(weights);
        let g = s.fma(w, s.splat(coupled), p.load(gradient));
        let m = s.fma(p.load(momentum), s.splat(sgd.momentum as f32), g);
        p.store(momentum, m);
        p.store(
            weights,
            s.fnma(
                m,
                s.splat(sgd.learning_rate as f32),
                s.mul(w, s.splat(keep)),
            ),
        );
    });
}

#[inline(always)]
fn adam_body<S: Simd>(
    s: S,
    adam: Adam,
    step: u32,
    weights: &mut [f32],
    gradient: &[f32],
    mean: &mut [f32],
    mean_square: &mut [f32],
) {
    let (coupled, keep) = adam.decay.factors(adam.learning_rate);
    let Adam { beta1, beta2, .. } = adam;
    let rate = (adam.learning_rate / (1.0 - beta1.powf(f64::from(step)))) as f32;
    let correction = (1.0 / (1.0 - beta2.powf(f64::from(step))).sqrt()) as f32;
    let (new1, new2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
    spans!(s, gradient.len(), |p| {
        let w = p.load(weights);
        let g = s.fma(w, s.splat(coupled), p.load(gradient));
        let m = s.fma(p.load(mean), s.splat(beta1 as f32), s.mul(g, s.splat(new1)));
        let v = s.fma(
            p.load(mean_square),
            s.splat(beta2 as f32),
            s.mul(s.mul(g, g), s.splat(new2)),
        );
        p.store(mean, m);
        p.store(mean_square, v);
        let size = s.fma(s.sqrt(v), s.splat(correction), s.splat(adam.epsilon as f32));
        p.store(
            weights,
            s.fnma(s.div(m, size), s.splat(rate), s.mul(w, s.splat(keep))),
        );
    });
}
