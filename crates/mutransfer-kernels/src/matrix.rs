//! Views of matrices inside slices, and the scratch memory of the kernels.

use crate::convolution::Scratch;
use crate::simd::Isa;
use std::marker::PhantomData;

/// A matrix inside a slice: element `(i, j)` is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If the slice is shorter than `rows * columns`.
    #[must_use]
    #[track_caller]
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::with_stride(data, rows, columns, columns)
    }

    /// A row-major matrix whose rows start `stride` numbers apart.
    ///
    /// # Panics
    /// If the rows overlap or the slice ends before the last row does.
    #[must_use]
    #[track_caller]
    pub fn with_stride(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(data.len(), rows, columns, stride);
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The same numbers with rows and columns exchanged; nothing is copied.
    #[must_use]
    pub fn transposed(self) -> Self {
        let Self {
            data,
            rows,
            columns,
            row_stride,
            column_stride,
        } = self;
        Self {
            data,
            rows: columns,
            columns: rows,
            row_stride: column_stride,
            column_stride: row_stride,
        }
    }

    /// The block of `rows x columns` numbers that starts at `(row, column)`.
    ///
    /// # Panics
    /// If the block is not inside the matrix.
    #[must_use]
    #[track_caller]
    pub fn block(self, row: usize, column: usize, rows: usize, columns: usize) -> Self {
        assert!(
            row + rows <= self.rows && column + columns <= self.columns,
            "the block is not inside the matrix"
        );
        let start = row * self.row_stride + column * self.column_stride;
        Self {
            data: &self.data[start.min(self.data.len())..],
            rows,
            columns,
            ..self
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(self) -> usize {
        self.columns
    }

    pub(crate) fn row_stride(self) -> usize {
        self.row_stride
    }

    pub(crate) fn column_stride(self) -> usize {
        self.column_stride
    }

    pub(crate) fn data(self) -> &'a [f32] {
        self.data
    }

    pub(crate) fn as_ptr(self) -> *const f32 {
        self.data.as_ptr()
    }

    /// A row of a matrix that is not transposed.
    #[inline(always)]
    pub(crate) fn row(self, i: usize) -> &'a [f32] {
        assert!(self.column_stride == 1 && i < self.rows);
        &self.data[i * self.row_stride..][..self.columns]
    }
}

/// A writable row-major matrix inside a slice.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    slice: PhantomData<&'a mut [f32]>,
}

impl<'a> MatrixMut<'a> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If the slice is shorter than `rows * columns`.
    #[must_use]
    #[track_caller]
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::with_stride(data, rows, columns, columns)
    }

    /// A row-major matrix whose rows start `stride` numbers apart.
    ///
    /// # Panics
    /// If the rows overlap or the slice ends before the last row does.
    #[must_use]
    #[track_caller]
    pub fn with_stride(data: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(data.len(), rows, columns, stride);
        Self {
            data: data.as_mut_ptr(),
            rows,
            columns,
            stride,
            slice: PhantomData,
        }
    }

    /// The first `column` columns and the rest.
    ///
    /// # Panics
    /// If there are fewer columns.
    #[must_use]
    #[track_caller]
    pub fn split_columns(self, column: usize) -> (Self, Self) {
        assert!(
            column <= self.columns,
            "a matrix of {} columns cannot be split at {column}",
            self.columns
        );
        let Self {
            data,
            rows,
            columns,
            stride,
            slice,
        } = self;
        let rest = data.wrapping_add(column);
        (
            Self {
                data,
                rows,
                columns: column,
                stride,
                slice,
            },
            Self {
                data: rest,
                rows,
                columns: columns - column,
                stride,
                slice,
            },
        )
    }

    /// The block of `rows x columns` numbers that starts at `(row, column)`.
    ///
    /// # Panics
    /// If the block is not inside the matrix.
    #[must_use]
    #[track_caller]
    pub fn block(
        &mut self,
        row: usize,
        column: usize,
        rows: usize,
        columns: usize,
    ) -> MatrixMut<'_> {
        assert!(
            row + rows <= self.rows && column + columns <= self.columns,
            "the block is not inside the matrix"
        );
        let data = self.data.wrapping_add(row * self.stride + column);
        MatrixMut {
            data,
            rows,
            columns,
            stride: self.stride,
            slice: PhantomData,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.data
    }

    #[inline(always)]
    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [f32] {
        assert!(i < self.rows);
        // SAFETY: the rows of a view lie inside the slice it was made from, and no two views share
        // a number: `split_columns` consumes its matrix and `block` borrows it.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(i * self.stride), self.columns) }
    }
}

#[track_caller]
fn check(len: usize, rows: usize, columns: usize, stride: usize) {
    assert!(
        stride >= columns,
        "rows of {columns} numbers overlap at a stride of {stride}"
    );
    let needed = if rows == 0 {
        0
    } else {
        (rows - 1) * stride + columns
    };
    assert!(
        len >= needed,
        "{rows} rows of {columns} at a stride of {stride} need {needed} numbers, \
         the slice has {len}"
    );
}

/// Scratch memory of the kernels and the instruction set they run on. One per thread, reused:
/// it grows to the largest call and is never given back before it is dropped.
#[derive(Debug)]
pub struct Workspace {
    isa: Isa,
    pub(crate) pack_a: Vec<f32>,
    pub(crate) pack_b: Vec<f32>,
    pub(crate) heads: Vec<f32>,
    pub(crate) convolution: Scratch,
}

impl Workspace {
    /// A workspace for the best instruction set of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self::with_isa(Isa::detect())
    }

    /// A workspace for a chosen instruction set.
    #[must_use]
    pub fn with_isa(isa: Isa) -> Self {
        Self {
            isa,
            pack_a: Vec::new(),
            pack_b: Vec::new(),
            heads: Vec::new(),
            convolution: Scratch::default(),
        }
    }

    /// The instruction set the kernels run on.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

/// Numbers in a cache line.
const LINE: usize = 16;

/// Makes a scratch buffer long enough and lends that much of it, from the beginning of a cache line
/// on.
pub(crate) fn reserve(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len + LINE {
        buffer.resize(len + LINE, 0.0);
    }
    let skipped = buffer
        .as_ptr()
        .align_offset(LINE * size_of::<f32>())
        .min(LINE);
    &mut buffer[skipped..][..len]
}
