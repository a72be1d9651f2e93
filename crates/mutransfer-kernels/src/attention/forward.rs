//! Attention's forward pass.

use super::shape::{Attention, BAND, Heads, split};
use crate::math::{largest, share};
use crate::matrix::{Matrix, MatrixMut, Workspace};
use crate::pack::{copy_rows, pack, packed_len};
use crate::simd::{Isa, Simd, kernel, spans};
use crate::tile::{Columns, Product, Start, product};

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
    forward_kernel(workspace.isa(), workspace, attention, heads, out, log_sums);
}

kernel! {
    fn forward_kernel(
        workspace: &mut Workspace,
        attention: Attention,
        heads: Heads<'_>,
        out: MatrixMut<'_>,
        log_sums: &mut [f32],
    ) = forward
}

#[inline(always)]
fn forward<S: Simd>(
    s: S,
    workspace: &mut Workspace,
    attention: Attention,
    heads: Heads<'_>,
    mut out: MatrixMut<'_>,
    log_sums: &mut [f32],
) {
    let (isa, length, head_dim) = (workspace.isa(), attention.length, attention.head_dim);
    let sizes = [
        packed_len::<S>(head_dim, length),
        length * head_dim,
        BAND * attention.score_stride(),
    ];
    let [keys_t, values, scores] = split(&mut workspace.heads, sizes);
    for (head, log_sums) in log_sums.chunks_exact_mut(length.max(1)).enumerate() {
        let (row, column) = attention.place(head);
        pack(s, attention.of(head, heads.k).transposed(), keys_t);
        copy_rows(s, attention.of(head, heads.v), values, head_dim);
        let inputs = Inputs {
            isa,
            attention,
            queries: attention.of(head, heads.q),
            keys_t,
            values,
        };
        for i in (0..length).step_by(BAND) {
            let rows = BAND.min(length - i);
            let out = out.block(row + i, column, rows, head_dim);
            inputs.band(s, i, scores, &mut log_sums[i..i + rows], out);
        }
    }
}

/// What one head reads, as the products need it.
struct Inputs<'a> {
    isa: Isa,
    attention: Attention,
    /// `[length, head_dim]`
    queries: Matrix<'a>,
    /// The transpose of the keys, in panels.
    keys_t: &'a [f32],
    /// `[length, head_dim]`, dense.
    values: &'a [f32],
}

impl Inputs<'_> {
    /// The output of as many rows as there are `log_sums`, from row `i` of the head on.
    #[inline(always)]
    fn band<S: Simd>(
        &self,
        s: S,
        i: usize,
        scores: &mut [f32],
        log_sums: &mut [f32],
        mut out: MatrixMut<'_>,
    ) {
        let Attention { head_dim, .. } = self.attention;
        let (rows, stride) = (log_sums.len(), self.attention.score_stride());
        let (seen, _) = self.attention.seen::<S>(i + rows);
        self.scores::<S>(i, rows, scores);
        let mut inverse = [0.0; BAND];
        for r in 0..rows {
            let valid = self.attention.visible(i + r + 1);
            let sum = softmax_row(s, &mut scores[r * stride..][..seen], valid);
            inverse[r] = 1.0 / sum.0;
            log_sums[r] = sum.1;
        }
        product(
            self.isa,
            Product {
                alpha: 1.0,
                a: Matrix::with_stride(scores, rows, seen, stride),
                b: Columns::of::<S>(Matrix::new(self.values, seen, head_dim)),
                start: Start::Zero,
                bias: None,
                c: out.block(0, 0, rows, head_dim),
            },
        );
        for (r, &inverse) in inverse[..rows].iter().enumerate() {
            let row = out.row_mut(r);
            spans!(s, head_dim, |p| {
                p.store(row, s.mul(p.load(row), s.splat(inverse)));
            });
        }
    }

    /// `scale q kᵀ` for a band of rows, as far as it is seen.
    #[inline(always)]
    fn scores<S: Simd>(&self, i: usize, rows: usize, scores: &mut [f32]) {
        let Attention {
            head_dim, scale, ..
        } = self.attention;
        let (_, width) = self.attention.seen::<S>(i + rows);
        let stride = self.attention.score_stride();
        product(
            self.isa,
            Product {
                alpha: scale,
                a: self.queries.block(i, 0, rows, head_dim),
                b: Columns::packed::<S>(self.keys_t, head_dim),
                start: Start::Zero,
                bias: None,
                c: MatrixMut::with_stride(scores, rows, width, stride),
            },
        );
    }
}

/// Turns the first `valid` scores of a row into exponentials and the rest into zeros; returns their
/// sum and the logarithm of the sum before the largest was taken out.
#[inline(always)]
fn softmax_row<S: Simd>(s: S, row: &mut [f32], valid: usize) -> (f32, f32) {
    let (row, rest) = row.split_at_mut(valid);
    let largest = largest(s, row);
    let mut sum = s.splat(0.0);
    spans!(s, valid, |p| {
        let e = share(s, s.sub(p.load(row), s.splat(largest)));
        p.store(row, e);
        sum = s.add(sum, p.or(e, 0.0));
    });
    rest.fill(0.0);
    let sum = s.sum(sum);
    (sum, largest + sum.ln())
}
