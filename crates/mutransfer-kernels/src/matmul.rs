//! Matrix products: `C = alpha A B + beta C`, any operand transposed.
//!
//! The plan is the classical one: blocks of the inner dimension, panels of `B` that stay in the
//! nearest caches, register tiles of `C`. As a tile can read `A` in any order, `A` is used where it
//! lies, or copied verbatim where its stride would fold many rows into few cache sets.

use crate::matrix::{Matrix, MatrixMut, Workspace, reserve};
use crate::simd::{Simd, kernel, spans};
use crate::tile::{
    Columns, Product, Start, copy_rows, pack_panel, pack_rows, packed_len, panel_width, product,
};

/// Inner dimension of a block: a panel of `B` of this depth fits the second-level cache many times.
const DEPTH: usize = 512;
/// Rows of `A` copied at a time: with `DEPTH`, half a megabyte.
const HEIGHT: usize = 192;
/// Strides from which on `A` is copied: eight rows to a page fill too few cache sets.
const FAR: usize = 128;
/// Numbers of `B` that are packed at once, row by row.
const AT_ONCE: usize = 1 << 18;
/// Fewer rows than this do not repay packing `B`.
const FEW: usize = 64;

/// `C = alpha A B + beta C`; with `beta == 0` the old `C` is not read.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn matmul(
    workspace: &mut Workspace,
    alpha: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
    beta: f32,
    c: MatrixMut<'_>,
) {
    let start = if beta == 0.0 {
        Start::Zero
    } else {
        Start::Output(beta)
    };
    multiply_add(
        workspace,
        Terms {
            alpha,
            a,
            b,
            start,
            bias: None,
            sums: None,
            c,
        },
    );
}

/// `C = start + bias + alpha A B`, and the column sums of `B` on the way.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) alpha: f32,
    pub(crate) a: Matrix<'a>,
    pub(crate) b: Matrix<'a>,
    pub(crate) start: Start<'a>,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) sums: Option<&'a mut [f32]>,
    pub(crate) c: MatrixMut<'a>,
}

#[track_caller]
pub(crate) fn multiply_add(workspace: &mut Workspace, terms: Terms<'_>) {
    let Terms { a, b, c, .. } = &terms;
    assert_eq!(a.columns(), b.rows(), "the inner dimensions differ");
    assert_eq!(
        (a.rows(), b.columns()),
        (c.rows(), c.columns()),
        "the output has another shape than the product"
    );
    blocks(workspace.isa(), workspace, terms);
}

kernel! { fn blocks(workspace: &mut Workspace, terms: Terms<'_>) = blocks_body }

#[inline(always)]
fn blocks_body<S: Simd>(s: S, workspace: &mut Workspace, terms: Terms<'_>) {
    let Terms {
        alpha,
        a,
        b,
        start,
        bias,
        sums,
        mut c,
    } = terms;
    let (isa, sums) = (workspace.isa(), sums.unwrap_or_default());
    let (rows, columns, depth, panel) = (c.rows(), c.columns(), a.columns(), panel_width::<S>());
    let direct_a = a.row_stride().max(a.column_stride()) < FAR || columns <= panel;
    let direct_b = b.column_stride() == 1 && (b.row_stride() <= panel || rows <= FEW);
    let b_rows = b.column_stride() == 1;
    let height = if direct_a { rows.max(1) } else { HEIGHT };
    // A panel of `B` that is used once stays where it is warm; one that is used again has its own
    // place.
    let used_once = rows <= height && (!b_rows || columns * DEPTH > AT_ONCE);
    sums.fill(0.0);
    for from in (0..depth.max(1)).step_by(DEPTH) {
        let kc = DEPTH.min(depth - from);
        let (start, bias) = if from == 0 {
            (start, bias)
        } else {
            (Start::Output(1.0), None)
        };
        let packed = match (direct_b, used_once) {
            (true, _) => 0,
            (false, true) => kc * panel,
            (false, false) => packed_len::<S>(kc, columns),
        };
        if !sums.is_empty() {
            // This also brings the block near, in the order in which it lies.
            add_column_sums(s, b.block(from, 0, kc, columns), sums);
        }
        let pack_b = reserve(&mut workspace.pack_b, packed);
        let at_once = !direct_b && b_rows && !used_once;
        if at_once {
            pack_rows(s, b.block(from, 0, kc, columns), pack_b);
        }
        for ic in (0..rows).step_by(height) {
            let mc = height.min(rows - ic);
            let block = a.block(ic, from, mc, kc);
            let block = if direct_a {
                block
            } else {
                copy(s, block, &mut workspace.pack_a)
            };
            for jc in (0..columns).step_by(panel) {
                let nc = panel.min(columns - jc);
                let source = b.block(from, jc, kc, nc);
                let place = if used_once { 0 } else { jc * kc };
                if !direct_b && !at_once && ic == 0 {
                    pack_panel(s, source, &mut pack_b[place..]);
                }
                product(
                    isa,
                    Product {
                        alpha,
                        a: block,
                        b: if direct_b {
                            Columns::of::<S>(source)
                        } else {
                            Columns::packed::<S>(&pack_b[place..], kc)
                        },
                        start: match start {
                            Start::Matrix(m) => Start::Matrix(m.block(ic, jc, mc, nc)),
                            other => other,
                        },
                        bias: bias.map(|bias| &bias[jc..jc + nc]),
                        c: c.block(ic, jc, mc, nc),
                    },
                );
            }
        }
    }
}

/// Copies a block of `A` in its own order, at a stride that spreads its rows over all cache sets.
#[inline(always)]
fn copy<'a, S: Simd>(s: S, block: Matrix<'_>, buffer: &'a mut Vec<f32>) -> Matrix<'a> {
    let dense = if block.column_stride() == 1 {
        block
    } else {
        block.transposed()
    };
    let (rows, columns) = (dense.rows(), dense.columns());
    let stride = columns.next_multiple_of(32) + 16;
    let to = reserve(buffer, rows * stride);
    copy_rows(s, dense, to, stride);
    let copied = Matrix::with_stride(to, rows, columns, stride);
    if block.column_stride() == 1 {
        copied
    } else {
        copied.transposed()
    }
}

#[inline(always)]
fn add_column_sums<S: Simd>(s: S, from: Matrix<'_>, sums: &mut [f32]) {
    // Four rows at a time, because every addition goes through memory.
    let whole = from.rows() / 4 * 4;
    for i in (0..whole).step_by(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|r| from.row(i + r));
        spans(
            s,
            sums.len(),
            #[inline(always)]
            |p| {
                let (ab, cd) = (s.add(p.load(a), p.load(b)), s.add(p.load(c), p.load(d)));
                p.store(sums, s.add(p.load(sums), s.add(ab, cd)));
            },
        );
    }
    for i in whole..from.rows() {
        let row = from.row(i);
        spans(
            s,
            sums.len(),
            #[inline(always)]
            |p| p.store(sums, s.add(p.load(sums), p.load(row))),
        );
    }
}
