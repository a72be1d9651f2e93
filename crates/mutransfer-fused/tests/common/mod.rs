//! Comparisons of a computation with the kernels and without.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "every test file uses a part of it")]

use burn::tensor::{Device, Tensor};
use mutransfer_fused::without_kernels;
use rand::{Rng, SeedableRng};

/// Of a difference quotient.
const STEP: f32 = 2e-3;

/// The same computation with the kernels and without.
pub(crate) fn both<T>(compute: impl Fn() -> T) -> [T; 2] {
    [compute(), without_kernels(compute)]
}

pub(crate) fn device() -> Device {
    Device::flex().autodiff()
}

#[track_caller]
pub(crate) fn close(what: &str, [fused, own]: [Vec<f32>; 2], tolerance: f32) {
    assert_eq!(fused.len(), own.len(), "{what}");
    let scale = own
        .iter()
        .fold(1.0f32, |scale, value| scale.max(value.abs()));
    for (index, (fused, own)) in fused.iter().zip(&own).enumerate() {
        assert!(
            (fused - own).abs() <= tolerance * f32::EPSILON * scale,
            "{what} {index}: {fused} is not {own}"
        );
    }
}

/// A vector for each length.
fn draw(what: &str, seed: u64, lengths: &[usize]) -> Vec<Vec<f32>> {
    let numbers = |(index, &length)| mutransfer_burn::normal(seed + index as u64, what, length);
    lengths.iter().enumerate().map(numbers).collect()
}

fn tensor(numbers: &[f32]) -> Tensor<1> {
    Tensor::from_data(numbers, &device())
}

fn values(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Compares a computation on vectors of these lengths, and the gradients of a random projection of
/// it, with kernels and without. The gradients with kernels come back.
#[track_caller]
pub(crate) fn same(
    what: &str,
    tolerance: f32,
    lengths: &[usize],
    compute: impl Fn(&[Tensor<1>]) -> Tensor<1>,
) -> Vec<Vec<f32>> {
    let point = draw(what, 0, lengths);
    let [fused, own] = both(|| {
        let leaves: Vec<Tensor<1>> = point
            .iter()
            .map(|leaf| tensor(leaf).require_grad())
            .collect();
        let output = compute(&leaves);
        let weights = mutransfer_burn::normal(99, what, output.shape().num_elements());
        let gradients = (output.clone() * tensor(&weights)).sum().backward();
        let gradient = |leaf: &Tensor<1>| values(leaf.grad(&gradients).unwrap());
        [values(output)]
            .into_iter()
            .chain(leaves.iter().map(gradient))
            .collect::<Vec<_>>()
    });
    let gradients = fused[1..].to_vec();
    for (index, pair) in fused.into_iter().zip(own).enumerate() {
        close(
            &format!("{what} {lengths:?}, part {index}"),
            pair.into(),
            tolerance,
        );
    }
    gradients
}

/// The same, and compares the gradients with finite differences, which needs a smooth computation.
#[track_caller]
pub(crate) fn agree(
    what: &str,
    tolerance: f32,
    lengths: &[usize],
    compute: impl Fn(&[Tensor<1>]) -> Tensor<1>,
) {
    let gradients = same(what, tolerance, lengths, &compute);
    let (point, direction) = (draw(what, 0, lengths), draw(what, 10, lengths));
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum::<f64>()
    };
    let slope: f64 = gradients
        .iter()
        .zip(&direction)
        .map(|(gradient, along)| dot(gradient, along))
        .sum();
    let at = |step: f32| {
        let moved = |(from, along): (&Vec<f32>, &Vec<f32>)| {
            let both = from.iter().zip(along);
            tensor(
                &both
                    .map(|(from, along)| from + step * along)
                    .collect::<Vec<_>>(),
            )
        };
        let output = values(compute(
            &point.iter().zip(&direction).map(moved).collect::<Vec<_>>(),
        ));
        dot(&output, &mutransfer_burn::normal(99, what, output.len()))
    };
    let difference = (at(STEP) - at(-STEP)) / (2.0 * f64::from(STEP));
    let size: f64 = gradients
        .iter()
        .map(|gradient| dot(gradient, gradient))
        .sum();
    let error = (slope - difference).abs() / size.sqrt();
    assert!(
        error < 1e-2,
        "{what} {lengths:?}: a slope of {slope}, but differences of {difference}"
    );
}

/// Random sizes from 1 to each of these limits, the same in every run.
pub(crate) fn sizes<const N: usize>(limits: [u64; N]) -> impl Iterator<Item = [usize; N]> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    (0..12).map(move |_| limits.map(|limit| 1 + (random.next_u64() % limit) as usize))
}

pub(crate) fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    tensor.reshape([count])
}
