//! Attention against a naive softmax in f64, its gradients against difference quotients.

mod common;
use common::{EPS, close, dot, noise, slopes, wide, workspaces};
use mutransfer_kernels::{
    Attention, Heads, HeadsMut, Matrix, MatrixMut, attention_backward, attention_forward,
};

/// Attention over one buffer with rows `q | k | v`.
fn reference(a: Attention, qkv: &[f64]) -> Vec<f64> {
    let width = a.heads * a.head_dim;
    let mut out = vec![0.0; a.batch * a.length * width];
    for b in 0..a.batch {
        for h in 0..a.heads {
            let at = |i: usize, part: usize, d: usize| {
                qkv[(b * a.length + i) * 3 * width + part * width + h * a.head_dim + d]
            };
            for i in 0..a.length {
                let seen = if a.causal { i + 1 } else { a.length };
                let scores: Vec<f64> = (0..seen)
                    .map(|j| {
                        f64::from(a.scale)
                            * (0..a.head_dim)
                                .map(|d| at(i, 0, d) * at(j, 1, d))
                                .sum::<f64>()
                    })
                    .collect();
                let largest = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let exps: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
                let sum: f64 = exps.iter().sum();
                for d in 0..a.head_dim {
                    out[(b * a.length + i) * width + h * a.head_dim + d] =
                        (0..seen).map(|j| exps[j] / sum * at(j, 2, d)).sum();
                }
            }
        }
    }
    out
}

fn check(a: Attention, stride: usize) {
    let (rows, width) = (a.batch * a.length, a.heads * a.head_dim);
    let (qkv, dout) = (noise(1, rows * 3 * width), noise(2, rows * width));
    let wanted = reference(a, &wide(&qkv));
    for (isa, mut workspace) in workspaces() {
        let what = format!("{isa} {a:?}");
        let part = |i: usize| {
            Matrix::with_stride(&qkv[(i * width).min(qkv.len())..], rows, width, 3 * width)
        };
        let heads = Heads {
            q: part(0),
            k: part(1),
            v: part(2),
        };
        let (mut out, mut log_sums) = (
            vec![f32::NAN; rows * width],
            vec![0.0; a.batch * a.heads * a.length],
        );
        attention_forward(
            &mut workspace,
            a,
            heads,
            MatrixMut::new(&mut out, rows, width),
            &mut log_sums,
        );
        let tolerance =
            EPS * (a.length + a.head_dim + 16) as f64 * f64::from(a.scale.abs()).max(1.0);
        close(&what, &out, &wanted, tolerance);

        let mut dqkv = vec![f32::NAN; rows * 3 * width];
        let (dq, rest) = MatrixMut::new(&mut dqkv, rows, 3 * width).split_columns(width);
        let (dk, dv) = rest.split_columns(width);
        let gradients = HeadsMut {
            q: dq,
            k: dk,
            v: dv,
        };
        let (out, dout_view) = (
            Matrix::new(&out, rows, width),
            Matrix::new(&dout, rows, width),
        );
        attention_backward(
            &mut workspace,
            a,
            heads,
            out,
            &log_sums,
            dout_view,
            gradients,
        );
        slopes(&what, &dqkv, &qkv, stride, tolerance * 8.0, |qkv| {
            dot(&reference(a, qkv), &dout)
        });
    }
}

#[test]
fn small_shapes() {
    for head_dim in [8, 16, 32, 64, 80] {
        for length in [1, 2, 17, 33] {
            for causal in [false, true] {
                let scale = 1.0 / (head_dim as f32).sqrt();
                check(
                    Attention {
                        batch: 2,
                        length,
                        heads: 2,
                        head_dim,
                        scale,
                        causal,
                    },
                    if length > 4 { 97 } else { 7 },
                );
            }
        }
    }
}

#[test]
fn more_rows_than_one_strip() {
    for causal in [false, true] {
        for length in [192, 250, 400] {
            check(
                Attention {
                    batch: 1,
                    length,
                    heads: 1,
                    head_dim: 8,
                    scale: 2.0,
                    causal,
                },
                397,
            );
        }
    }
}

#[test]
fn the_usual_shape() {
    check(
        Attention {
            batch: 1,
            length: 128,
            heads: 2,
            head_dim: 32,
            scale: 1.0 / 32.0,
            causal: true,
        },
        1009,
    );
}

#[test]
fn large_scores_do_not_overflow() {
    let a = Attention {
        batch: 1,
        length: 40,
        heads: 1,
        head_dim: 16,
        scale: 100.0,
        causal: true,
    };
    let (rows, width) = (40, 16);
    let qkv = noise(1, rows * 3 * width);
    for (isa, mut workspace) in workspaces() {
        let part = |i: usize| Matrix::with_stride(&qkv[i * width..], rows, width, 3 * width);
        let (mut out, mut log_sums) = (vec![0.0; rows * width], vec![0.0; rows]);
        let heads = Heads {
            q: part(0),
            k: part(1),
            v: part(2),
        };
        attention_forward(
            &mut workspace,
            a,
            heads,
            MatrixMut::new(&mut out, rows, width),
            &mut log_sums,
        );
        close(isa, &out, &reference(a, &wide(&qkv)), 1e-4);
    }
}
