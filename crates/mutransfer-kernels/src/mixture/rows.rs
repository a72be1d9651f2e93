//! What is done row by row: tokens to the rows of their experts and back.

use super::routing::Routing;
use crate::math::sigmoid;
use crate::simd::{Simd, kernel, spans};

kernel! { pub(super) fn sigmoids(x: &[f32], y: &mut [f32]) = sigmoids_body }
kernel! {
    pub(super) fn combine(
        routing: &Routing,
        multiplier: f32,
        outputs: &[f32],
        bias: &[f32],
        residual: &[f32],
        y: &mut [f32],
    ) = combine_body
}
kernel! {
    pub(super) fn spread(
        routing: &Routing,
        multiplier: f32,
        expert: usize,
        dy: &[f32],
        outputs: &mut [f32],
        dgates: &mut [f32],
    ) = spread_body
}
kernel! { pub(super) fn add_up(routing: &Routing, rows: &[f32], dx: &mut [f32]) = add_up_body }

#[inline(always)]
fn sigmoids_body<S: Simd>(s: S, x: &[f32], y: &mut [f32]) {
    spans!(s, x.len(), |p| p.store(y, sigmoid(s, p.load(x))));
}

/// Copies the tokens of an expert into its rows.
pub(super) fn gather(routing: &Routing, expert: usize, x: &[f32], to: &mut [f32]) {
    let width = x.len() / routing.tokens().max(1);
    for (row, to) in routing.range(expert).zip(to.chunks_exact_mut(width.max(1))) {
        to.copy_from_slice(&x[routing.token(row) * width..][..width]);
    }
}

/// `y = multiplier Σ gate output + bias + residual`, added in the order in which a linear layer
/// does, and best expert first, so that the order of the experts changes no bit.
#[inline(always)]
fn combine_body<S: Simd>(
    s: S,
    routing: &Routing,
    multiplier: f32,
    outputs: &[f32],
    bias: &[f32],
    residual: &[f32],
    y: &mut [f32],
) {
    let width = bias.len();
    for (token, y) in y.chunks_exact_mut(width).enumerate() {
        let residual = &residual[token * width..][..width];
        let (rows, gates) = routing.of_token(token);
        spans!(s, width, |p| {
            let mut sum = s.splat(0.0);
            for (row, gate) in rows.iter().zip(gates) {
                let output = &outputs[*row as usize * width..][..width];
                sum = s.fma(s.splat(multiplier * gate), p.load(output), sum);
            }
            p.store(y, s.add(s.add(sum, p.load(bias)), p.load(residual)));
        });
    }
}

/// The gradients of an expert's gates, and in the place of its outputs their gradients.
#[inline(always)]
fn spread_body<S: Simd>(
    s: S,
    routing: &Routing,
    multiplier: f32,
    expert: usize,
    dy: &[f32],
    outputs: &mut [f32],
    dgates: &mut [f32],
) {
    let width = dy.len() / routing.tokens().max(1);
    for row in routing.range(expert) {
        let dy = &dy[routing.token(row) * width..][..width];
        let output = &mut outputs[row * width..][..width];
        let factor = s.splat(multiplier * routing.gate(row));
        let mut product = s.splat(0.0);
        spans!(s, width, |p| {
            product = s.fma(p.load(dy), p.load(output), product);
            p.store(output, s.mul(factor, p.load(dy)));
        });
        dgates[row] = multiplier * s.sum(product);
    }
}

/// Adds up the rows of each token.
#[inline(always)]
fn add_up_body<S: Simd>(s: S, routing: &Routing, from: &[f32], dx: &mut [f32]) {
    let width = dx.len() / routing.tokens().max(1);
    for (token, dx) in dx.chunks_exact_mut(width.max(1)).enumerate() {
        let (rows, _) = routing.of_token(token);
        spans!(s, width, |p| {
            let mut sum = s.splat(0.0);
            for row in rows {
                sum = s.add(sum, p.load(&from[*row as usize * width..][..width]));
            }
            p.store(dx, sum);
        });
    }
}
