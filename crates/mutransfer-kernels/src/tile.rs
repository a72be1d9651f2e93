//! The inner part of every matrix product: register tiles of the output.
//!
//! A tile reads `A` one number at a time, so `A` may lie in any order; it reads `B` by vectors, so
//! the rows of `B` (or of a packed panel of it) must be dense. The edges of the output are masked.

use crate::left::{Gathered, Left, MOST_ROWS, Walk};
use crate::matrix::{Matrix, MatrixMut};
use crate::simd::{Simd, kernel};

/// Rows of the register tile: 24 sums of 32 registers or 12 of 16, enough to hide the latency of
/// two units.
const ROWS: usize = 6;
/// Rows of a tile of one vector: two units have eight sums under way.
const ROWS_OF_ONE: usize = MOST_ROWS;

/// Columns of a packed panel.
#[inline(always)]
pub(crate) fn panel_width<S: Simd>() -> usize {
    S::TILE * S::LANES
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

    /// Panels as [`pack_panel`](crate::pack::pack_panel) leaves them, one after the other.
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

impl Start<'_> {
    /// What a block of the output is added to.
    #[inline(always)]
    pub(crate) fn block(self, row: usize, column: usize, rows: usize, columns: usize) -> Self {
        match self {
            Self::Matrix(m) => Self::Matrix(m.block(row, column, rows, columns)),
            other => other,
        }
    }

    /// The factor on what is there, where that begins and how far apart its rows are. Of an output
    /// that is not read this is the output itself, which is as good a place as any.
    ///
    /// # Panics
    /// If a matrix is not of the output's shape.
    #[inline(always)]
    fn addend(self, c: &mut MatrixMut<'_>) -> (f32, *const f32, usize) {
        match self {
            Self::Zero => (0.0, c.as_mut_ptr().cast_const(), c.stride()),
            Self::Output(beta) => (beta, c.as_mut_ptr().cast_const(), c.stride()),
            Self::Matrix(m) => {
                let fits = (m.rows(), m.columns()) == (c.rows(), c.columns());
                assert!(fits && m.column_stride() == 1, "the addend does not fit");
                (1.0, m.as_ptr(), m.row_stride())
            }
        }
    }
}

/// `C = start + bias + alpha A B`, all of whose operands fit the caches.
#[derive(Debug)]
pub(crate) struct Product<'a, A> {
    pub(crate) alpha: f32,
    pub(crate) a: A,
    pub(crate) b: Columns<'a>,
    pub(crate) start: Start<'a>,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) c: MatrixMut<'a>,
}

kernel! { pub(crate) fn product(product: Product<'_, Matrix<'_>>) = product_body }
kernel! { pub(crate) fn product_of_gathered(product: Product<'_, Gathered<'_>>) = product_body }

#[inline(always)]
fn product_body<S: Simd, A: Left>(s: S, product: Product<'_, A>) {
    let Product { a, b, bias, .. } = product;
    let (alpha, mut c) = (product.alpha, product.c);
    let (rows, columns, panel) = (c.rows(), c.columns(), panel_width::<S>());
    let (a_rows, depth) = a.extent();
    if rows == 0 || columns == 0 {
        return;
    }
    let last = (columns - 1) / panel;
    let b_end = last * b.panel + depth.saturating_sub(1) * b.row + columns - last * panel;
    let b_fits = depth == 0 || b.data.len() >= b_end;
    assert!(a_rows == rows && b_fits, "the operands do not fit");
    let bias_fits = bias.is_none_or(|bias| bias.len() == columns);
    assert!(bias_fits, "the bias does not fit");
    let (beta, from, from_row) = product.start.addend(&mut c);
    for p in 0..=last {
        let jc = p * panel;
        // SAFETY: the extents of all operands have just been compared with those of the output, and
        // views hold what they promise.
        unsafe {
            let tile = Tile {
                depth,
                alpha,
                beta,
                a,
                row: 0,
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
struct Tile<A> {
    depth: usize,
    alpha: f32,
    beta: f32,
    a: A,
    /// The first of its rows of `a`.
    row: usize,
    b: *const f32,
    b_row: usize,
    from: *const f32,
    from_row: usize,
    bias: Option<*const f32>,
    c: *mut f32,
    c_row: usize,
}

impl<A> Tile<A> {
    /// The tile so many rows below.
    #[inline(always)]
    unsafe fn below(mut self, rows: usize) -> Self {
        self.row += rows;
        // SAFETY: the caller answers for as many rows of every operand.
        unsafe {
            self.from = self.from.add(rows * self.from_row);
            self.c = self.c.add(rows * self.c_row);
        }
        self
    }
}

/// Runs down a panel of `columns <= TILE * LANES` columns.
#[inline(always)]
unsafe fn panel_of_tiles<S: Simd, A: Left>(s: S, tile: Tile<A>, rows: usize, columns: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        match (columns.div_ceil(S::LANES), columns.is_multiple_of(S::LANES)) {
            (1, true) => rows_of_tiles::<S, A, 1, false>(s, tile, rows, columns),
            (2, true) => rows_of_tiles::<S, A, 2, false>(s, tile, rows, columns),
            (3, true) => rows_of_tiles::<S, A, 3, false>(s, tile, rows, columns),
            (_, true) => rows_of_tiles::<S, A, 4, false>(s, tile, rows, columns),
            (1, false) => rows_of_tiles::<S, A, 1, true>(s, tile, rows, columns),
            (2, false) => rows_of_tiles::<S, A, 2, true>(s, tile, rows, columns),
            (3, false) => rows_of_tiles::<S, A, 3, true>(s, tile, rows, columns),
            (_, false) => rows_of_tiles::<S, A, 4, true>(s, tile, rows, columns),
        }
    }
}

#[inline(always)]
unsafe fn rows_of_tiles<S: Simd, A: Left, const NV: usize, const MASKED: bool>(
    s: S,
    mut tile: Tile<A>,
    rows: usize,
    columns: usize,
) {
    let mut left = rows;
    // SAFETY: `left` rows of every operand lie behind the tile's pointers.
    unsafe {
        while NV == 1 && A::has_tall_tiles::<S>() && left >= ROWS_OF_ONE {
            run::<S, A, ROWS_OF_ONE, NV, MASKED>(s, tile, columns);
            tile = tile.below(ROWS_OF_ONE);
            left -= ROWS_OF_ONE;
        }
        while left >= ROWS {
            run::<S, A, ROWS, NV, MASKED>(s, tile, columns);
            tile = tile.below(ROWS);
            left -= ROWS;
        }
        match left {
            1 => run::<S, A, 1, NV, MASKED>(s, tile, columns),
            2 => run::<S, A, 2, NV, MASKED>(s, tile, columns),
            3 => run::<S, A, 3, NV, MASKED>(s, tile, columns),
            4 => run::<S, A, 4, NV, MASKED>(s, tile, columns),
            5 => run::<S, A, 5, NV, MASKED>(s, tile, columns),
            _ => {}
        }
    }
}

/// One register tile: `MR` rows and `NV` vectors, the last of which is partial where `MASKED`.
#[inline(always)]
unsafe fn run<S: Simd, A: Left, const MR: usize, const NV: usize, const MASKED: bool>(
    s: S,
    tile: Tile<A>,
    columns: usize,
) {
    let mask = s.mask(columns - (NV - 1) * S::LANES);
    for i in 0..MR {
        for v in 0..NV {
            s.prefetch(tile.c.wrapping_add(i * tile.c_row + v * S::LANES));
        }
    }
    // SAFETY: the caller answers for `MR` rows, `columns` columns and `depth` products.
    unsafe {
        let sums = sums::<S, A, MR, NV, MASKED>(s, tile, mask);
        finish::<S, A, MR, NV, MASKED>(s, tile, mask, sums);
    }
}

/// The sums of products of a register tile.
#[inline(always)]
unsafe fn sums<S: Simd, A: Left, const MR: usize, const NV: usize, const MASKED: bool>(
    s: S,
    tile: Tile<A>,
    mask: S::Mask,
) -> [[S::V; NV]; MR] {
    // SAFETY: passed on from the caller.
    let (mut a, mut b) = (unsafe { tile.a.walk::<MR, NV>(tile.row) }, tile.b);
    let mut sums = [[s.splat(0.0); NV]; MR];
    // SAFETY: the caller answers for `MR` rows of `a` and a row of `b` for each of the products.
    unsafe {
        for _ in 0..tile.depth {
            let mut row = [s.splat(0.0); NV];
            for (v, row) in row.iter_mut().enumerate() {
                *row = load::<S, NV, MASKED>(s, b, v, mask);
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = s.splat(*a.at(i));
                for (sum, &row) in sums.iter_mut().zip(&row) {
                    *sum = s.fma(x, row, *sum);
                }
            }
            a.advance();
            b = b.add(tile.b_row);
        }
    }
    sums
}

/// Scales the sums, adds what there is to add, and writes them.
#[inline(always)]
unsafe fn finish<S: Simd, A: Left, const MR: usize, const NV: usize, const MASKED: bool>(
    s: S,
    tile: Tile<A>,
    mask: S::Mask,
    sums: [[S::V; NV]; MR],
) {
    let alpha = s.splat(tile.alpha);
    for (i, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            let mut y = s.mul(sum, alpha);
            // SAFETY: the caller answers for `MR` rows of the tile in the output and in what it is
            // added to, and for the bias.
            unsafe {
                if let Some(bias) = tile.bias {
                    y = s.add(y, load::<S, NV, MASKED>(s, bias, v, mask));
                }
                if tile.beta != 0.0 {
                    let from = tile.from.add(i * tile.from_row);
                    let old = load::<S, NV, MASKED>(s, from, v, mask);
                    y = s.fma(s.splat(tile.beta), old, y);
                }
                let to = tile.c.add(i * tile.c_row + v * S::LANES);
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
