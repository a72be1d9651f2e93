//! The experts over their tokens, forward and backward.

use super::rows::{add_up, combine, gather, spread};
use super::{ExpertGradients, Mixture, MixtureGradients, Passage};
use crate::activation::{Gelu, gelu_forward_with_slope, multiply};
use crate::linear::{linear_backward_input, linear_backward_weight, linear_forward};
use crate::matrix::{Matrix, MatrixMut, Workspace};
use crate::sums::column_sums;

/// `y = residual + bias + multiplier Σ_k gate_k gelu(x Up_k + b_k) Down_k`
///
/// `x`, `residual` and `y`: `[tokens, width]`; `bias`: `[width]`.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn mixture_forward(
    workspace: &mut Workspace,
    mixture: &Mixture<'_>,
    passage: &mut Passage<'_>,
    x: &[f32],
    bias: &[f32],
    residual: &[f32],
    y: &mut [f32],
) {
    let Mixture {
        routing,
        multiplier,
        ..
    } = *mixture;
    mixture.check(passage, x);
    assert_eq!(
        bias.len(),
        mixture.sizes()[0],
        "the bias is not one number per output"
    );
    assert_eq!(
        [residual.len(), y.len()],
        [x.len(); 2],
        "the output has another length"
    );
    for expert in 0..routing.experts() {
        let rows = passage.of(mixture, expert);
        gather(routing, expert, x, rows.inputs);
        expert_forward(workspace, mixture, expert, rows);
    }
    combine(
        workspace.isa(),
        routing,
        multiplier,
        passage.outputs,
        bias,
        residual,
        y,
    );
}

fn expert_forward(
    workspace: &mut Workspace,
    mixture: &Mixture<'_>,
    expert: usize,
    rows: Passage<'_>,
) {
    let ([width, own], count) = (mixture.sizes(), mixture.routing.range(expert).len());
    let (up, bias) = mixture.up(expert);
    let (inputs, units) = (
        Matrix::new(rows.inputs, count, width),
        MatrixMut::new(rows.slopes, count, own),
    );
    linear_forward(workspace, 1.0, inputs, up, Some(bias), None, units);
    gelu_forward_with_slope(workspace, Gelu::Exact, rows.slopes, rows.hidden);
    let (hidden, outputs) = (
        Matrix::new(rows.hidden, count, own),
        MatrixMut::new(rows.outputs, count, width),
    );
    linear_forward(
        workspace,
        1.0,
        hidden,
        mixture.down(expert),
        None,
        None,
        outputs,
    );
}

/// The gradients of [`mixture_forward`], but for that of the residual, which is `dy`.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn mixture_backward(
    workspace: &mut Workspace,
    mixture: &Mixture<'_>,
    mut passage: Passage<'_>,
    dy: &[f32],
    mut gradients: MixtureGradients<'_>,
) {
    let routing = mixture.routing;
    mixture.check(&passage, dy);
    gradients.check(mixture, dy);
    let (mut dgates, isa) = (vec![0.0; routing.rows()], workspace.isa());
    for expert in 0..routing.experts() {
        let outputs = &mut *passage.outputs;
        spread(
            isa,
            routing,
            mixture.multiplier,
            expert,
            dy,
            outputs,
            &mut dgates,
        );
        let rows = passage.of(mixture, expert);
        let weights = [mixture.up(expert).0, mixture.down(expert)];
        expert_backward(workspace, weights, rows, gradients.of(mixture, expert));
    }
    add_up(isa, routing, passage.inputs, gradients.x);
    routing.backward(&dgates, gradients.logits);
    column_sums(workspace, dy, gradients.bias);
}

/// The gradients of an expert whose outputs have become their gradients; its inputs become theirs.
fn expert_backward(
    workspace: &mut Workspace,
    [up, down]: [Matrix<'_>; 2],
    rows: Passage<'_>,
    to: ExpertGradients<'_>,
) {
    let (width, own) = (up.rows(), up.columns());
    let count = rows.inputs.len() / width;
    let doutputs = Matrix::new(rows.outputs, count, width);
    let hidden = Matrix::new(rows.hidden, count, own);
    let ddown = MatrixMut::new(to.down, own, width);
    linear_backward_weight(workspace, 1.0, hidden, doutputs, ddown, None);
    let dhidden = MatrixMut::new(rows.hidden, count, own);
    linear_backward_input(workspace, 1.0, doutputs, down, dhidden);
    multiply(workspace, rows.slopes, rows.hidden);
    let (inputs, units) = (
        Matrix::new(rows.inputs, count, width),
        Matrix::new(rows.hidden, count, own),
    );
    let dup = MatrixMut::new(to.up, width, own);
    linear_backward_weight(workspace, 1.0, inputs, units, dup, Some(to.up_bias));
    let dinputs = MatrixMut::new(rows.inputs, count, width);
    linear_backward_input(workspace, 1.0, units, up, dinputs);
}
