//! The mean over the positions of images whose channels lie side by side.

use crate::matrix::Workspace;
use crate::simd::{Simd, kernel, spans};

/// The mean of each channel of each image; `y` is `[images, channels]`, `x` has a row of `channels`
/// for every position of an image, image by image.
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn mean_over_positions(workspace: &mut Workspace, channels: usize, x: &[f32], y: &mut [f32]) {
    check(channels, x, y);
    mean_kernel(workspace.isa(), channels, x, y);
}

/// The gradient of the input of [`mean_over_positions`].
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn mean_over_positions_backward(
    workspace: &mut Workspace,
    channels: usize,
    dy: &[f32],
    dx: &mut [f32],
) {
    check(channels, dx, dy);
    backward_kernel(workspace.isa(), channels, dy, dx);
}

#[track_caller]
fn check(channels: usize, x: &[f32], y: &[f32]) {
    let fits = channels > 0 && !y.is_empty() && y.len().is_multiple_of(channels);
    assert!(
        fits && !x.is_empty() && x.len().is_multiple_of(y.len()),
        "{} numbers are no positions of {} of {channels} channels",
        x.len(),
        y.len()
    );
}

kernel! { fn mean_kernel(channels: usize, x: &[f32], y: &mut [f32]) = mean }
kernel! { fn backward_kernel(channels: usize, dy: &[f32], dx: &mut [f32]) = backward }

#[inline(always)]
fn mean<S: Simd>(s: S, channels: usize, x: &[f32], y: &mut [f32]) {
    let image = x.len() / y.len() * channels;
    let share = s.splat(channels as f32 / image as f32);
    for (x, y) in x.chunks_exact(image).zip(y.chunks_exact_mut(channels)) {
        spans!(s, channels, |p| {
            let mut sum = s.splat(0.0);
            for row in x.chunks_exact(channels) {
                sum = s.add(sum, p.load(row));
            }
            p.store(y, s.mul(sum, share));
        });
    }
}

#[inline(always)]
fn backward<S: Simd>(s: S, channels: usize, dy: &[f32], dx: &mut [f32]) {
    let image = dx.len() / dy.len() * channels;
    let share = s.splat(channels as f32 / image as f32);
    for (dy, dx) in dy.chunks_exact(channels).zip(dx.chunks_exact_mut(image)) {
        spans!(s, channels, |p| {
            let d = s.mul(p.load(dy), share);
            for row in dx.chunks_exact_mut(channels) {
                p.store(row, d);
            }
        });
    }
}
