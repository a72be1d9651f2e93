//! Linear layers: `Y = multiplier X W + b` with `W` of shape `[in, out]`.

use crate::matmul::{Terms, multiply_add};
use crate::matrix::{Matrix, MatrixMut, Workspace};
use crate::tile::Start;

/// `Y = multiplier X W + bias + residual`
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn linear_forward(
    workspace: &mut Workspace,
    multiplier: f32,
    x: Matrix<'_>,
    weight: Matrix<'_>,
    bias: Option<&[f32]>,
    residual: Option<Matrix<'_>>,
    y: MatrixMut<'_>,
) {
    assert!(
        bias.is_none_or(|bias| bias.len() == weight.columns()),
        "the bias is not one number per output"
    );
    let start = residual.map_or(Start::Zero, Start::Matrix);
    multiply_add(
        workspace,
        Terms {
            alpha: multiplier,
            a: x,
            b: weight,
            start,
            bias,
            sums: None,
            c: y,
        },
    );
}

/// `dX = multiplier dY Wᵀ`
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn linear_backward_input(
    workspace: &mut Workspace,
    multiplier: f32,
    dy: Matrix<'_>,
    weight: Matrix<'_>,
    dx: MatrixMut<'_>,
) {
    let (start, b) = (Start::Zero, weight.transposed());
    multiply_add(
        workspace,
        Terms {
            alpha: multiplier,
            a: dy,
            b,
            start,
            bias: None,
            sums: None,
            c: dx,
        },
    );
}

/// `dW = multiplier Xᵀ dY`, and the gradient of the bias, the column sums of `dY`.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn linear_backward_weight(
    workspace: &mut Workspace,
    multiplier: f32,
    x: Matrix<'_>,
    dy: Matrix<'_>,
    dweight: MatrixMut<'_>,
    dbias: Option<&mut [f32]>,
) {
    let fits = dbias
        .as_ref()
        .is_none_or(|dbias| dbias.len() == dy.columns());
    assert!(
        fits,
        "the gradient of the bias is not one number per output"
    );
    let (start, a) = (Start::Zero, x.transposed());
    multiply_add(
        workspace,
        Terms {
            alpha: multiplier,
            a,
            b: dy,
            start,
            bias: None,
            sums: dbias,
            c: dweight,
        },
    );
}
