//! Products of every shape, layout and instruction set against sums in f64.

mod common;
use common::{EPS, close, noise, workspaces};
use mutransfer_kernels::{
    Matrix, MatrixMut, linear_backward_input, linear_backward_weight, linear_forward, matmul,
};

/// `A B` for row-major operands, each transposed or not.
fn reference(a: &[f32], ta: bool, b: &[f32], tb: bool, m: usize, k: usize, n: usize) -> Vec<f64> {
    let at = |i: usize, p: usize| f64::from(if ta { a[p * m + i] } else { a[i * k + p] });
    let bt = |p: usize, j: usize| f64::from(if tb { b[j * k + p] } else { b[p * n + j] });
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = (0..k).map(|p| at(i, p) * bt(p, j)).sum();
        }
    }
    c
}

fn view(data: &[f32], transposed: bool, rows: usize, columns: usize) -> Matrix<'_> {
    if transposed {
        Matrix::new(data, columns, rows).transposed()
    } else {
        Matrix::new(data, rows, columns)
    }
}

const SHAPES: [(usize, usize, usize); 16] = [
    (1, 1, 1),
    (1, 7, 1),
    (5, 1, 3),
    (6, 64, 64),
    (7, 65, 63),
    (13, 17, 130),
    (24, 32, 128),
    (25, 128, 32),
    (64, 64, 64),
    (100, 130, 70),
    (11, 513, 65),
    (33, 600, 31),
    (300, 150, 200),
    (257, 140, 257),
    (520, 1030, 33),
    (130, 0, 10),
];

#[test]
fn every_layout_of_every_shape() {
    for (isa, mut workspace) in workspaces() {
        for (m, k, n) in SHAPES {
            let (a, b, c) = (noise(1, m * k), noise(2, k * n), noise(3, m * n));
            for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                let wanted = reference(&a, ta, &b, tb, m, k, n);
                for (alpha, beta) in [(1.0, 0.0), (-0.5, 0.0), (2.0, 1.0), (1.0, -3.0)] {
                    let mut got = if beta == 0.0 {
                        vec![f32::NAN; m * n]
                    } else {
                        c.clone()
                    };
                    matmul(
                        &mut workspace,
                        alpha,
                        view(&a, ta, m, k),
                        view(&b, tb, k, n),
                        beta,
                        MatrixMut::new(&mut got, m, n),
                    );
                    let wanted: Vec<f64> = wanted
                        .iter()
                        .zip(&c)
                        .map(|(ab, c)| {
                            f64::from(alpha) * ab
                                + if beta == 0.0 {
                                    0.0
                                } else {
                                    f64::from(beta) * f64::from(*c)
                                }
                        })
                        .collect();
                    close(
                        &format!("{isa} {m}x{k}x{n} {ta} {tb} {alpha} {beta}"),
                        &got,
                        &wanted,
                        EPS * (k + 8) as f64,
                    );
                }
            }
        }
    }
}

#[test]
fn strides_leave_the_gaps_alone() {
    let (m, k, n, gap) = (19, 37, 45, 5);
    let (a, b) = (noise(1, m * (k + gap)), noise(2, k * (n + gap)));
    let dense = |x: &[f32], rows: usize, columns: usize| -> Vec<f32> {
        (0..rows)
            .flat_map(|i| x[i * (columns + gap)..][..columns].to_vec())
            .collect()
    };
    let wanted = reference(&dense(&a, m, k), false, &dense(&b, k, n), false, m, k, n);
    for (isa, mut workspace) in workspaces() {
        let mut c = vec![7.0; m * (n + gap)];
        let (a, b) = (
            Matrix::with_stride(&a, m, k, k + gap),
            Matrix::with_stride(&b, k, n, n + gap),
        );
        matmul(
            &mut workspace,
            1.0,
            a,
            b,
            0.0,
            MatrixMut::with_stride(&mut c, m, n, n + gap),
        );
        close(isa, &dense(&c, m, n), &wanted, EPS * (k + 8) as f64);
        assert!(
            c.chunks(n + gap)
                .all(|row| row[n..].iter().all(|&x| x == 7.0)),
            "{isa} wrote into a gap"
        );
    }
}

#[test]
fn linear_layers() {
    const MULTIPLIER: f32 = 0.5;
    let scaled = |product: Vec<f64>| {
        product
            .iter()
            .map(|x| f64::from(MULTIPLIER) * x)
            .collect::<Vec<_>>()
    };
    for (isa, mut workspace) in workspaces() {
        for (tokens, fan_in, fan_out) in [(1, 1, 1), (9, 20, 33), (70, 64, 192), (40, 256, 64)] {
            let (x, w) = (noise(1, tokens * fan_in), noise(2, fan_in * fan_out));
            let (bias, residual, dy) = (
                noise(3, fan_out),
                noise(4, tokens * fan_out),
                noise(5, tokens * fan_out),
            );
            let matrix = |data, rows, columns| Matrix::new(data, rows, columns);
            let tolerance = |depth: usize| EPS * (depth + 8) as f64;

            let mut y = vec![0.0; tokens * fan_out];
            let added = Some(matrix(&residual, tokens, fan_out));
            let (xm, wm, dym) = (
                matrix(&x, tokens, fan_in),
                matrix(&w, fan_in, fan_out),
                matrix(&dy, tokens, fan_out),
            );
            linear_forward(
                &mut workspace,
                MULTIPLIER,
                xm,
                wm,
                Some(&bias),
                added,
                MatrixMut::new(&mut y, tokens, fan_out),
            );
            let mut wanted = reference(&x, false, &w, false, tokens, fan_in, fan_out);
            for (i, y) in wanted.iter_mut().enumerate() {
                *y = f64::from(MULTIPLIER) * *y
                    + f64::from(bias[i % fan_out])
                    + f64::from(residual[i]);
            }
            close(isa, &y, &wanted, tolerance(fan_in));

            let mut dx = vec![0.0; tokens * fan_in];
            linear_backward_input(
                &mut workspace,
                MULTIPLIER,
                dym,
                wm,
                MatrixMut::new(&mut dx, tokens, fan_in),
            );
            close(
                isa,
                &dx,
                &scaled(reference(&dy, false, &w, true, tokens, fan_out, fan_in)),
                tolerance(fan_out),
            );

            let (mut dw, mut db) = (vec![0.0; fan_in * fan_out], vec![0.0; fan_out]);
            linear_backward_weight(
                &mut workspace,
                MULTIPLIER,
                xm,
                dym,
                MatrixMut::new(&mut dw, fan_in, fan_out),
                Some(&mut db),
            );
            close(
                isa,
                &dw,
                &scaled(reference(&x, true, &dy, false, fan_in, tokens, fan_out)),
                tolerance(tokens),
            );
            close(
                isa,
                &db,
                &reference(&vec![1.0; tokens], false, &dy, false, 1, tokens, fan_out),
                tolerance(tokens),
            );
        }
    }
}

#[test]
fn same_inputs_same_bits() {
    let (m, k, n) = (300, 200, 150);
    let (a, b) = (noise(1, m * k), noise(2, k * n));
    for (isa, mut workspace) in workspaces() {
        let mut run = || {
            let mut c = vec![0.0; m * n];
            matmul(
                &mut workspace,
                1.0,
                Matrix::new(&a, m, k),
                Matrix::new(&b, k, n),
                0.0,
                MatrixMut::new(&mut c, m, n),
            );
            c.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(run(), run(), "{isa}");
    }
}

#[test]
#[should_panic(expected = "the inner dimensions differ")]
fn shapes_must_fit() {
    let mut workspace = mutransfer_kernels::Workspace::new();
    let (a, mut c) = ([0.0; 6], [0.0; 4]);
    matmul(
        &mut workspace,
        1.0,
        Matrix::new(&a, 2, 3),
        Matrix::new(&a, 2, 3),
        0.0,
        MatrixMut::new(&mut c, 2, 2),
    );
}
