//! Softmax cross-entropy with integer targets.

use crate::math::{largest, share};
use crate::matrix::Workspace;
use crate::simd::{Simd, kernel, spans};

/// The mean over the rows of `-ln softmax(logits)[target]`, and its gradient where a slice is
/// given.
///
/// # Panics
/// If a length does not fit or a target is outside the vocabulary.
#[track_caller]
pub fn cross_entropy(
    workspace: &mut Workspace,
    logits: &[f32],
    targets: &[u32],
    gradient: Option<&mut [f32]>,
) -> f32 {
    let vocabulary = logits.len() / targets.len().max(1);
    assert_eq!(
        logits.len(),
        vocabulary * targets.len(),
        "the logits are no whole rows"
    );
    assert!(
        targets.iter().all(|&t| (t as usize) < vocabulary),
        "a target is outside the vocabulary of {vocabulary}"
    );
    assert!(
        gradient.as_ref().is_none_or(|g| g.len() == logits.len()),
        "the gradient has another length"
    );
    cross_entropy_kernel(
        workspace.isa(),
        logits,
        targets,
        gradient.unwrap_or_default(),
    )
}

kernel! {
    fn cross_entropy_kernel(logits: &[f32], targets: &[u32], gradient: &mut [f32]) -> f32
        = cross_entropy_body
}

#[inline(always)]
fn cross_entropy_body<S: Simd>(s: S, logits: &[f32], targets: &[u32], gradient: &mut [f32]) -> f32 {
    let vocabulary = logits.len() / targets.len().max(1);
    let weight = 1.0 / targets.len() as f32;
    let mut total = 0.0_f64;
    for (r, &target) in targets.iter().enumerate() {
        let row = &logits[r * vocabulary..][..vocabulary];
        let target = target as usize;
        let largest = largest(s, row);
        let sum = if gradient.is_empty() {
            sum_of_shares(s, row, largest)
        } else {
            let slope = &mut gradient[r * vocabulary..][..vocabulary];
            let sum = shares(s, row, largest, slope);
            scale(s, slope, weight / sum);
            slope[target] -= weight;
            sum
        };
        total += f64::from(sum.ln()) - f64::from(row[target] - largest);
    }
    (total / targets.len() as f64) as f32
}

/// The sum of `e^(x - largest)` over a row.
#[inline(always)]
fn sum_of_shares<S: Simd>(s: S, row: &[f32], largest: f32) -> f32 {
    let mut sum = s.splat(0.0);
    spans!(s, row.len(), |p| {
        let e = share(s, s.sub(p.load(row), s.splat(largest)));
        sum = s.add(sum, p.or(e, 0.0));
    });
    s.sum(sum)
}

/// The same, and keeps its terms.
#[inline(always)]
fn shares<S: Simd>(s: S, row: &[f32], largest: f32, to: &mut [f32]) -> f32 {
    let mut sum = s.splat(0.0);
    spans!(s, row.len(), |p| {
        let e = share(s, s.sub(p.load(row), s.splat(largest)));
        sum = s.add(sum, p.or(e, 0.0));
        p.store(to, e);
    });
    s.sum(sum)
}

#[inline(always)]
fn scale<S: Simd>(s: S, row: &mut [f32], by: f32) {
    let by = s.splat(by);
    spans!(s, row.len(), |p| p.store(row, s.mul(p.load(row), by)));
}
