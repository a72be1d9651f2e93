//! Attention's backward pass.

use super::shape::{Attention, BAND, Heads, HeadsMut, split};
use crate::math::share;
use crate::matrix::{Matrix, MatrixMut, Workspace};
use crate::pack::{copy_rows, pack, packed_len};
use crate::simd::{Isa, Simd, kernel, spans};
use crate::tile::{Columns, Product, Start, product};

/// Rows whose probabilities are kept together, so that the products along the columns are deep: a
/// multiple of the band.
const STRIP: usize = 8 * BAND;

/// The gradients of [`attention_forward`](super::attention_forward), from its inputs, its output
/// and its `log_sums`.
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
    let known = Known {
        heads,
        out,
        log_sums,
        dout,
    };
    backward_kernel(workspace.isa(), workspace, attention, known, gradients);
}

/// What a backward pass starts from.
#[derive(Clone, Copy)]
struct Known<'a> {
    heads: Heads<'a>,
    out: Matrix<'a>,
    log_sums: &'a [f32],
    dout: Matrix<'a>,
}

kernel! {
    fn backward_kernel(
        workspace: &mut Workspace,
        attention: Attention,
        known: Known<'_>,
        gradients: HeadsMut<'_>,
    ) = backward
}

#[inline(always)]
fn backward<S: Simd>(
    s: S,
    workspace: &mut Workspace,
    attention: Attention,
    known: Known<'_>,
    mut gradients: HeadsMut<'_>,
) {
    let (isa, length, head_dim) = (workspace.isa(), attention.length, attention.head_dim);
    let (packed, dense) = (packed_len::<S>(head_dim, length), length * head_dim);
    let strip = STRIP.min(length) * attention.score_stride();
    let sizes = [packed, packed, dense, dense, dense, strip, strip];
    let [keys_t, values_t, queries, keys, douts, scores, dscores] =
        split(&mut workspace.heads, sizes);
    let sums = known.log_sums.chunks_exact(length.max(1));
    for (head, log_sums) in sums.enumerate() {
        let [k, v] = [known.heads.k, known.heads.v].map(|m| attention.of(head, m));
        pack(s, k.transposed(), keys_t);
        pack(s, v.transposed(), values_t);
        copy_rows(s, k, keys, head_dim);
        copy_rows(s, attention.of(head, known.heads.q), queries, head_dim);
        copy_rows(s, attention.of(head, known.dout), douts, head_dim);
        let inputs = Inputs {
            isa,
            attention,
            place: attention.place(head),
            keys_t,
            values_t,
            queries: Matrix::new(queries, length, head_dim),
            keys,
            douts: Matrix::new(douts, length, head_dim),
            out: attention.of(head, known.out),
            log_sums,
        };
        for top in (0..length).step_by(STRIP) {
            let strip = Strip::new(top, length, scores, dscores);
            inputs.strip(s, strip, &mut gradients);
        }
    }
}

/// What one head reads, as the products need it.
struct Inputs<'a> {
    isa: Isa,
    attention: Attention,
    /// The head's first row and column in the matrices of all heads.
    place: (usize, usize),
    /// The transposes of the keys and the values, in panels.
    keys_t: &'a [f32],
    values_t: &'a [f32],
    /// Queries and the output's gradients `[length, head_dim]`, dense as the keys.
    queries: Matrix<'a>,
    douts: Matrix<'a>,
    keys: &'a [f32],
    out: Matrix<'a>,
    log_sums: &'a [f32],
}

/// Rows `top..bottom` of the scores, and of their gradients.
struct Strip<'a> {
    top: usize,
    bottom: usize,
    scores: &'a mut [f32],
    dscores: &'a mut [f32],
}

impl Inputs<'_> {
    /// What the rows of a strip give to all gradients.
    #[inline(always)]
    fn strip<S: Simd>(&self, s: S, mut strip: Strip<'_>, gradients: &mut HeadsMut<'_>) {
        for i in (strip.top..strip.bottom).step_by(BAND) {
            let rows = BAND.min(strip.bottom - i);
            self.scores::<S>(i, rows, &mut strip);
            self.softmax(s, i, rows, &mut strip);
            self.queries::<S>(i, rows, &strip, &mut gradients.q);
        }
        self.keys_and_values::<S>(&strip, gradients);
    }

    /// `scale q kᵀ` and `dout vᵀ` for a band of rows, as far as it is seen.
    #[inline(always)]
    fn scores<S: Simd>(&self, i: usize, rows: usize, strip: &mut Strip<'_>) {
        let Attention {
            head_dim, scale, ..
        } = self.attention;
        let (_, width) = self.attention.seen::<S>(i + rows);
        let stride = self.attention.score_stride();
        for (alpha, a, b, to) in [
            (scale, self.queries, self.keys_t, &mut *strip.scores),
            (1.0, self.douts, self.values_t, &mut *strip.dscores),
        ] {
            let to = &mut to[(i - strip.top) * stride..];
            product(
                self.isa,
                Product {
                    alpha,
                    a: a.block(i, 0, rows, head_dim),
                    b: Columns::packed::<S>(b, head_dim),
                    start: Start::Zero,
                    bias: None,
                    c: MatrixMut::with_stride(to, rows, width, stride),
                },
            );
        }
    }

    /// Makes probabilities of a band's scores, and gradients of the scores.
    #[inline(always)]
    fn softmax<S: Simd>(&self, s: S, i: usize, rows: usize, strip: &mut Strip<'_>) {
        let (seen, _) = self.attention.seen::<S>(i + rows);
        for (r, &log_sum) in self.log_sums.iter().enumerate().skip(i).take(rows) {
            let at = (r - strip.top) * self.attention.score_stride();
            let delta = dot(s, self.out.row(r), self.douts.row(r));
            softmax_row_backward(
                s,
                &mut strip.scores[at..][..seen],
                &mut strip.dscores[at..][..seen],
                self.attention.visible(r + 1),
                log_sum,
                delta,
            );
        }
    }

    /// The gradients of a band's queries.
    #[inline(always)]
    fn queries<S: Simd>(&self, i: usize, rows: usize, strip: &Strip<'_>, to: &mut MatrixMut<'_>) {
        let Attention {
            head_dim, scale, ..
        } = self.attention;
        let ((seen, _), (row, column)) = (self.attention.seen::<S>(i + rows), self.place);
        let stride = self.attention.score_stride();
        let dscores = &strip.dscores[(i - strip.top) * stride..];
        product(
            self.isa,
            Product {
                alpha: scale,
                a: Matrix::with_stride(dscores, rows, seen, stride),
                b: Columns::of::<S>(Matrix::new(self.keys, seen, head_dim)),
                start: Start::Zero,
                bias: None,
                c: to.block(row + i, column, rows, head_dim),
            },
        );
    }

    /// Along the columns: what each position gave to the rows of a strip.
    #[inline(always)]
    fn keys_and_values<S: Simd>(&self, strip: &Strip<'_>, gradients: &mut HeadsMut<'_>) {
        let Attention {
            length,
            head_dim,
            scale,
            causal,
            ..
        } = self.attention;
        let (&Strip { top, bottom, .. }, (row, column)) = (strip, self.place);
        for j in (0..self.attention.visible(bottom)).step_by(BAND) {
            let columns = BAND.min(length - j);
            let first = if causal { top.max(j) } else { top };
            let depth = bottom - first;
            for (alpha, from, b, to) in [
                (1.0, &*strip.scores, self.douts, &mut gradients.v),
                (scale, &*strip.dscores, self.queries, &mut gradients.k),
            ] {
                let stride = self.attention.score_stride();
                let from = Matrix::with_stride(from, bottom - top, length, stride);
                let part = from.block(first - top, j, depth, columns);
                product(
                    self.isa,
                    Product {
                        alpha,
                        a: part.transposed(),
                        b: Columns::of::<S>(b.block(first, 0, depth, head_dim)),
                        start: strip.start(j, causal),
                        bias: None,
                        c: to.block(row + j, column, columns, head_dim),
                    },
                );
            }
        }
    }
}

impl<'a> Strip<'a> {
    #[inline(always)]
    fn new(top: usize, length: usize, scores: &'a mut [f32], dscores: &'a mut [f32]) -> Self {
        Self {
            top,
            bottom: (top + STRIP).min(length),
            scores,
            dscores,
        }
    }

    /// What the gradients of positions from `j` on are added to: the first strip that sees them
    /// starts them.
    #[inline(always)]
    fn start(&self, j: usize, causal: bool) -> Start<'static> {
        let is_first = if causal { j >= self.top } else { self.top == 0 };
        if is_first {
            Start::Zero
        } else {
            Start::Output(1.0)
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
    let (scores, rest) = scores.split_at_mut(valid);
    let (dscores, drest) = dscores.split_at_mut(valid);
    let (log_sum, delta) = (s.splat(log_sum), s.splat(delta));
    spans!(s, valid, |p| {
        let probability = share(s, s.sub(p.load(scores), log_sum));
        p.store(scores, probability);
        p.store(dscores, s.mul(probability, s.sub(p.load(dscores), delta)));
    });
    rest.fill(0.0);
    drest.fill(0.0);
}

#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sum = s.splat(0.0);
    spans!(s, a.len(), |p| {
        sum = s.fma(p.load(a), p.load(b), sum);
    });
    s.sum(sum)
}
