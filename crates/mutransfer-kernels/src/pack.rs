//! Copies of operands in the order in which the tiles read them.

use crate::matrix::Matrix;
use crate::simd::{Simd, spans};
use crate::tile::panel_width;

/// Rows that a copy asks for in advance.
const AHEAD: usize = 8;

/// Copies rows of dense numbers.
#[inline(always)]
pub(crate) fn copy_rows<S: Simd>(s: S, from: Matrix<'_>, to: &mut [f32], to_stride: usize) {
    let columns = from.columns();
    let full = columns / S::LANES * S::LANES;
    let mask = s.mask(columns - full);
    for i in 0..from.rows() {
        let (row, to) = (
            from.row(i).as_ptr(),
            to[i * to_stride..][..columns].as_mut_ptr(),
        );
        // SAFETY: both slices have `columns` numbers.
        unsafe {
            for j in (0..full).step_by(S::LANES) {
                s.prefetch(row.wrapping_add(AHEAD * from.row_stride() + j));
                s.store(to.add(j), s.load(row.add(j)));
            }
            if full < columns {
                s.store_masked(to.add(full), s.load_masked(row.add(full), mask), mask);
            }
        }
    }
}

/// Writes the transpose of a square of `LANES x LANES` numbers.
#[inline(always)]
pub(crate) fn transpose_square<S: Simd>(
    s: S,
    (from, from_stride): (&[f32], usize),
    (to, to_stride): (&mut [f32], usize),
) {
    let reach = |stride: usize| (S::LANES - 1) * stride + S::LANES;
    assert!(from.len() >= reach(from_stride) && to.len() >= reach(to_stride));
    // SAFETY: both squares lie inside.
    unsafe { s.transpose(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride) };
}

/// Copies at most `panel_width` columns of `b` into a dense panel.
#[inline(always)]
pub(crate) fn pack_panel<S: Simd>(s: S, b: Matrix<'_>, to: &mut [f32]) {
    let panel = panel_width::<S>();
    if b.column_stride() == 1 {
        return copy_rows(s, b, to, panel);
    }
    assert!(b.row_stride() == 1 && b.columns() <= panel && to.len() >= b.rows() * panel);
    // The transposed case: squares through registers, the rest number by number.
    let (depth, columns) = (b.rows(), b.columns());
    let (depth_full, columns_full) = (depth / S::LANES * S::LANES, columns / S::LANES * S::LANES);
    let source = b.transposed();
    for j in (0..columns_full).step_by(S::LANES) {
        for p in (0..depth_full).step_by(S::LANES) {
            // SAFETY: the square lies inside `b`, and its image inside the panel.
            unsafe {
                s.transpose(
                    source.as_ptr().add(j * source.row_stride() + p),
                    source.row_stride(),
                    to.as_mut_ptr().add(p * panel + j),
                    panel,
                );
            };
        }
    }
    for j in 0..columns {
        let row = source.row(j);
        let done = if j < columns_full { depth_full } else { 0 };
        for p in done..depth {
            to[p * panel + j] = row[p];
        }
    }
}

/// Packs all columns of `b`, panel after panel.
#[inline(always)]
pub(crate) fn pack<S: Simd>(s: S, b: Matrix<'_>, to: &mut [f32]) {
    let panel = panel_width::<S>();
    for jc in (0..b.columns()).step_by(panel) {
        let width = panel.min(b.columns() - jc);
        pack_panel(s, b.block(0, jc, b.rows(), width), &mut to[jc * b.rows()..]);
    }
}

/// Numbers that [`pack`] writes.
#[inline(always)]
pub(crate) fn packed_len<S: Simd>(depth: usize, columns: usize) -> usize {
    depth * columns.next_multiple_of(panel_width::<S>())
}

/// Packs all columns of `b` in the order in which they lie.
#[inline(always)]
pub(crate) fn pack_rows<S: Simd>(s: S, b: Matrix<'_>, to: &mut [f32]) {
    let (depth, columns, panel) = (b.rows(), b.columns(), panel_width::<S>());
    assert!(to.len() >= packed_len::<S>(depth, columns));
    for p in 0..depth {
        let row = b.row(p);
        spans!(s, columns, |q| {
            let at = q.at();
            s.prefetch(row.as_ptr().wrapping_add(AHEAD * 64 + at));
            q.store_at(
                to,
                at / panel * panel * depth + p * panel + at % panel,
                q.load(row),
            );
        });
    }
}
