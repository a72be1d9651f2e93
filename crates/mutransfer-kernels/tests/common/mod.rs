//! What every kernel test needs: numbers, a difference quotient and a comparison.
#![allow(dead_code, reason = "every test file uses a part of it")]

use mutransfer_kernels::{Isa, Workspace};

/// Numbers in -1..1, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    for _ in 0..8 {
        next();
    }
    (0..len).map(|_| next()).collect()
}

/// The same numbers, wider.
pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// A workspace per instruction set of this machine, with its name.
pub(crate) fn workspaces() -> impl Iterator<Item = (&'static str, Workspace)> {
    Isa::available()
        .into_iter()
        .map(|isa| (isa.name(), Workspace::with_isa(isa)))
}

/// Asserts that every number is within `tolerance * (size + |wanted|)`, with the size of the
/// largest.
#[track_caller]
pub(crate) fn close(what: &str, got: &[f32], wanted: &[f64], tolerance: f64) {
    assert_eq!(got.len(), wanted.len(), "{what}: length");
    let size = wanted.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    for (i, (&got, &wanted)) in got.iter().zip(wanted).enumerate() {
        let error = (f64::from(got) - wanted).abs();
        assert!(
            error <= tolerance * (size + wanted.abs()) + 1e-30,
            "{what} [{i}]: {got}, wanted {wanted} within {tolerance:e} of {size}"
        );
    }
}

/// Every `stride`th partial derivative of `f`, and asserts that `got` agrees with it.
#[track_caller]
pub(crate) fn slopes(
    what: &str,
    got: &[f32],
    at: &[f32],
    stride: usize,
    tolerance: f64,
    f: impl Fn(&[f64]) -> f64,
) {
    let mut at = wide(at);
    let indices: Vec<usize> = (0..at.len()).step_by(stride).collect();
    let step = 1e-5;
    let wanted: Vec<f64> = indices
        .iter()
        .map(|&i| {
            let x = at[i];
            at[i] = x + step;
            let up = f(&at);
            at[i] = x - step;
            let down = f(&at);
            at[i] = x;
            (up - down) / (2.0 * step)
        })
        .collect();
    let got: Vec<f32> = indices.iter().map(|&i| got[i]).collect();
    // The difference quotient itself is good to about 1e-9.
    close(what, &got, &wanted, tolerance + 1e-8);
}

/// `Σ a b`
pub(crate) fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum()
}

/// Half a unit in the last place, relative.
pub(crate) const EPS: f64 = f32::EPSILON as f64 / 2.0;
