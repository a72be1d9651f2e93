//! Batch norm and the mean over positions against f64, and gradients against differences.

mod common;
use common::{close, dot, noise, slopes, wide, workspaces};
use mutransfer_kernels::{
    BatchNorm, BatchNormGradients, Workspace, batch_norm_backward, batch_norm_forward,
    batch_statistics, mean_over_positions, mean_over_positions_backward,
};

const EPSILON: f32 = 1e-5;
const SHAPES: [(usize, usize); 5] = [(2, 1), (3, 16), (65, 33), (200, 20), (129, 7)];

struct Inputs {
    x: Vec<f32>,
    shortcut: Vec<f32>,
    gain: Vec<f32>,
    bias: Vec<f32>,
    dy: Vec<f32>,
}

fn inputs(rows: usize, channels: usize) -> Inputs {
    Inputs {
        x: noise(1, rows * channels)
            .iter()
            .map(|x| 3.0 * x + 1.0)
            .collect(),
        shortcut: noise(2, rows * channels),
        gain: noise(3, channels),
        bias: noise(4, channels),
        dy: noise(5, rows * channels),
    }
}

fn reference(
    [x, shortcut, gain, bias]: [&[f64]; 4],
    has_shortcut: bool,
    is_rectified: bool,
) -> Vec<f64> {
    let channels = gain.len();
    let rows = x.len() / channels;
    let mut y = vec![0.0; x.len()];
    for channel in 0..channels {
        let own = || (0..rows).map(|row| x[row * channels + channel]);
        let mean = own().sum::<f64>() / rows as f64;
        let variance = own().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64;
        let deviation = (variance + f64::from(EPSILON)).sqrt();
        for row in 0..rows {
            let at = row * channels + channel;
            let normed = (x[at] - mean) / deviation * gain[channel] + bias[channel];
            let sum = if has_shortcut {
                normed + shortcut[at]
            } else {
                normed
            };
            y[at] = if is_rectified { sum.max(0.0) } else { sum };
        }
    }
    y
}

/// The output, and the statistics.
fn forward(
    workspace: &mut Workspace,
    from: &Inputs,
    has_shortcut: bool,
    is_rectified: bool,
) -> [Vec<f32>; 3] {
    let mut statistics = [(); 2].map(|()| vec![f32::NAN; from.gain.len()]);
    let [mean, variance] = &mut statistics;
    batch_statistics(workspace, &from.x, mean, variance);
    let mut y = vec![f32::NAN; from.x.len()];
    let shortcut = has_shortcut.then_some(&from.shortcut[..]);
    let norm = norm(from, mean, variance);
    batch_norm_forward(workspace, &norm, &from.x, shortcut, is_rectified, &mut y);
    let [mean, variance] = statistics;
    [y, mean, variance]
}

fn norm<'a>(from: &'a Inputs, mean: &'a [f32], variance: &'a [f32]) -> BatchNorm<'a> {
    BatchNorm {
        gain: &from.gain,
        bias: &from.bias,
        mean,
        variance,
        epsilon: EPSILON,
    }
}

const ARMS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[test]
fn channels_have_mean_zero_and_deviation_one_before_the_gain() {
    for (rows, channels) in SHAPES {
        let from = inputs(rows, channels);
        let wide = [&from.x, &from.shortcut, &from.gain, &from.bias].map(|part| wide(part));
        for (has_shortcut, is_rectified) in ARMS {
            let wanted = reference(
                wide.each_ref().map(|part| &part[..]),
                has_shortcut,
                is_rectified,
            );
            for (isa, mut workspace) in workspaces() {
                let [y, ..] = forward(&mut workspace, &from, has_shortcut, is_rectified);
                close(&format!("{rows} x {channels} {isa}"), &y, &wanted, 2e-6);
            }
        }
    }
}

#[test]
fn gradients_are_slopes() {
    for (rows, channels) in &SHAPES[1..] {
        let from = inputs(*rows, *channels);
        let all = [&from.x, &from.shortcut, &from.gain, &from.bias];
        for (has_shortcut, is_rectified) in ARMS {
            for (isa, mut workspace) in workspaces() {
                let [y, mean, variance] =
                    forward(&mut workspace, &from, has_shortcut, is_rectified);
                let mut found = all.map(|part| vec![f32::NAN; part.len()]);
                let [dx, dshortcut, dgain, dbias] = &mut found;
                let gradients = BatchNormGradients {
                    x: dx,
                    shortcut: has_shortcut.then_some(&mut dshortcut[..]),
                    gain: dgain,
                    bias: dbias,
                };
                let norm = norm(&from, &mean, &variance);
                let y = is_rectified.then_some(&y[..]);
                batch_norm_backward(&mut workspace, &norm, &from.x, y, &from.dy, gradients);
                for (place, found) in found.iter().enumerate() {
                    if place == 1 && !has_shortcut {
                        continue;
                    }
                    let at = |other: &[f64]| {
                        let mut parts = all.map(|part| wide(part));
                        parts[place] = other.to_vec();
                        let parts = parts.each_ref().map(|part| &part[..]);
                        dot(&reference(parts, has_shortcut, is_rectified), &from.dy)
                    };
                    let what = format!("{place} of {rows} x {channels} {isa}");
                    let stride = found.len().div_ceil(30);
                    slopes(&what, found, all[place], stride, 2e-5, at);
                }
            }
        }
    }
}

#[test]
fn the_mean_over_positions_and_its_gradient() {
    for (images, positions, channels) in [(1, 1, 1), (3, 49, 20), (2, 7, 33)] {
        let x = noise(1, images * positions * channels);
        let dy = noise(2, images * channels);
        let mean = |x: &[f64]| -> Vec<f64> {
            let at = |image: usize, channel: usize| {
                let own = (0..positions).map(|at| x[(image * positions + at) * channels + channel]);
                own.sum::<f64>() / positions as f64
            };
            (0..images * channels)
                .map(|place| at(place / channels, place % channels))
                .collect()
        };
        for (isa, mut workspace) in workspaces() {
            let mut y = vec![f32::NAN; dy.len()];
            mean_over_positions(&mut workspace, channels, &x, &mut y);
            close(isa, &y, &mean(&wide(&x)), 1e-6);
            let mut dx = vec![f32::NAN; x.len()];
            mean_over_positions_backward(&mut workspace, channels, &dy, &mut dx);
            slopes(isa, &dx, &x, 5, 1e-6, |x| dot(&mean(x), &dy));
        }
    }
}
