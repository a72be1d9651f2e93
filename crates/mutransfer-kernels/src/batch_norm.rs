//! Batch norm over the rows of a matrix whose columns are channels, with what often follows it: the
//! addition of a shortcut, and zero in place of what is below it.

use crate::matrix::Workspace;
use crate::simd::{Simd, kernel, spans};

/// Rows at a time: they stay near, and the fewer numbers are added one after the other, the less
/// is lost.
const ROWS: usize = 64;

/// A norm with the statistics that it divides by; a number for each channel.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a> {
    /// What the normed channel is multiplied with.
    pub gain: &'a [f32],
    /// What is added to that.
    pub bias: &'a [f32],
    /// The mean of the channel.
    pub mean: &'a [f32],
    /// Its variance, of which no degree of freedom is taken.
    pub variance: &'a [f32],
    /// What is added to the variance.
    pub epsilon: f32,
}

/// Gradients that the backward pass writes.
#[derive(Debug)]
pub struct BatchNormGradients<'a> {
    /// Gradient of the input.
    pub x: &'a mut [f32],
    /// Gradient of the shortcut, where there was one.
    pub shortcut: Option<&'a mut [f32]>,
    /// Gradient of the gain.
    pub gain: &'a mut [f32],
    /// Gradient of the bias.
    pub bias: &'a mut [f32],
}

/// The mean and the variance of each channel.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn batch_statistics(
    workspace: &mut Workspace,
    x: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
) {
    assert_eq!(
        mean.len(),
        variance.len(),
        "the statistics differ in length"
    );
    check(x, mean);
    statistics_kernel(workspace.isa(), x, mean, variance);
}

/// `y = (x - mean) / √(variance + epsilon) * gain + bias + shortcut`, and where asked for zero in
/// place of what is below it.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn batch_norm_forward(
    workspace: &mut Workspace,
    norm: &BatchNorm<'_>,
    x: &[f32],
    shortcut: Option<&[f32]>,
    is_rectified: bool,
    y: &mut [f32],
) {
    norm.check(x);
    let fits = y.len() == x.len() && shortcut.is_none_or(|shortcut| shortcut.len() == x.len());
    assert!(fits, "the output or the shortcut has another length");
    forward_kernel(workspace.isa(), norm, x, shortcut, is_rectified, y);
}

/// The gradients of [`batch_norm_forward`] with the statistics of its own input; `y` is its output
/// where it was rectified.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn batch_norm_backward(
    workspace: &mut Workspace,
    norm: &BatchNorm<'_>,
    x: &[f32],
    y: Option<&[f32]>,
    dy: &[f32],
    gradients: BatchNormGradients<'_>,
) {
    norm.check(x);
    let shortcut = gradients.shortcut.as_ref();
    let fits = dy.len() == x.len()
        && gradients.x.len() == x.len()
        && y.is_none_or(|y| y.len() == x.len())
        && shortcut.is_none_or(|shortcut| shortcut.len() == x.len())
        && gradients.gain.len() == norm.gain.len()
        && gradients.bias.len() == norm.gain.len();
    assert!(fits, "a gradient has another length");
    backward_kernel(workspace.isa(), norm, x, y, dy, gradients);
}

impl BatchNorm<'_> {
    #[track_caller]
    fn check(&self, x: &[f32]) {
        let channels = self.gain.len();
        let others = [self.bias.len(), self.mean.len(), self.variance.len()];
        assert_eq!(others, [channels; 3], "a number for each channel");
        check(x, self.gain);
    }
}

#[track_caller]
fn check(x: &[f32], channels: &[f32]) {
    assert!(
        !channels.is_empty() && x.len().is_multiple_of(channels.len()),
        "{} numbers are no rows of {}",
        x.len(),
        channels.len()
    );
}

kernel! { fn statistics_kernel(x: &[f32], mean: &mut [f32], variance: &mut [f32]) = statistics }
kernel! {
    fn forward_kernel(
        norm: &BatchNorm<'_>,
        x: &[f32],
        shortcut: Option<&[f32]>,
        is_rectified: bool,
        y: &mut [f32],
    ) = forward
}
kernel! {
    fn backward_kernel(
        norm: &BatchNorm<'_>,
        x: &[f32],
        y: Option<&[f32]>,
        dy: &[f32],
        gradients: BatchNormGradients<'_>,
    ) = backward
}

#[inline(always)]
fn statistics<S: Simd>(s: S, x: &[f32], mean: &mut [f32], variance: &mut [f32]) {
    let channels = mean.len();
    let share = s.splat(1.0 / (x.len() / channels) as f32);
    mean.fill(0.0);
    variance.fill(0.0);
    for rows in x.chunks(ROWS * channels) {
        spans!(s, channels, |p| {
            let mut sum = s.splat(0.0);
            for row in rows.chunks_exact(channels) {
                sum = s.add(sum, p.load(row));
            }
            p.store(mean, s.add(p.load(mean), sum));
        });
    }
    spans!(s, channels, |p| p.store(mean, s.mul(p.load(mean), share)));
    for rows in x.chunks(ROWS * channels) {
        spans!(s, channels, |p| {
            let (center, mut sum) = (p.load(mean), s.splat(0.0));
            for row in rows.chunks_exact(channels) {
                let away = s.sub(p.load(row), center);
                sum = s.fma(away, away, sum);
            }
            p.store(variance, s.add(p.load(variance), sum));
        });
    }
    spans!(s, channels, |p| p
        .store(variance, s.mul(p.load(variance), share)));
}

#[inline(always)]
fn forward<S: Simd>(
    s: S,
    norm: &BatchNorm<'_>,
    x: &[f32],
    shortcut: Option<&[f32]>,
    is_rectified: bool,
    y: &mut [f32],
) {
    let channels = norm.gain.len();
    let block = ROWS * channels;
    for (at, (x, y)) in x.chunks(block).zip(y.chunks_mut(block)).enumerate() {
        let shortcut = shortcut.map(|shortcut| &shortcut[at * block..][..x.len()]);
        spans!(s, channels, |p| {
            let center = p.load(norm.mean);
            let scale = s.mul(p.load(norm.gain), inverse(s, norm, p.load(norm.variance)));
            let bias = p.load(norm.bias);
            let rows = x.chunks_exact(channels).zip(y.chunks_exact_mut(channels));
            for (r, (x, y)) in rows.enumerate() {
                let mut v = s.fma(s.sub(p.load(x), center), scale, bias);
                if let Some(shortcut) = shortcut {
                    v = s.add(v, p.load(&shortcut[r * channels..][..channels]));
                }
                if is_rectified {
                    // What is not a number stays so.
                    v = s.select_negative(v, s.splat(0.0), v);
                }
                p.store(y, v);
            }
        });
    }
}

/// One over the deviation.
#[inline(always)]
fn inverse<S: Simd>(s: S, norm: &BatchNorm<'_>, variance: S::V) -> S::V {
    let square = s.add(variance, s.splat(norm.epsilon));
    s.div(s.splat(1.0), s.sqrt(square))
}

#[inline(always)]
fn backward<S: Simd>(
    s: S,
    norm: &BatchNorm<'_>,
    x: &[f32],
    y: Option<&[f32]>,
    dy: &[f32],
    mut gradients: BatchNormGradients<'_>,
) {
    gradients.gain.fill(0.0);
    gradients.bias.fill(0.0);
    sums(s, norm, x, y, dy, &mut gradients);
    inputs(s, norm, x, &mut gradients);
}

/// The first pass: adds up gradients of gain and bias, and leaves those past the rectifier where
/// that of the input will be.
#[inline(always)]
fn sums<S: Simd>(
    s: S,
    norm: &BatchNorm<'_>,
    x: &[f32],
    y: Option<&[f32]>,
    dy: &[f32],
    gradients: &mut BatchNormGradients<'_>,
) {
    let channels = norm.gain.len();
    let block = ROWS * channels;
    let (dgain, dbias) = (&mut *gradients.gain, &mut *gradients.bias);
    for (at, x) in x.chunks(block).enumerate() {
        let place = at * block..at * block + x.len();
        let (y, dy) = (y.map(|y| &y[place.clone()]), &dy[place.clone()]);
        let shortcut = gradients.shortcut.as_deref_mut();
        let mut dshortcut = shortcut.map(|to| &mut to[place.clone()]);
        let passed = &mut gradients.x[place];
        spans!(s, channels, |p| {
            let center = p.load(norm.mean);
            let scale = inverse(s, norm, p.load(norm.variance));
            let (mut sum, mut along) = (s.splat(0.0), s.splat(0.0));
            for (r, x) in x.chunks_exact(channels).enumerate() {
                let row = r * channels..(r + 1) * channels;
                let mut g = p.load(&dy[row.clone()]);
                if let Some(y) = y {
                    g = rectified(s, p.load(&y[row.clone()]), g);
                }
                if let Some(to) = dshortcut.as_deref_mut() {
                    p.store(&mut to[row.clone()], g);
                }
                p.store(&mut passed[row], g);
                sum = s.add(sum, g);
                along = s.fma(s.mul(s.sub(p.load(x), center), scale), g, along);
            }
            p.store(dbias, s.add(p.load(dbias), sum));
            p.store(dgain, s.add(p.load(dgain), along));
        });
    }
}

/// A gradient where the output is above zero, and zero elsewhere.
#[inline(always)]
fn rectified<S: Simd>(s: S, y: S::V, gradient: S::V) -> S::V {
    let zero = s.splat(0.0);
    s.select_negative(s.sub(zero, y), gradient, zero)
}

/// The second pass: what the mean and the deviation take from the gradients of the inputs.
#[inline(always)]
fn inputs<S: Simd>(s: S, norm: &BatchNorm<'_>, x: &[f32], gradients: &mut BatchNormGradients<'_>) {
    let (dgain, dbias) = (&*gradients.gain, &*gradients.bias);
    let dx = &mut *gradients.x;
    let channels = norm.gain.len();
    let block = ROWS * channels;
    let share = s.splat(1.0 / (x.len() / channels) as f32);
    for (x, dx) in x.chunks(block).zip(dx.chunks_mut(block)) {
        spans!(s, channels, |p| {
            let center = p.load(norm.mean);
            let scale = inverse(s, norm, p.load(norm.variance));
            let mean = s.mul(p.load(dbias), share);
            let along = s.mul(p.load(dgain), share);
            let outer = s.mul(p.load(norm.gain), scale);
            let rows = x.chunks_exact(channels).zip(dx.chunks_exact_mut(channels));
            for (x, dx) in rows {
                let normed = s.mul(s.sub(p.load(x), center), scale);
                let d = s.fnma(normed, along, s.sub(p.load(dx), mean));
                p.store(dx, s.mul(d, outer));
            }
        });
    }
}
