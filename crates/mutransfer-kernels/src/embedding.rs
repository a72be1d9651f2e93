//! Rows of a table by index.

use crate::matrix::Workspace;
use crate::simd::{Simd, kernel, spans};

/// `out[i] = table[indices[i]]`, rows of `width` numbers.
///
/// # Panics
/// If a length does not fit or an index is outside the table.
#[track_caller]
pub fn embedding_forward(
    workspace: &mut Workspace,
    table: &[f32],
    width: usize,
    indices: &[u32],
    out: &mut [f32],
) {
    check(table, width, indices, out);
    forward_kernel(workspace.isa(), table, width, indices, out);
}

/// The gradient of the table: the rows of `dout` added up by index, in order.
///
/// # Panics
/// If a length does not fit or an index is outside the table.
#[track_caller]
pub fn embedding_backward(
    workspace: &mut Workspace,
    dout: &[f32],
    width: usize,
    indices: &[u32],
    dtable: &mut [f32],
) {
    check(dtable, width, indices, dout);
    backward_kernel(workspace.isa(), dout, width, indices, dtable);
}

#[track_caller]
fn check(table: &[f32], width: usize, indices: &[u32], out: &[f32]) {
    assert_eq!(
        out.len(),
        indices.len() * width,
        "the output is not one row per index"
    );
    let rows = table.len() / width.max(1);
    assert!(
        indices.iter().all(|&i| (i as usize) < rows),
        "an index is outside the table of {rows} rows"
    );
}

kernel! {
    fn forward_kernel(table: &[f32], width: usize, indices: &[u32], out: &mut [f32]) = forward
}
kernel! {
    fn backward_kernel(dout: &[f32], width: usize, indices: &[u32], dtable: &mut [f32]) = backward
}

#[inline(always)]
fn forward<S: Simd>(s: S, table: &[f32], width: usize, indices: &[u32], out: &mut [f32]) {
    for (r, &index) in indices.iter().enumerate() {
        let (from, to) = (
            &table[index as usize * width..][..width],
            &mut out[r * width..][..width],
        );
        spans!(s, width, |p| p.store(to, p.load(from)));
    }
}

#[inline(always)]
fn backward<S: Simd>(s: S, dout: &[f32], width: usize, indices: &[u32], dtable: &mut [f32]) {
    dtable.fill(0.0);
    for (r, &index) in indices.iter().enumerate() {
        let (from, to) = (
            &dout[r * width..][..width],
            &mut dtable[index as usize * width..][..width],
        );
        spans!(s, width, |p| p.store(to, s.add(p.load(to), p.load(from))));
    }
}
