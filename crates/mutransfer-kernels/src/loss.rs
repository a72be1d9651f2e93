//! Softmax cross-entropy with integer targets.

use crate::math::share;
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

kernel! { fn cross_entropy_kernel(logits: &[f32], targets: &[u32], gradient: &mut [f32]) -> f32 = cross_entropy_body }

#[inline(always)]
fn cross_entropy_body<S: Simd>(s: S, logits: &[f32], targets: &[u32], gradient: &mut [f32]) -> f32 {
    let vocabulary = logits.len() / targets.len().max(1);
    let weight = 1.0 / targets.len() as f32;
    let mut total = 0.0_f64;
    for (r, &target) in targets.iter().enumerate() {
        let row = &logits[r * vocabulary..][..vocabulary];
        let mut largest = s.splat(f32::NEG_INFINITY);
        spans(
            s,
            vocabulary,
            #[inline(always)]
            |p| largest = s.max(largest, p.or(p.load(row), f32::NEG_INFINITY)),
        );
        let largest = s.largest(largest);
        let mut sum = s.splat(0.0);
        if gradient.is_empty() {
            spans(
                s,
                vocabulary,
                #[inline(always)]
                |p| {
                    sum = s.add(
                        sum,
                        p.or(share(s, s.sub(p.load(row), s.splat(largest))), 0.0),
                    )
                },
            );
        } else {
            let slope = &mut gradient[r * vocabulary..][..vocabulary];
            spans(
                s,
                vocabulary,
                #[inline(always)]
                |p| {
                    let e = share(s, s.sub(p.load(row), s.splat(largest)));
                    sum = s.add(sum, p.or(e, 0.0));
                    p.store(slope, e);
                },
            );
        }
        let sum = s.sum(sum);
        total += f64::from(sum.ln()) - f64::from(row[target as usize] - largest);
        if !gradient.is_empty() {
            let slope = &mut gradient[r * vocabulary..][..vocabulary];
            let scale = s.splat(weight / sum);
            spans(
                s,
                vocabulary,
                #[inline(always)]
                |p| p.store(slope, s.mul(p.load(slope), scale)),
            );
            slope[target as usize] -= weight;
        }
    }
    (total / targets.len() as f64) as f32
}
