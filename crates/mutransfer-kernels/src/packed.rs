//! A right operand that many products share: packed once, and not again for each of them.

use crate::matmul::DEPTH;
use crate::matrix::{Matrix, MatrixMut, reserve};
use crate::pack::pack;
use crate::simd::{Isa, Simd, kernel};
use crate::tile::{Columns, Product, Start, panel_width, product};

/// Blocks of at most [`DEPTH`] rows, one after the other, each in panels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    data: &'a [f32],
    depth: usize,
    columns: usize,
    /// Columns of a panel.
    panel: usize,
}

impl<'a> Packed<'a> {
    /// Packs a matrix.
    pub(crate) fn of(isa: Isa, matrix: Matrix<'_>, buffer: &'a mut Vec<f32>) -> Self {
        let (depth, columns, panel) = (matrix.rows(), matrix.columns(), columns_of_panel(isa));
        let data = reserve(buffer, depth * columns.next_multiple_of(panel));
        pack_blocks(isa, matrix, data);
        Self {
            data,
            depth,
            columns,
            panel,
        }
    }

    /// The block that starts at a row.
    fn block(self, from: usize, depth: usize) -> Columns<'a> {
        Columns {
            data: &self.data[from * self.columns.next_multiple_of(self.panel)..],
            row: self.panel,
            panel: depth * self.panel,
        }
    }
}

/// `C = A B + bias`
///
/// # Panics
/// If the shapes do not fit.
pub(crate) fn multiply_packed(
    isa: Isa,
    a: Matrix<'_>,
    b: Packed<'_>,
    bias: Option<&[f32]>,
    mut c: MatrixMut<'_>,
) {
    let (rows, columns) = (c.rows(), c.columns());
    let fits = (a.columns(), columns) == (b.depth, b.columns);
    assert!(fits, "the operands do not fit");
    for from in (0..b.depth.max(1)).step_by(DEPTH) {
        let depth = DEPTH.min(b.depth - from);
        let is_first = from == 0;
        product(
            isa,
            Product {
                alpha: 1.0,
                a: a.block(0, from, rows, depth),
                b: b.block(from, depth),
                start: if is_first {
                    Start::Zero
                } else {
                    Start::Output(1.0)
                },
                bias: bias.filter(|_| is_first),
                c: c.block(0, 0, rows, columns),
            },
        );
    }
}

kernel! { fn columns_of_panel() -> usize = columns_of_panel_body }
kernel! { fn pack_blocks(matrix: Matrix<'_>, to: &mut [f32]) = pack_blocks_body }

#[inline(always)]
fn columns_of_panel_body<S: Simd>(_s: S) -> usize {
    panel_width::<S>()
}

#[inline(always)]
fn pack_blocks_body<S: Simd>(s: S, matrix: Matrix<'_>, to: &mut [f32]) {
    let columns = matrix.columns();
    let row = columns.next_multiple_of(panel_width::<S>());
    for from in (0..matrix.rows()).step_by(DEPTH) {
        let depth = DEPTH.min(matrix.rows() - from);
        pack(
            s,
            matrix.block(from, 0, depth, columns),
            &mut to[from * row..],
        );
    }
}
