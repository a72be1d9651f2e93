//! Layer norm and RMS norm over the rows of a matrix; the width is the length of the gain.

use crate::matrix::Workspace;
use crate::simd::{Simd, kernel, spans};

/// What layer norm's forward pass leaves for its backward pass: two numbers per row.
#[derive(Debug)]
pub struct Statistics<'a> {
    /// The mean of each row.
    pub mean: &'a mut [f32],
    /// One over the standard deviation of each row.
    pub inverse_deviation: &'a mut [f32],
}

/// `y = (x - mean) / √(variance + epsilon) * gain + bias` for every row.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn layer_norm_forward(
    workspace: &mut Workspace,
    x: &[f32],
    gain: &[f32],
    bias: &[f32],
    epsilon: f32,
    y: &mut [f32],
    statistics: Statistics<'_>,
) {
    let rows = rows(x, gain);
    assert_eq!(
        (gain.len(), x.len()),
        (bias.len(), y.len()),
        "the lengths differ"
    );
    assert_eq!(
        (rows, rows),
        (statistics.mean.len(), statistics.inverse_deviation.len()),
        "the statistics are one per row"
    );
    layer_forward_kernel(workspace.isa(), x, gain, bias, epsilon, y, statistics);
}

/// Gradients that a norm's backward pass writes.
#[derive(Debug)]
pub struct NormGradients<'a> {
    /// Gradient of the input; `residual`, where given, is added to it.
    pub x: &'a mut [f32],
    /// Gradient that reaches the input past the norm.
    pub residual: Option<&'a [f32]>,
    /// Gradient of the gain.
    pub gain: &'a mut [f32],
    /// Gradient of the bias; empty for RMS norm.
    pub bias: &'a mut [f32],
}

/// The gradients of [`layer_norm_forward`], from what it left in its [`Statistics`].
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn layer_norm_backward(
    workspace: &mut Workspace,
    x: &[f32],
    gain: &[f32],
    mean: &[f32],
    inverse_deviation: &[f32],
    dy: &[f32],
    gradients: NormGradients<'_>,
) {
    let rows = rows(x, gain);
    assert_eq!(
        (x.len(), rows, rows),
        (dy.len(), mean.len(), inverse_deviation.len()),
        "the lengths differ"
    );
    assert_eq!(
        gain.len(),
        gradients.bias.len(),
        "the gradient of the bias has another length"
    );
    gradients.check(x, gain);
    layer_backward_kernel(
        workspace.isa(),
        x,
        gain,
        mean,
        inverse_deviation,
        dy,
        gradients,
    );
}

/// `y = x / √(mean(x²) + epsilon) * gain` for every row; `inverse_size` keeps one over the root.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn rms_norm_forward(
    workspace: &mut Workspace,
    x: &[f32],
    gain: &[f32],
    epsilon: f32,
    y: &mut [f32],
    inverse_size: &mut [f32],
) {
    let rows = rows(x, gain);
    assert_eq!(
        (x.len(), rows),
        (y.len(), inverse_size.len()),
        "the lengths differ"
    );
    rms_forward_kernel(workspace.isa(), x, gain, epsilon, y, inverse_size);
}

/// The gradients of [`rms_norm_forward`].
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn rms_norm_backward(
    workspace: &mut Workspace,
    x: &[f32],
    gain: &[f32],
    inverse_size: &[f32],
    dy: &[f32],
    gradients: NormGradients<'_>,
) {
    let rows = rows(x, gain);
    assert_eq!(
        (x.len(), rows),
        (dy.len(), inverse_size.len()),
        "the lengths differ"
    );
    assert!(gradients.bias.is_empty(), "RMS norm has no bias");
    gradients.check(x, gain);
    rms_backward_kernel(workspace.isa(), x, gain, inverse_size, dy, gradients);
}

#[track_caller]
fn rows(x: &[f32], gain: &[f32]) -> usize {
    assert!(
        !gain.is_empty() && x.len().is_multiple_of(gain.len()),
        "{} numbers are no rows of {}",
        x.len(),
        gain.len()
    );
    x.len() / gain.len()
}

impl NormGradients<'_> {
    #[track_caller]
    fn check(&self, x: &[f32], gain: &[f32]) {
        assert_eq!(
            (x.len(), gain.len()),
            (self.x.len(), self.gain.len()),
            "a gradient has another length"
        );
        assert!(
            self.residual.is_none_or(|r| r.len() == x.len()),
            "the residual gradient has another length"
        );
    }
}

kernel! {
    fn layer_forward_kernel(
        x: &[f32],
        gain: &[f32],
        bias: &[f32],
        epsilon: f32,
        y: &mut [f32],
        statistics: Statistics<'_>,
    ) = layer_forward
}
kernel! {
    fn layer_backward_kernel(
        x: &[f32],
        gain: &[f32],
        mean: &[f32],
        inverse: &[f32],
        dy: &[f32],
        gradients: NormGradients<'_>,
    ) = layer_backward
}
kernel! {
    fn rms_forward_kernel(
        x: &[f32],
        gain: &[f32],
        epsilon: f32,
        y: &mut [f32],
        inverse: &mut [f32],
    ) = rms_forward
}
kernel! {
    fn rms_backward_kernel(
        x: &[f32],
        gain: &[f32],
        inverse: &[f32],
        dy: &[f32],
        gradients: NormGradients<'_>,
    ) = rms_backward
}

#[inline(always)]
fn layer_forward<S: Simd>(
    s: S,
    x: &[f32],
    gain: &[f32],
    bias: &[f32],
    epsilon: f32,
    y: &mut [f32],
    statistics: Statistics<'_>,
) {
    let width = gain.len();
    let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width));
    for (r, (x, y)) in rows.enumerate() {
        let center = mean_of(s, x);
        let scale = 1.0 / (variance_of(s, x, center) + epsilon).sqrt();
        let (center_v, scale_v) = (s.splat(center), s.splat(scale));
        spans!(s, width, |p| {
            let normed = s.mul(s.sub(p.load(x), center_v), scale_v);
            p.store(y, s.fma(normed, p.load(gain), p.load(bias)));
        });
        statistics.mean[r] = center;
        statistics.inverse_deviation[r] = scale;
    }
}

#[inline(always)]
fn mean_of<S: Simd>(s: S, row: &[f32]) -> f32 {
    let mut sum = s.splat(0.0);
    spans!(s, row.len(), |p| {
        sum = s.add(sum, p.load(row));
    });
    s.sum(sum) / row.len() as f32
}

#[inline(always)]
fn variance_of<S: Simd>(s: S, row: &[f32], mean: f32) -> f32 {
    let mut squares = s.splat(0.0);
    spans!(s, row.len(), |p| {
        let d = p.or(s.sub(p.load(row), s.splat(mean)), 0.0);
        squares = s.fma(d, d, squares);
    });
    s.sum(squares) / row.len() as f32
}

#[inline(always)]
fn layer_backward<S: Simd>(
    s: S,
    x: &[f32],
    gain: &[f32],
    mean: &[f32],
    inverse: &[f32],
    dy: &[f32],
    gradients: NormGradients<'_>,
) {
    let width = gain.len();
    let (dgain, dbias) = (gradients.gain, gradients.bias);
    dgain.fill(0.0);
    dbias.fill(0.0);
    let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
    let rows = rows.zip(gradients.x.chunks_exact_mut(width));
    for (r, ((x, dy), dx)) in rows.enumerate() {
        let row = Row { x, dy, gain };
        let (center, scale) = (s.splat(mean[r]), s.splat(inverse[r]));
        let (mean, along) = row.add_to_gain_and_bias(s, center, scale, dgain, dbias);
        spans!(s, width, |p| {
            let normed = s.mul(s.sub(p.load(x), center), scale);
            let g = s.mul(p.load(dy), p.load(gain));
            let d = s.mul(s.fnma(normed, along, s.sub(g, mean)), scale);
            p.store(dx, d);
        });
        add_row(s, gradients.residual, r, dx);
    }
}

/// A row of the input with the gradient of its output.
struct Row<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    gain: &'a [f32],
}

impl Row<'_> {
    /// Adds what layer norm's parameters get of the row; returns the mean of the normed row's
    /// gradient, and that of its product with the normed row.
    #[inline(always)]
    fn add_to_gain_and_bias<S: Simd>(
        &self,
        s: S,
        center: S::V,
        scale: S::V,
        dgain: &mut [f32],
        dbias: &mut [f32],
    ) -> (S::V, S::V) {
        let width = self.gain.len();
        let (mut sum, mut along) = (s.splat(0.0), s.splat(0.0));
        spans!(s, width, |p| {
            let normed = s.mul(s.sub(p.load(self.x), center), scale);
            let d = p.load(self.dy);
            p.store(dgain, s.fma(d, normed, p.load(dgain)));
            p.store(dbias, s.add(d, p.load(dbias)));
            let g = s.mul(d, p.load(self.gain));
            sum = s.add(sum, g);
            along = s.fma(g, normed, along);
        });
        let (sum, along) = (s.sum(sum), s.sum(along));
        (s.splat(sum / width as f32), s.splat(along / width as f32))
    }

    /// Adds what RMS norm's gain gets of the row; returns the mean of the product of the normed
    /// row and its gradient.
    #[inline(always)]
    fn add_to_gain<S: Simd>(&self, s: S, scale: S::V, dgain: &mut [f32]) -> S::V {
        let width = self.gain.len();
        let mut along = s.splat(0.0);
        spans!(s, width, |p| {
            let normed = s.mul(p.load(self.x), scale);
            let d = p.load(self.dy);
            p.store(dgain, s.fma(d, normed, p.load(dgain)));
            along = s.fma(s.mul(d, p.load(self.gain)), normed, along);
        });
        s.splat(s.sum(along) / width as f32)
    }
}

#[inline(always)]
fn add_row<S: Simd>(s: S, residual: Option<&[f32]>, r: usize, dx: &mut [f32]) {
    let width = dx.len();
    if let Some(residual) = residual {
        let row = &residual[r * width..][..width];
        spans!(s, width, |p| p.store(dx, s.add(p.load(dx), p.load(row))));
    }
}

#[inline(always)]
fn rms_forward<S: Simd>(
    s: S,
    x: &[f32],
    gain: &[f32],
    epsilon: f32,
    y: &mut [f32],
    inverse: &mut [f32],
) {
    let width = gain.len();
    let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width));
    for (r, (x, y)) in rows.enumerate() {
        let mut squares = s.splat(0.0);
        spans!(s, width, |p| {
            squares = s.fma(p.load(x), p.load(x), squares);
        });
        inverse[r] = 1.0 / (s.sum(squares) / width as f32 + epsilon).sqrt();
        let scale = s.splat(inverse[r]);
        spans!(s, width, |p| {
            p.store(y, s.mul(s.mul(p.load(x), scale), p.load(gain)));
        });
    }
}

#[inline(always)]
fn rms_backward<S: Simd>(
    s: S,
    x: &[f32],
    gain: &[f32],
    inverse: &[f32],
    dy: &[f32],
    gradients: NormGradients<'_>,
) {
    let (width, dgain) = (gain.len(), gradients.gain);
    dgain.fill(0.0);
    let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
    let rows = rows.zip(gradients.x.chunks_exact_mut(width));
    for (r, ((x, dy), dx)) in rows.enumerate() {
        let scale = s.splat(inverse[r]);
        let along = Row { x, dy, gain }.add_to_gain(s, scale, dgain);
        spans!(s, width, |p| {
            let normed = s.mul(p.load(x), scale);
            let g = s.mul(p.load(dy), p.load(gain));
            p.store(dx, s.mul(s.fnma(normed, along, g), scale));
        });
        add_row(s, gradients.residual, r, dx);
    }
}
