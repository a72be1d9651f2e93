//! Muon's iteration, on the few directions that a matrix of low rank has.

use crate::tensor::{Tensor, add, dot};

/// Coefficients of the quintic iteration (Keller Jordan).
const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];

/// `X ← aX + b(XXᵀ)X + c(XXᵀ)²X`, five times from `matrix / (‖matrix‖ + eps)`. A gradient of a batch
/// has at most as many directions as the batch has examples; the iteration stays among them.
pub(crate) fn newton_schulz(matrix: &Tensor, eps: f64) -> Tensor {
    let basis = row_basis(matrix); // [rank, columns]
    let core = matrix.times_transposed(&basis); // [rows, rank]
    let mut core = core.scaled(1.0 / (matrix.norm() + eps));
    for _ in 0..5 {
        let gram = core.transposed_times(&core); // [rank, rank]
        let [a, b, c] = QUINTIC;
        let factor = gram
            .scaled(b)
            .zip(&gram.times(&gram), |b, square| b + c * square);
        core = core.scaled(a).zip(&core.times(&factor), |a, rest| a + rest);
    }
    core.times(&basis)
}

/// Orthonormal vectors that span the rows, the longest remainder first.
fn row_basis(matrix: &Tensor) -> Tensor {
    let mut rest = matrix.clone();
    let mut basis = Tensor::zeros(0, matrix.columns);
    let whole = matrix.norm();
    loop {
        let longest = rest
            .rows()
            .max_by(|left, right| dot(left, left).total_cmp(&dot(right, right)));
        let longest = longest.map(<[f64]>::to_vec).unwrap_or_default();
        let length = dot(&longest, &longest).sqrt();
        if length <= 1e-12 * whole {
            return basis;
        }
        let unit: Vec<f64> = longest.iter().map(|entry| entry / length).collect();
        for row in rest.entries.chunks_exact_mut(matrix.columns) {
            let along = dot(row, &unit);
            add(row, -along, &unit);
        }
        basis.entries.extend(unit);
    }
}
