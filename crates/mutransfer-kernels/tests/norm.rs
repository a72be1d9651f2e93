//! Layer norm and RMS norm against f64, their gradients against difference quotients.

mod common;
use common::{EPS, close, dot, noise, slopes, wide, workspaces};
use mutransfer_kernels::{
    NormGradients, Statistics, layer_norm_backward, layer_norm_forward, rms_norm_backward,
    rms_norm_forward,
};

const EPSILON: f32 = 1e-5;

fn norm(x: &[f64], gain: &[f64], bias: &[f64], centered: bool) -> Vec<f64> {
    let width = gain.len();
    let mut y = Vec::new();
    for row in x.chunks(width) {
        let mean = if centered {
            row.iter().sum::<f64>() / width as f64
        } else {
            0.0
        };
        let square = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let scale = 1.0 / (square + f64::from(EPSILON)).sqrt();
        y.extend(
            row.iter()
                .enumerate()
                .map(|(j, x)| (x - mean) * scale * gain[j] + bias[j]),
        );
    }
    y
}

const SHAPES: [(usize, usize); 7] = [(1, 4), (3, 5), (2, 16), (5, 31), (4, 64), (3, 80), (7, 100)];

#[test]
fn layer_norm() {
    for (isa, mut workspace) in workspaces() {
        for (rows, width) in SHAPES {
            let what = format!("{isa} {rows}x{width}");
            let (x, gain, bias) = (noise(1, rows * width), noise(2, width), noise(3, width));
            let (dy, residual) = (noise(4, rows * width), noise(5, rows * width));
            let (mut y, mut mean, mut inverse) =
                (vec![0.0; rows * width], vec![0.0; rows], vec![0.0; rows]);
            let statistics = Statistics {
                mean: &mut mean,
                inverse_deviation: &mut inverse,
            };
            layer_norm_forward(
                &mut workspace,
                &x,
                &gain,
                &bias,
                EPSILON,
                &mut y,
                statistics,
            );
            // Where a row's deviation is small against its numbers, the difference loses digits.
            let tolerance = EPS
                * (width + 8) as f64
                * inverse.iter().fold(1.0_f64, |a, &b| a.max(f64::from(b)));
            close(
                &what,
                &y,
                &norm(&wide(&x), &wide(&gain), &wide(&bias), true),
                tolerance,
            );

            for residual in [None, Some(&residual[..])] {
                let (mut dx, mut dgain, mut dbias) =
                    (vec![0.0; rows * width], vec![0.0; width], vec![0.0; width]);
                let gradients = NormGradients {
                    x: &mut dx,
                    residual,
                    gain: &mut dgain,
                    bias: &mut dbias,
                };
                layer_norm_backward(&mut workspace, &x, &gain, &mean, &inverse, &dy, gradients);
                let loss = |x: &[f64], gain: &[f64], bias: &[f64]| {
                    dot(&norm(x, gain, bias, true), &dy)
                        + residual.map_or(0.0, |residual| dot(x, residual))
                };
                let (wx, wg, wb) = (wide(&x), wide(&gain), wide(&bias));
                slopes(&what, &dx, &x, 1, tolerance * 8.0, |x| loss(x, &wg, &wb));
                slopes(&what, &dgain, &gain, 1, tolerance * 8.0, |gain| {
                    loss(&wx, gain, &wb)
                });
                slopes(&what, &dbias, &bias, 1, tolerance * 8.0, |bias| {
                    loss(&wx, &wg, bias)
                });
            }
        }
    }
}

#[test]
fn rms_norm() {
    for (isa, mut workspace) in workspaces() {
        for (rows, width) in SHAPES {
            let what = format!("{isa} {rows}x{width}");
            let (x, gain, zero) = (noise(1, rows * width), noise(2, width), vec![0.0; width]);
            let (dy, residual) = (noise(4, rows * width), noise(5, rows * width));
            let (mut y, mut inverse) = (vec![0.0; rows * width], vec![0.0; rows]);
            rms_norm_forward(&mut workspace, &x, &gain, EPSILON, &mut y, &mut inverse);
            let tolerance = EPS
                * (width + 8) as f64
                * inverse.iter().fold(1.0_f64, |a, &b| a.max(f64::from(b)));
            close(
                &what,
                &y,
                &norm(&wide(&x), &wide(&gain), &zero, false),
                tolerance,
            );

            let (mut dx, mut dgain) = (vec![0.0; rows * width], vec![0.0; width]);
            let gradients = NormGradients {
                x: &mut dx,
                residual: Some(&residual),
                gain: &mut dgain,
                bias: &mut [],
            };
            rms_norm_backward(&mut workspace, &x, &gain, &inverse, &dy, gradients);
            let loss = |x: &[f64], gain: &[f64]| {
                dot(&norm(x, gain, &zero, false), &dy) + dot(x, &residual)
            };
            let (wx, wg) = (wide(&x), wide(&gain));
            slopes(&what, &dx, &x, 1, tolerance * 8.0, |x| loss(x, &wg));
            slopes(&what, &dgain, &gain, 1, tolerance * 8.0, |gain| {
                loss(&wx, gain)
            });
        }
    }
}
