//! The inner part of every matrix product: register tiles of the output.
//!
//! A tile reads `A` one number at a time, so `A` may lie in any order; it reads `B` by vectors, so
//! the rows of `B` (or of a packed panel of it) must be dense. The edges of the output are masked.

use crate::matrix::{Matrix, MatrixMut};
use crate::simd::{Simd, kernel, spans};

/// Vectors in a row of the register tile.
const VECTORS: usize = 4;
/// Rows of the register tile: with four vectors, 24 sums, enough to hide the latency of two units.
const ROWS: usize = 6;

/// Rows that a copy asks for in advance.
const AHEAD: usize = 8;

/// Columns of a packed panel.
#[inline(always)]
pub(crate) fn panel_width<S: Simd>() -> usize {
    VECTORS * S::LANES
}

/// The right operand: rows of dense numbers, `row` apart; panel `p` (of `panel_width` columns)
/// starts at `p * panel`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row: usize,
    pub(crate) panel: usize,
}

impl<'a> Columns<'a> {
    /// A matrix that is used where it lies; it must not be transposed.
    pub(crate) fn of<S: Simd>(matrix: Matrix<'a>) -> Self {
        assert_eq!(matrix.column_stride(), 1);
        Self {
            data: matrix.data(),
            row: matrix.row_stride(),
            panel: panel_width::<S>(),
        }
    }

    /// Panels as [`pack_panel`] leaves them, one after the other.
    pub(crate) fn packed<S: Simd>(data: &'a [f32], depth: usize) -> Self {
        Self {
            data,
            row: panel_width::<S>(),
            panel: depth * panel_width::<S>(),
        }
    }
}

/// What the product is added to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    Zero,
    /// A multiple of what the output holds.
    Output(f32),
    /// A matrix of the output's shape, not transposed.
    Matrix(Matrix<'a>),
}

/// `C = start + bias + alpha A B`, all of whose operands fit the caches.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    pub(crate) alpha: f32,
    pub(crate) a: Matrix<'a>,
    pub(crate) b: Columns<'a>,
    pub(crate) start: Start<'a>,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) c: MatrixMut<'a>,
}

kernel! { pub(crate) fn product(product: Product<'_>) = product_body }

#[inline(always)]
fn product_body<S: Simd>(s: S, product: Product<'_>) {
    let Product {
        alpha,
        a,
        b,
        start,
        bias,
        mut c,
    } = product;
    let (rows, columns, depth, panel) = (c.rows(), c.columns(), a.columns(), panel_width::<S>());
    if rows == 0 || columns == 0 {
        return;
    }
    let last = (columns - 1) / panel;
    let b_end = last * b.panel + depth.saturating_sub(1) * b.row + columns - last * panel;
    assert!(
        a.rows() == rows && (depth == 0 || b.data.len() >= b_end),
        "the operands do not fit"
    );
    assert!(
        bias.is_none_or(|bias| bias.len() == columns),
        "the bias does not fit"
    );
    let (beta, from, from_row) = match start {
        Start::Zero => (0.0, c.as_mut_ptr().cast_const(), c.stride()),
        Start::Output(beta) => (beta, c.as_mut_ptr().cast_const(), c.stride()),
        Start::Matrix(m) => {
            assert!(
                m.rows() == rows && m.columns() == columns && m.column_stride() == 1,
                "the addend does not fit"
            );
            (1.0, m.as_ptr(), m.row_stride())
        }
    };
    for p in 0..=last {
        let jc = p * panel;
        // SAFETY: the extents of all operands have just been compared with those of the output, and
        // views hold what they promise.
        unsafe {
            let tile = Tile {
                depth,
                alpha,
                beta,
                a: a.as_ptr(),
                a_row: a.row_stride(),
                a_column: a.column_stride(),
                b: b.data.as_ptr().add(p * b.panel),
                b_row: b.row,
                from: from.add(jc),
                from_row,
                bias: bias.map(|bias| bias.as_ptr().add(jc)),
                c: c.as_mut_ptr().add(jc),
                c_row: c.stride(),
            };
            panel_of_tiles(s, tile, rows, panel.min(columns - jc));
        }
    }
}

/// Everything a register tile needs to know.
#[derive(Clone, Copy)]
struct Tile {
    depth: usize,
    alpha: f32,
    beta: f32,
    a: *const f32,
    a_row: usize,
    a_column: usize,
    b: *const f32,
    b_row: usize,
    from: *const f32,
    from_row: usize,
    bias: Option<*const f32>,
    c: *mut f32,
    c_row: usize,
}

/// Runs down a panel of `columns <= VECTORS * LANES` columns.
#[inline(always)]
unsafe fn panel_of_tiles<S: Simd>(s: S, tile: Tile, rows: usize, columns: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        match (columns.div_ceil(S::LANES), columns.is_multiple_of(S::LANES)) {
            (1, true) => rows_of_tiles::<S, 1, false>(s, tile, rows, columns),
            (2, true) => rows_of_tiles::<S, 2, false>(s, tile, rows, columns),
            (3, true) => rows_of_tiles::<S, 3, false>(s, tile, rows, columns),
            (_, true) => rows_of_tiles::<S, 4, false>(s, tile, rows, columns),
            (1, false) => rows_of_tiles::<S, 1, true>(s, tile, rows, columns),
            (2, false) => rows_of_tiles::<S, 2, true>(s, tile, rows, columns),
            (3, false) => rows_of_tiles::<S, 3, true>(s, tile, rows, columns),
            (_, false) => rows_of_tiles::<S, 4, true>(s, tile, rows, columns),
        }
    }
}

#[inline(always)]
unsafe fn rows_of_tiles<S: Simd, const NV: usize, const MASKED: bool>(
    s: S,
    mut tile: Tile,
    rows: usize,
    columns: usize,
) {
    let mut left = rows;
    // SAFETY: `left` rows of every operand lie behind the tile's pointers.
    unsafe {
        while left >= ROWS {
            run::<S, ROWS, NV, MASKED>(s, tile, columns);
            tile.a = tile.a.add(ROWS * tile.a_row);
            tile.from = tile.from.add(ROWS * tile.from_row);
            tile.c = tile.c.add(ROWS * tile.c_row);
            left -= ROWS;
        }
        match left {
            1 => run::<S, 1, NV, MASKED>(s, tile, columns),
            2 => run::<S, 2, NV, MASKED>(s, tile, columns),
            3 => run::<S, 3, NV, MASKED>(s, tile, columns),
            4 => run::<S, 4, NV, MASKED>(s, tile, columns),
            5 => run::<S, 5, NV, MASKED>(s, tile, columns),
            _ => {}
        }
    }
}

/// One register tile: `MR` rows and `NV` vectors, the last of which is partial where `MASKED`.
#[inline(always)]
unsafe fn run<S: Simd, const MR: usize, const NV: usize, const MASKED: bool>(
    s: S,
    tile: Tile,
    columns: usize,
) {
    let Tile {
        depth,
        alpha,
        beta,
        mut a,
        a_row,
        a_column,
        mut b,
        b_row,
        from,
        from_row,
        bias,
        c,
        c_row,
    } = tile;
    let mask = s.mask(columns - (NV - 1) * S::LANES);
    // SAFETY: the caller answers for `MR` rows, `columns` columns and `depth` products.
    unsafe {
        for i in 0..MR {
            for v in 0..NV {
                s.prefetch(c.wrapping_add(i * c_row + v * S::LANES));
            }
        }
        let mut sums = [[s.splat(0.0); NV]; MR];
        for _ in 0..depth {
            let mut row = [s.splat(0.0); NV];
            for (v, row) in row.iter_mut().enumerate() {
                *row = load::<S, NV, MASKED>(s, b, v, mask);
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = s.splat(*a.add(i * a_row));
                for (sum, &row) in sums.iter_mut().zip(&row) {
                    *sum = s.fma(x, row, *sum);
                }
            }
            a = a.add(a_column);
            b = b.add(b_row);
        }
        let alpha = s.splat(alpha);
        for (i, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let mut y = s.mul(sum, alpha);
                if let Some(bias) = bias {
                    y = s.add(y, load::<S, NV, MASKED>(s, bias, v, mask));
                }
                if beta != 0.0 {
                    y = s.fma(
                        s.splat(beta),
                        load::<S, NV, MASKED>(s, from.add(i * from_row), v, mask),
                        y,
                    );
                }
                let to = c.add(i * c_row + v * S::LANES);
                if MASKED && v == NV - 1 {
                    s.store_masked(to, y, mask);
                } else {
                    s.store(to, y);
                }
            }
        }
    }
}

/// Vector `v` of a row of the tile.
#[inline(always)]
unsafe fn load<S: Simd, const NV: usize, const MASKED: bool>(
    s: S,
    row: *const f32,
    v: usize,
    mask: S::Mask,
) -> S::V {
    // SAFETY: the caller answers for the row.
    unsafe {
        let at = row.add(v * S::LANES);
        if MASKED && v == NV - 1 {
            s.load_masked(at, mask)
        } else {
            s.load(at)
        }
    }
}

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
                )
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
        spans(
            s,
            columns,
            #[inline(always)]
            |q| {
                let at = q.at();
                s.prefetch(row.as_ptr().wrapping_add(AHEAD * 64 + at));
                q.store_at(
                    to,
                    at / panel * panel * depth + p * panel + at % panel,
                    q.load(row),
                );
            },
        );
    }
}
