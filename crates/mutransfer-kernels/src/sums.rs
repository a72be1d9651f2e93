//! Sums over rows, as the gradient of a bias is one.

use crate::matrix::Workspace;
use crate::simd::{Simd, kernel, spans};

/// Sums over the rows of a matrix with as many columns as there are sums.
#[track_caller]
pub(crate) fn column_sums(workspace: &mut Workspace, from: &[f32], sums: &mut [f32]) {
    let whole = from.len().is_multiple_of(sums.len().max(1));
    assert!(
        whole,
        "the gradient of the bias is not one number per output"
    );
    column_sums_kernel(workspace.isa(), from, sums);
}

/// Rows that are added up before their sum is added to the others': the fewer numbers of like size
/// are added one after the other, the less is lost.
const TOGETHER: usize = 64;

kernel! { fn column_sums_kernel(from: &[f32], sums: &mut [f32]) = column_sums_body }

#[inline(always)]
fn column_sums_body<S: Simd>(s: S, from: &[f32], sums: &mut [f32]) {
    let width = sums.len();
    sums.fill(0.0);
    for rows in from.chunks(TOGETHER * width.max(1)) {
        spans!(s, width, |p| {
            let mut sum = s.splat(0.0);
            for row in rows.chunks_exact(width) {
                sum = s.add(sum, p.load(row));
            }
            p.store(sums, s.add(p.load(sums), sum));
        });
    }
}
