//! The shape of an attention, and where its heads lie in memory.

use crate::matrix::{Matrix, MatrixMut, reserve};
use crate::simd::Simd;

/// Rows of a band of scores: a multiple of the tile's rows, small against the length.
pub(super) const BAND: usize = 24;

/// The shape of an attention and what it does with its scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Sequences.
    pub batch: usize,
    /// Positions of a sequence.
    pub length: usize,
    /// Heads.
    pub heads: usize,
    /// Numbers of a head.
    pub head_dim: usize,
    /// Multiplier of the scores, such as `1 / √head_dim` or `1 / head_dim`.
    pub scale: f32,
    /// Whether a position sees only itself and what came before.
    pub causal: bool,
}

/// The inputs of an attention, each of `batch * length` rows and `heads * head_dim` columns.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// Queries.
    pub q: Matrix<'a>,
    /// Keys.
    pub k: Matrix<'a>,
    /// Values.
    pub v: Matrix<'a>,
}

/// Their gradients.
#[derive(Debug)]
pub struct HeadsMut<'a> {
    /// Gradient of the queries.
    pub q: MatrixMut<'a>,
    /// Gradient of the keys.
    pub k: MatrixMut<'a>,
    /// Gradient of the values.
    pub v: MatrixMut<'a>,
}

impl Attention {
    #[track_caller]
    pub(super) fn check(&self, heads: Heads<'_>, out: (usize, usize), log_sums: &[f32]) {
        let shape = (self.batch * self.length, self.heads * self.head_dim);
        for (name, m) in [("queries", heads.q), ("keys", heads.k), ("values", heads.v)] {
            assert_eq!(
                (m.rows(), m.columns()),
                shape,
                "the {name} have another shape"
            );
        }
        assert_eq!(out, shape, "the output or a gradient has another shape");
        assert_eq!(
            log_sums.len(),
            self.batch * self.heads * self.length,
            "there is one sum per head and position"
        );
    }

    /// First row and column of a head, counted over all sequences.
    #[inline(always)]
    pub(super) fn place(&self, head: usize) -> (usize, usize) {
        (
            head / self.heads * self.length,
            head % self.heads * self.head_dim,
        )
    }

    /// The part of a matrix that belongs to a head.
    #[inline(always)]
    pub(super) fn of<'m>(&self, head: usize, m: Matrix<'m>) -> Matrix<'m> {
        let (row, column) = self.place(head);
        m.block(row, column, self.length, self.head_dim)
    }

    /// How many positions the rows before `end` see, and that number in whole vectors.
    #[inline(always)]
    pub(super) fn seen<S: Simd>(&self, end: usize) -> (usize, usize) {
        let seen = self.visible(end);
        (seen, seen.next_multiple_of(S::LANES).min(self.length))
    }

    /// How many positions the row before `end` sees.
    #[inline(always)]
    pub(super) fn visible(&self, end: usize) -> usize {
        if self.causal { end } else { self.length }
    }

    /// Distance of two rows of scores: an odd number of cache lines.
    #[inline(always)]
    pub(super) fn score_stride(&self) -> usize {
        self.length.next_multiple_of(32) + 16
    }
}

/// Cuts the scratch memory into buffers.
#[inline(always)]
pub(super) fn split<const N: usize>(buffer: &mut Vec<f32>, sizes: [usize; N]) -> [&mut [f32]; N] {
    let mut rest = reserve(buffer, sizes.iter().sum());
    sizes.map(|size| {
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(size);
        rest = tail;
        part
    })
}
