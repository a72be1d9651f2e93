//! GELU and SwiGLU, element by element.

use crate::math::{normal, sigmoid};
use crate::matrix::Workspace;
use crate::simd::{Simd, kernel, spans};

/// Which GELU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// `x Φ(x)`
    Exact,
    /// `x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`
    Tanh,
}

/// `y = gelu(x)`
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn gelu_forward(workspace: &mut Workspace, form: Gelu, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "the output has another length");
    gelu_kernel(workspace.isa(), form, x, y);
}

/// `y = gelu(x)`, and `x` becomes `gelu'(x)`: then the backward pass is one [`multiply`], without a
/// second exponential.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn gelu_forward_with_slope(
    workspace: &mut Workspace,
    form: Gelu,
    x: &mut [f32],
    y: &mut [f32],
) {
    assert_eq!(x.len(), y.len(), "the output has another length");
    gelu_slope_kernel(workspace.isa(), form, x, y);
}

/// `dx = gelu'(x) dy`
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn gelu_backward(workspace: &mut Workspace, form: Gelu, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert_eq!(
        (x.len(), x.len()),
        (dy.len(), dx.len()),
        "the gradients have another length"
    );
    gelu_backward_kernel(workspace.isa(), form, x, dy, dx);
}

/// Multiplies `y` by `by`, number by number.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn multiply(workspace: &mut Workspace, by: &[f32], y: &mut [f32]) {
    assert_eq!(by.len(), y.len(), "the lengths differ");
    multiply_kernel(workspace.isa(), by, y);
}

/// `y = gate sigmoid(gate) up`
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn swiglu_forward(workspace: &mut Workspace, gate: &[f32], up: &[f32], y: &mut [f32]) {
    assert_eq!(
        (gate.len(), gate.len()),
        (up.len(), y.len()),
        "the lengths differ"
    );
    swiglu_kernel(workspace.isa(), gate, up, y);
}

/// The gradients of [`swiglu_forward`].
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn swiglu_backward(
    workspace: &mut Workspace,
    gate: &[f32],
    up: &[f32],
    dy: &[f32],
    dgate: &mut [f32],
    dup: &mut [f32],
) {
    assert_eq!(
        (gate.len(), gate.len(), gate.len(), gate.len()),
        (up.len(), dy.len(), dgate.len(), dup.len()),
        "the lengths differ"
    );
    swiglu_backward_kernel(workspace.isa(), gate, up, dy, dgate, dup);
}

kernel! { fn gelu_kernel(form: Gelu, x: &[f32], y: &mut [f32]) = gelu_body }
kernel! { fn gelu_slope_kernel(form: Gelu, x: &mut [f32], y: &mut [f32]) = gelu_slope_body }
kernel! {
    fn gelu_backward_kernel(form: Gelu, x: &[f32], dy: &[f32], dx: &mut [f32]) = gelu_backward_body
}
kernel! { fn multiply_kernel(by: &[f32], y: &mut [f32]) = multiply_body }
kernel! { fn swiglu_kernel(gate: &[f32], up: &[f32], y: &mut [f32]) = swiglu_body }
kernel! {
    fn swiglu_backward_kernel(
        gate: &[f32],
        up: &[f32],
        dy: &[f32],
        dgate: &mut [f32],
        dup: &mut [f32],
    ) = swiglu_backward_body
}

/// `2 √(2/π)`
const TWICE_ROOT: f32 = 1.595_769_2;
/// The factor of `x³`.
const CUBIC: f32 = 0.044_715;

/// GELU and its slope; what is not used is not computed.
#[inline(always)]
fn gelu<S: Simd>(s: S, form: Gelu, x: S::V) -> (S::V, S::V) {
    match form {
        Gelu::Exact => {
            let (cumulative, density) = normal(s, x);
            (s.mul(x, cumulative), s.fma(x, density, cumulative))
        }
        Gelu::Tanh => {
            // (1 + tanh u) / 2 = sigmoid(2u)
            let square = s.mul(x, x);
            let u = s.mul(
                x,
                s.fma(square, s.splat(TWICE_ROOT * CUBIC), s.splat(TWICE_ROOT)),
            );
            let du = s.fma(
                square,
                s.splat(3.0 * TWICE_ROOT * CUBIC),
                s.splat(TWICE_ROOT),
            );
            let p = sigmoid(s, u);
            let dp = s.mul(s.fnma(p, p, p), du);
            (s.mul(x, p), s.fma(x, dp, p))
        }
    }
}

#[inline(always)]
fn gelu_body<S: Simd>(s: S, form: Gelu, x: &[f32], y: &mut [f32]) {
    match form {
        Gelu::Exact => spans!(s, x.len(), |p| p
            .store(y, gelu(s, Gelu::Exact, p.load(x)).0),),
        Gelu::Tanh => spans!(s, x.len(), |p| p.store(y, gelu(s, Gelu::Tanh, p.load(x)).0),),
    }
}

#[inline(always)]
fn gelu_slope_body<S: Simd>(s: S, form: Gelu, x: &mut [f32], y: &mut [f32]) {
    spans!(s, x.len(), |p| {
        let (value, slope) = gelu(s, form, p.load(x));
        p.store(y, value);
        p.store(x, slope);
    });
}

#[inline(always)]
fn gelu_backward_body<S: Simd>(s: S, form: Gelu, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    spans!(s, x.len(), |p| p
        .store(dx, s.mul(gelu(s, form, p.load(x)).1, p.load(dy))));
}

#[inline(always)]
fn multiply_body<S: Simd>(s: S, by: &[f32], y: &mut [f32]) {
    spans!(s, by.len(), |p| p.store(y, s.mul(p.load(by), p.load(y))));
}

#[inline(always)]
fn swiglu_body<S: Simd>(s: S, gate: &[f32], up: &[f32], y: &mut [f32]) {
    spans!(s, gate.len(), |p| {
        let g = p.load(gate);
        p.store(y, s.mul(s.mul(g, sigmoid(s, g)), p.load(up)));
    });
}

#[inline(always)]
fn swiglu_backward_body<S: Simd>(
    s: S,
    gate: &[f32],
    up: &[f32],
    dy: &[f32],
    dgate: &mut [f32],
    dup: &mut [f32],
) {
    spans!(s, gate.len(), |p| {
        let (g, d) = (p.load(gate), p.load(dy));
        let sig = sigmoid(s, g);
        p.store(dup, s.mul(d, s.mul(g, sig)));
        // (g sigmoid(g))' = sigmoid + g sigmoid (1 - sigmoid)
        let slope = s.fma(g, s.fnma(sig, sig, sig), sig);
        p.store(dgate, s.mul(s.mul(d, p.load(up)), slope));
    });
}
