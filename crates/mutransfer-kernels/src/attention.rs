//! Multi-head attention, one head at a time.
//!
//! The scores of a band of rows stay in the nearest caches and are thrown away; the backward pass
//! computes them again from the logarithm of each row's sum, which is all the forward pass keeps.
//! Writing and reading them back would cost more than the one product and one exponential.
//! With a causal mask, what lies above a band's diagonal block is not computed at all.

use crate::math::share;
use crate::matrix::{Matrix, MatrixMut, Workspace, reserve};
use crate::simd::{Isa, Simd, kernel, spans};
use crate::tile::{Columns, Product, Start, copy_rows, pack, packed_len, product};

/// Rows of a band of scores: a multiple of the tile's rows, small against the length.
const BAND: usize = 24;
/// Rows whose probabilities the backward pass keeps together, so that the products along the
/// columns are deep: a multiple of the band.
const STRIP: usize = 8 * BAND;

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

/// `out = softmax(scale q kᵀ) v` per head; `log_sums` (`batch * heads * length`) is for the
/// backward pass.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn attention_forward(
    workspace: &mut Workspace,
    attention: Attention,
    heads: Heads<'_>,
    out: MatrixMut<'_>,
    log_sums: &mut [f32],
) {
    attention.check(heads, (out.rows(), out.columns()), log_sums);
    forward_kernel(
        workspace.isa(),
        workspace.isa(),
        workspace,
        attention,
        heads,
        out,
        log_sums,
    );
}

/// The gradients of [`attention_forward`], from its inputs, its output and its `log_sums`.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn attention_backward(
    workspace: &mut Workspace,
    attention: Attention,
    heads: Heads<'_>,
    out: Matrix<'_>,
    log_sums: &[f32],
    dout: Matrix<'_>,
    gradients: HeadsMut<'_>,
) {
    attention.check(heads, (out.rows(), out.columns()), log_sums);
    for (rows, columns) in
        [&gradients.q, &gradients.k, &gradients.v].map(|m| (m.rows(), m.columns()))
    {
        attention.check(heads, (rows, columns), log_sums);
    }
    attention.check(heads, (dout.rows(), dout.columns()), log_sums);
    backward_kernel(
        workspace.isa(),
        workspace.isa(),
        workspace,
        attention,
        heads,
        out,
        log_sums,
        dout,
        gradients,
    );
}

impl Attention {
    #[track_caller]
    fn check(&self, heads: Heads<'_>, out: (usize, usize), log_sums: &[f32]) {
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
    fn place(&self, head: usize) -> (usize, usize) {
        (
            head / self.heads * self.length,
            head % self.heads * self.head_dim,
        )
    }

    /// The part of a matrix that belongs to a head.
    #[inline(always)]
    fn of<'m>(&self, head: usize, m: Matrix<'m>) -> Matrix<'m> {
        let (row, column) = self.place(head);
        m.block(row, column, self.length, self.head_dim)
    }

    /// How many positions the rows before `end` see, and that number in whole vectors.
    #[inline(always)]
    fn seen<S: Simd>(&self, end: usize) -> (usize, usize) {
        let seen = if self.causal { end } else { self.length };
        (seen, seen.next_multiple_of(S::LANES).min(self.length))
    }
}

kernel! {
    fn forward_kernel(inner: Isa, workspace: &mut Workspace, attention: Attention, heads: Heads<'_>, out: MatrixMut<'_>, log_sums: &mut [f32])
        = forward
}
kernel! {
    fn backward_kernel(
        inner: Isa,
        workspace: &mut Workspace,
        attention: Attention,
        heads: Heads<'_>,
        out: Matrix<'_>,
        log_sums: &[f32],
        dout: Matrix<'_>,
        gradients: HeadsMut<'_>,
    ) = backward
}

#[inline(always)]
fn forward<S: Simd>(
    s: S,
    isa: Isa,
    workspace: &mut Workspace,
    attention: Attention,
    heads: Heads<'_>,
    mut out: MatrixMut<'_>,
    log_sums: &mut [f32],
) {
    let Attention {
        length,
        head_dim,
        scale,
        ..
    } = attention;
    let stride = score_stride(length);
    let sizes = [
        packed_len::<S>(head_dim, length),
        length * head_dim,
        BAND * stride,
    ];
    let [keys_t, values, scores] = split(&mut workspace.heads, sizes);
    for (head, log_sums) in log_sums.chunks_exact_mut(length.max(1)).enumerate() {
        let (row, column) = attention.place(head);
        pack(s, attention.of(head, heads.k).transposed(), keys_t);
        copy_rows(s, attention.of(head, heads.v), values, head_dim);
        for i in (0..length).step_by(BAND) {
            let rows = BAND.min(length - i);
            let (seen, width) = attention.seen::<S>(i + rows);
            product(
                isa,
                Product {
                    alpha: scale,
                    a: attention.of(head, heads.q).block(i, 0, rows, head_dim),
                    b: Columns::packed::<S>(keys_t, head_dim),
                    start: Start::Zero,
                    bias: None,
                    c: MatrixMut::with_stride(scores, rows, width, stride),
                },
            );
            let mut inverse = [0.0; BAND];
            for r in 0..rows {
                let valid = if attention.causal { i + r + 1 } else { length };
                let sum = softmax_row(s, &mut scores[r * stride..][..seen], valid);
                inverse[r] = 1.0 / sum.0;
                log_sums[i + r] = sum.1;
            }
            let mut band = out.block(row + i, column, rows, head_dim);
            product(
                isa,
                Product {
                    alpha: 1.0,
                    a: Matrix::with_stride(scores, rows, seen, stride),
                    b: Columns::of::<S>(Matrix::new(values, seen, head_dim)),
                    start: Start::Zero,
                    bias: None,
                    c: band.block(0, 0, rows, head_dim),
                },
            );
            for (r, &inverse) in inverse[..rows].iter().enumerate() {
                let row = band.row_mut(r);
                spans(
                    s,
                    head_dim,
                    #[inline(always)]
                    |p| p.store(row, s.mul(p.load(row), s.splat(inverse))),
                );
            }
        }
    }
}

/// Turns the first `valid` scores of a row into exponentials and the rest into zeros; returns their
/// sum and the logarithm of the sum before the largest was taken out.
#[inline(always)]
fn softmax_row<S: Simd>(s: S, row: &mut [f32], valid: usize) -> (f32, f32) {
    let (row, rest) = row.split_at_mut(valid);
    let mut largest = s.splat(f32::NEG_INFINITY);
    spans(
        s,
        valid,
        #[inline(always)]
        |p| largest = s.max(largest, p.or(p.load(row), f32::NEG_INFINITY)),
    );
    let largest = s.largest(largest);
    let mut sum = s.splat(0.0);
    spans(
        s,
        valid,
        #[inline(always)]
        |p| {
            let e = share(s, s.sub(p.load(row), s.splat(largest)));
            p.store(row, e);
            sum = s.add(sum, p.or(e, 0.0));
        },
    );
    rest.fill(0.0);
    let sum = s.sum(sum);
    (sum, largest + sum.ln())
}

#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "a backward pass has that many tensors"
)]
fn backward<S: Simd>(
    s: S,
    isa: Isa,
    workspace: &mut Workspace,
    attention: Attention,
    heads: Heads<'_>,
    out: Matrix<'_>,
    log_sums: &[f32],
    dout: Matrix<'_>,
    mut gradients: HeadsMut<'_>,
) {
    let Attention {
        length,
        head_dim,
        scale,
        causal,
        ..
    } = attention;
    let stride = score_stride(length);
    let (packed, dense, strip) = (
        packed_len::<S>(head_dim, length),
        length * head_dim,
        STRIP.min(length) * stride,
    );
    let sizes = [packed, packed, dense, dense, dense, strip, strip];
    let [keys_t, values_t, queries, keys, douts, scores, dscores] =
        split(&mut workspace.heads, sizes);
    for (head, log_sums) in log_sums.chunks_exact(length.max(1)).enumerate() {
        let (row, column) = attention.place(head);
        pack(s, attention.of(head, heads.k).transposed(), keys_t);
        pack(s, attention.of(head, heads.v).transposed(), values_t);
        copy_rows(s, attention.of(head, heads.q), queries, head_dim);
        copy_rows(s, attention.of(head, heads.k), keys, head_dim);
        copy_rows(s, attention.of(head, dout), douts, head_dim);
        let dense = |from| Matrix::new(from, length, head_dim);
        for top in (0..length).step_by(STRIP) {
            let bottom = (top + STRIP).min(length);
            for i in (top..bottom).step_by(BAND) {
                let rows = BAND.min(bottom - i);
                let (seen, width) = attention.seen::<S>(i + rows);
                for (alpha, a, b, to) in [
                    (scale, &*queries, &*keys_t, &mut *scores),
                    (1.0, &*douts, &*values_t, &mut *dscores),
                ] {
                    product(
                        isa,
                        Product {
                            alpha,
                            a: dense(a).block(i, 0, rows, head_dim),
                            b: Columns::packed::<S>(b, head_dim),
                            start: Start::Zero,
                            bias: None,
                            c: MatrixMut::with_stride(
                                &mut to[(i - top) * stride..],
                                rows,
                                width,
                                stride,
                            ),
                        },
                    );
                }
                for (r, &log_sum) in log_sums.iter().enumerate().skip(i).take(rows) {
                    let valid = if causal { r + 1 } else { length };
                    let at = (r - top) * stride;
                    let delta = dot(s, attention.of(head, out).row(r), dense(douts).row(r));
                    softmax_row_backward(
                        s,
                        &mut scores[at..][..seen],
                        &mut dscores[at..][..seen],
                        valid,
                        log_sum,
                        delta,
                    );
                }
                product(
                    isa,
                    Product {
                        alpha: scale,
                        a: Matrix::with_stride(&dscores[(i - top) * stride..], rows, seen, stride),
                        b: Columns::of::<S>(Matrix::new(keys, seen, head_dim)),
                        start: Start::Zero,
                        bias: None,
                        c: gradients.q.block(row + i, column, rows, head_dim),
                    },
                );
            }
            // Along the columns: what each position gave to the rows of this strip.
            for j in (0..if causal { bottom } else { length }).step_by(BAND) {
                let columns = BAND.min(length - j);
                let first = if causal { top.max(j) } else { top };
                let fresh = if causal { j >= top } else { top == 0 };
                let start = if fresh {
                    Start::Zero
                } else {
                    Start::Output(1.0)
                };
                for (alpha, from, b, to) in [
                    (1.0, &*scores, &*douts, &mut gradients.v),
                    (scale, &*dscores, &*queries, &mut gradients.k),
                ] {
                    let strip = Matrix::with_stride(from, bottom - top, length, stride);
                    product(
                        isa,
                        Product {
                            alpha,
                            a: strip
                                .block(first - top, j, bottom - first, columns)
                                .transposed(),
                            b: Columns::of::<S>(dense(b).block(first, 0, bottom - first, head_dim)),
                            start,
                            bias: None,
                            c: to.block(row + j, column, columns, head_dim),
                        },
                    );
                }
            }
        }
    }
}

/// Turns scores into probabilities, and the gradients of probabilities into those of scores.
#[inline(always)]
fn softmax_row_backward<S: Simd>(
    s: S,
    scores: &mut [f32],
    dscores: &mut [f32],
    valid: usize,
    log_sum: f32,
    delta: f32,
) {
    let ((scores, rest), (dscores, drest)) =
        (scores.split_at_mut(valid), dscores.split_at_mut(valid));
    let (log_sum, delta) = (s.splat(log_sum), s.splat(delta));
    spans(
        s,
        valid,
        #[inline(always)]
        |p| {
            let probability = share(s, s.sub(p.load(scores), log_sum));
            p.store(scores, probability);
            p.store(dscores, s.mul(probability, s.sub(p.load(dscores), delta)));
        },
    );
    rest.fill(0.0);
    drest.fill(0.0);
}

#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sum = s.splat(0.0);
    spans(
        s,
        a.len(),
        #[inline(always)]
        |p| sum = s.fma(p.load(a), p.load(b), sum),
    );
    s.sum(sum)
}

/// Distance of two rows of scores: an odd number of cache lines.
#[inline(always)]
fn score_stride(length: usize) -> usize {
    length.next_multiple_of(32) + 16
}

/// Cuts the scratch memory into buffers.
#[inline(always)]
fn split<const N: usize>(buffer: &mut Vec<f32>, sizes: [usize; N]) -> [&mut [f32]; N] {
    let mut rest = reserve(buffer, sizes.iter().sum());
    sizes.map(|size| {
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(size);
        rest = tail;
        part
    })
}
