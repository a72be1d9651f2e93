//! How a register tile finds the numbers of its left operand.

use std::hint::black_box;

use crate::matrix::Matrix;
use crate::simd::Simd;

/// Rows of the largest tile.
pub(crate) const MOST_ROWS: usize = 8;
/// Rows of a matrix that a tile of one vector finds from the same one.
const TOGETHER: usize = 4;

/// A left operand, of which a tile reads some rows column by column.
pub(crate) trait Left: Copy {
    /// The place of `MR` rows in a column.
    type Walk<const MR: usize>: Walk;
    /// Whether a tile of one vector has [`MOST_ROWS`] rows.
    fn has_tall_tiles<S: Simd>() -> bool;
    /// Rows and columns.
    fn extent(self) -> (usize, usize);
    /// From the first column on, the rows from one on; `NV` is the number of vectors in a row of
    /// the tile.
    ///
    /// # Safety
    /// There are `MR` rows.
    unsafe fn walk<const MR: usize, const NV: usize>(self, row: usize) -> Self::Walk<MR>;
}

/// The place of the rows of a tile in a column.
pub(crate) trait Walk: Copy {
    /// Where the number of a row is.
    ///
    /// # Safety
    /// The column is one of the operand.
    unsafe fn at(&self, row: usize) -> *const f32;
    /// Goes to the next column, which may be the one behind the last.
    ///
    /// # Safety
    /// The column is one of the operand.
    unsafe fn advance(&mut self);
}

/// The place of rows that lie equally far apart.
#[derive(Clone, Copy)]
pub(crate) struct Strided {
    /// Where every so many rows are, which does not show that one follows from another.
    heads: [*const f32; MOST_ROWS.div_ceil(TOGETHER)],
    /// Rows that are found from the same head. The compiler goes from row to row by additions, each
    /// of which waits for the one before; a tile of one vector has too little else to do meanwhile.
    together: usize,
    row: usize,
    column: usize,
}

impl Left for Matrix<'_> {
    type Walk<const MR: usize> = Strided;

    #[inline(always)]
    fn has_tall_tiles<S: Simd>() -> bool {
        true
    }

    #[inline(always)]
    fn extent(self) -> (usize, usize) {
        (self.rows(), self.columns())
    }

    #[inline(always)]
    unsafe fn walk<const MR: usize, const NV: usize>(self, row: usize) -> Strided {
        let first = self.as_ptr().wrapping_add(row * self.row_stride());
        let together = if NV == 1 { TOGETHER } else { MOST_ROWS };
        Strided {
            heads: std::array::from_fn(|group| {
                if NV == 1 && group * TOGETHER < MR {
                    black_box(first.wrapping_add(group * TOGETHER * self.row_stride()))
                } else {
                    first
                }
            }),
            together,
            row: self.row_stride(),
            column: self.column_stride(),
        }
    }
}

impl Walk for Strided {
    #[inline(always)]
    unsafe fn at(&self, row: usize) -> *const f32 {
        self.heads[row / self.together].wrapping_add(row % self.together * self.row)
    }

    #[inline(always)]
    unsafe fn advance(&mut self) {
        for head in &mut self.heads {
            *head = head.wrapping_add(self.column);
        }
    }
}

/// A left operand whose number `(i, k)` is `data[rows[i] + columns[k]]`: windows of an image, which
/// share most of their numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gathered<'a> {
    data: &'a [f32],
    rows: &'a [u32],
    columns: &'a [u32],
}

impl<'a> Gathered<'a> {
    /// # Panics
    /// If a number lies beyond the end of the data.
    pub(crate) fn new(data: &'a [f32], rows: &'a [u32], columns: &'a [u32]) -> Self {
        let last = |places: &[u32]| places.iter().max().map(|&place| place as usize);
        if let (Some(row), Some(column)) = (last(rows), last(columns)) {
            assert!(row + column < data.len(), "a window is not inside the data");
        }
        Self {
            data,
            rows,
            columns,
        }
    }

    /// The same numbers with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
        }
    }

    pub(crate) fn rows(self) -> usize {
        self.rows.len()
    }

    /// Some columns.
    pub(crate) fn columns(self, from: usize, count: usize) -> Self {
        Self {
            columns: &self.columns[from..][..count],
            ..self
        }
    }
}

/// The place of rows that lie anywhere.
#[derive(Clone, Copy)]
pub(crate) struct Anywhere<const MR: usize> {
    rows: [*const f32; MR],
    column: *const u32,
}

impl Left for Gathered<'_> {
    type Walk<const MR: usize> = Anywhere<MR>;

    #[inline(always)]
    fn has_tall_tiles<S: Simd>() -> bool {
        // The compiler reads all rows of a column at once, for which 16 registers are too few.
        S::TILE > 2
    }

    #[inline(always)]
    fn extent(self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }

    #[inline(always)]
    unsafe fn walk<const MR: usize, const NV: usize>(self, row: usize) -> Anywhere<MR> {
        Anywhere {
            rows: std::array::from_fn(|i| {
                // SAFETY: the caller answers for the rows.
                let place = unsafe { *self.rows.get_unchecked(row + i) };
                self.data.as_ptr().wrapping_add(place as usize)
            }),
            column: self.columns.as_ptr(),
        }
    }
}

impl<const MR: usize> Walk for Anywhere<MR> {
    #[inline(always)]
    unsafe fn at(&self, row: usize) -> *const f32 {
        // SAFETY: the caller answers for the column.
        self.rows[row].wrapping_add(unsafe { *self.column } as usize)
    }

    #[inline(always)]
    unsafe fn advance(&mut self) {
        // SAFETY: the caller answers for the column.
        self.column = unsafe { self.column.add(1) };
    }
}
