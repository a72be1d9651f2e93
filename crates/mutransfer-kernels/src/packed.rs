//! Products of gathered left operands, and right operands that many of them share: packed once,
//! and not again for each product.

use crate::left::Gathered;
use crate::matmul::DEPTH;
use crate::matrix::{Matrix, MatrixMut, reserve};
use crate::pack::pack_rows;
use crate::simd::{Isa, Simd, kernel};
use crate::tile::{Columns, Product, Start, panel_width, product_of_gathered};

/// Fewer uses than this do not repay packing.
const FEW: usize = 64;

/// A right operand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Right<'a> {
    data: &'a [f32],
    depth: usize,
    columns: usize,
    /// Columns of a panel.
    panel: usize,
    /// Distance of one row to the next where they are read where they lie. What is packed are
    /// blocks of at most [`DEPTH`] rows, one after the other, each in panels.
    row: Option<usize>,
}

impl<'a> Right<'a> {
    /// A matrix, not transposed, that so many rows are multiplied with.
    pub(crate) fn of(isa: Isa, matrix: Matrix<'a>, uses: usize, buffer: &'a mut Vec<f32>) -> Self {
        assert_eq!(matrix.column_stride(), 1);
        let (depth, columns, panel) = (matrix.rows(), matrix.columns(), columns_of_panel(isa));
        if columns > panel && uses > FEW {
            let data = reserve(buffer, depth * columns.next_multiple_of(panel));
            pack_blocks(isa, matrix, data);
            return Self {
                data,
                depth,
                columns,
                panel,
                row: None,
            };
        }
        Self {
            data: matrix.data(),
            depth,
            columns,
            panel,
            row: Some(matrix.row_stride()),
        }
    }

    /// The block that starts at a row.
    fn block(self, from: usize, depth: usize) -> Columns<'a> {
        let packed_row = self.columns.next_multiple_of(self.panel);
        Columns {
            data: &self.data[from * self.row.unwrap_or(packed_row)..],
            row: self.row.unwrap_or(self.panel),
            panel: self.row.map_or(depth * self.panel, |_| self.panel),
        }
    }
}

/// Right operands of as many columns that are being packed, one after the other.
#[derive(Debug)]
pub(crate) struct RightMut<'a> {
    data: &'a mut [f32],
    depths: Vec<usize>,
    columns: usize,
    panel: usize,
}

/// Where the numbers of a row of a right operand go: those of its first panel, and how far behind
/// them those of the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    first: usize,
    by_panel: usize,
}

impl<'a> RightMut<'a> {
    pub(crate) fn new(
        isa: Isa,
        depths: &[usize],
        columns: usize,
        buffer: &'a mut Vec<f32>,
    ) -> Self {
        let panel = columns_of_panel(isa);
        let rows: usize = depths.iter().sum();
        Self {
            data: reserve(buffer, rows * columns.next_multiple_of(panel)),
            depths: depths.to_vec(),
            columns,
            panel,
        }
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Where one of them begins.
    fn begin(&self, operand: usize) -> usize {
        let rows: usize = self.depths[..operand].iter().sum();
        rows * self.columns.next_multiple_of(self.panel)
    }

    /// Where a row of one of them goes.
    pub(crate) fn line(&self, operand: usize, row: usize) -> Line {
        let from = row / DEPTH * DEPTH;
        let depth = DEPTH.min(self.depths[operand] - from);
        let block = from * self.columns.next_multiple_of(self.panel);
        Line {
            first: self.begin(operand) + block + (row - from) * self.panel,
            by_panel: depth * self.panel,
        }
    }

    /// The panel of a column, and its place in there.
    pub(crate) fn place(&self, column: usize) -> (usize, usize) {
        (column / self.panel, column % self.panel)
    }

    /// The numbers of a row from a place in a panel on.
    #[inline(always)]
    pub(crate) fn numbers(&mut self, line: Line, (panel, within): (usize, usize)) -> &mut [f32] {
        &mut self.data[line.first + panel * line.by_panel + within..]
    }

    /// What has been packed.
    pub(crate) fn finish(self) -> Vec<Right<'a>> {
        let begins: Vec<usize> = (0..self.depths.len()).map(|at| self.begin(at)).collect();
        let data: &'a [f32] = self.data;
        let right = |(begin, depth): (usize, usize)| Right {
            data: &data[begin..],
            depth,
            columns: self.columns,
            panel: self.panel,
            row: None,
        };
        begins.into_iter().zip(self.depths).map(right).collect()
    }
}

/// `C = start + bias + A B`
///
/// # Panics
/// If the shapes do not fit.
pub(crate) fn multiply_gathered(
    isa: Isa,
    a: Gathered<'_>,
    b: Right<'_>,
    mut start: Start<'_>,
    mut bias: Option<&[f32]>,
    mut c: MatrixMut<'_>,
) {
    let (rows, columns) = (c.rows(), c.columns());
    assert_eq!(columns, b.columns, "the operands do not fit");
    for from in (0..b.depth.max(1)).step_by(DEPTH) {
        let depth = DEPTH.min(b.depth - from);
        product_of_gathered(
            isa,
            Product {
                alpha: 1.0,
                a: a.columns(from, depth),
                b: b.block(from, depth),
                start,
                bias,
                c: c.block(0, 0, rows, columns),
            },
        );
        (start, bias) = (Start::Output(1.0), None);
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
        let block = matrix.block(from, 0, depth, columns);
        pack_rows(s, block, &mut to[from * row..]);
    }
}
