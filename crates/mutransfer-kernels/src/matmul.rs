//! Matrix products: `C = alpha A B + beta C`, any operand transposed.
//!
//! The plan is the classical one: blocks of the inner dimension, panels of `B` that stay in the
//! nearest caches, register tiles of `C`. As a tile can read `A` in any order, `A` is used where it
//! lies, or copied verbatim where its stride would fold many rows into few cache sets.

use crate::matrix::{Matrix, MatrixMut, Workspace, reserve};
use crate::pack::{copy_rows, pack_panel, pack_rows, packed_len};
use crate::simd::{Isa, Simd, kernel, spans};
use crate::tile::{Columns, Product, Start, panel_width, product};

/// Inner dimension of a block: a panel of `B` of this depth fits the second-level cache many times.
pub(crate) const DEPTH: usize = 512;
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
    let Terms { alpha, a, b, .. } = terms;
    let (mut start, mut bias, mut c) = (terms.start, terms.bias, terms.c);
    let (isa, sums) = (workspace.isa(), terms.sums.unwrap_or_default());
    let (rows, columns, depth) = (c.rows(), c.columns(), a.columns());
    let layout = Layout::of::<S>(a, b);
    sums.fill(0.0);
    for from in (0..depth.max(1)).step_by(DEPTH) {
        let kc = DEPTH.min(depth - from);
        let right = b.block(from, 0, kc, columns);
        if !sums.is_empty() {
            // This also brings the block near, in the order in which it lies.
            add_column_sums(s, right, sums);
        }
        let packed = reserve(&mut workspace.pack_b, layout.b.packed_len::<S>(kc, columns));
        if layout.b == Right::Rows {
            pack_rows(s, right, packed);
        }
        for ic in (0..rows).step_by(layout.height) {
            let mc = layout.height.min(rows - ic);
            let left = a.block(ic, from, mc, kc);
            let block = Block {
                isa,
                alpha,
                a: layout.left(s, left, &mut workspace.pack_a),
                b: right,
                layout: layout.b,
                is_first: ic == 0,
                start: start.block(ic, 0, mc, columns),
                bias,
                c: c.block(ic, 0, mc, columns),
            };
            block.panels(s, packed);
        }
        (start, bias) = (Start::Output(1.0), None);
    }
}

/// How the operands of a product are read.
struct Layout {
    /// `A` where it lies.
    is_direct_a: bool,
    /// Rows of a block of `A`.
    height: usize,
    b: Right,
}

/// How `B` is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Where it lies.
    Direct,
    /// Panel by panel, each in the place of the one before: a panel that is used once stays where
    /// it is warm.
    Once,
    /// From panels that all have their own place, packed in the order in which `B` lies.
    Rows,
    /// The same, packed one after the other when they are first used.
    Panels,
}

impl Layout {
    #[inline(always)]
    fn of<S: Simd>(a: Matrix<'_>, b: Matrix<'_>) -> Self {
        let (rows, columns, panel) = (a.rows(), b.columns(), panel_width::<S>());
        let is_direct_a = a.row_stride().max(a.column_stride()) < FAR || columns <= panel;
        let height = if is_direct_a { rows.max(1) } else { HEIGHT };
        let has_rows = b.column_stride() == 1;
        let b = if has_rows && (b.row_stride() <= panel || rows <= FEW) {
            Right::Direct
        } else if rows <= height && (!has_rows || columns * DEPTH > AT_ONCE) {
            Right::Once
        } else if has_rows {
            Right::Rows
        } else {
            Right::Panels
        };
        Self {
            is_direct_a,
            height,
            b,
        }
    }

    /// A block of `A` as the tiles read it.
    #[inline(always)]
    fn left<'m, S: Simd>(&self, s: S, block: Matrix<'m>, buffer: &'m mut Vec<f32>) -> Matrix<'m> {
        if self.is_direct_a {
            block
        } else {
            copy(s, block, buffer)
        }
    }
}

impl Right {
    /// Numbers that are packed of a block of `B`.
    #[inline(always)]
    fn packed_len<S: Simd>(self, depth: usize, columns: usize) -> usize {
        match self {
            Self::Direct => 0,
            Self::Once => depth * panel_width::<S>(),
            Self::Rows | Self::Panels => packed_len::<S>(depth, columns),
        }
    }
}

/// A block of rows of the output, for one block of the inner dimension.
struct Block<'a> {
    isa: Isa,
    alpha: f32,
    a: Matrix<'a>,
    b: Matrix<'a>,
    layout: Right,
    /// Whether `b` has not been used yet.
    is_first: bool,
    start: Start<'a>,
    bias: Option<&'a [f32]>,
    c: MatrixMut<'a>,
}

impl Block<'_> {
    /// Computes it panel by panel of `B`.
    #[inline(always)]
    fn panels<S: Simd>(mut self, s: S, packed: &mut [f32]) {
        let (panel, rows, depth) = (panel_width::<S>(), self.a.rows(), self.b.rows());
        let packs = match self.layout {
            Right::Direct | Right::Rows => false,
            Right::Once => true,
            Right::Panels => self.is_first,
        };
        for jc in (0..self.b.columns()).step_by(panel) {
            let columns = panel.min(self.b.columns() - jc);
            let source = self.b.block(0, jc, depth, columns);
            let place = if self.layout == Right::Once {
                0
            } else {
                jc * depth
            };
            if packs {
                pack_panel(s, source, &mut packed[place..]);
            }
            product(
                self.isa,
                Product {
                    alpha: self.alpha,
                    a: self.a,
                    b: if self.layout == Right::Direct {
                        Columns::of::<S>(source)
                    } else {
                        Columns::packed::<S>(&packed[place..], depth)
                    },
                    start: self.start.block(0, jc, rows, columns),
                    bias: self.bias.map(|bias| &bias[jc..jc + columns]),
                    c: self.c.block(0, jc, rows, columns),
                },
            );
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
        spans!(s, sums.len(), |p| {
            let (ab, cd) = (s.add(p.load(a), p.load(b)), s.add(p.load(c), p.load(d)));
            p.store(sums, s.add(p.load(sums), s.add(ab, cd)));
        });
    }
    for i in whole..from.rows() {
        let row = from.row(i);
        spans!(s, sums.len(), |p| p
            .store(sums, s.add(p.load(sums), p.load(row))));
    }
}
