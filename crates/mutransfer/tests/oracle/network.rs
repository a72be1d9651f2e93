//! A perceptron with every role, gradients by hand: `x₁ = g ∘ tanh(W₁x + b₁)`,
//! `x₂ = tanh(W₂x₁ + b₂)`, `f = W₃x₂ + b₃`, where every matrix has a multiplier; loss half the mean
//! squared error. It shares nothing with the library but a plan's numbers.

use mutransfer::{Axes, Role, Shape, Shapes};

use crate::tensor::Tensor;

const INPUTS: usize = 8;
const OUTPUTS: usize = 12;
const BATCH: usize = 8;

pub(crate) const COUNT: usize = 7;

/// Names and roles.
pub(crate) const PARAMS: [(&str, Role); COUNT] = [
    ("input.weight", Role::Input),
    ("input.bias", Role::Vector),
    ("gain", Role::Vector),
    ("hidden.weight", Role::Hidden),
    ("hidden.bias", Role::Vector),
    ("readout.weight", Role::Output),
    ("readout.bias", Role::Fixed),
];

const SIZES: fn(usize) -> [[usize; 2]; COUNT] = |width| {
    [
        [width, INPUTS],
        [width, 1],
        [width, 1],
        [width, width],
        [width, 1],
        [OUTPUTS, width],
        [OUTPUTS, 1],
    ]
};

/// One tensor for every parameter.
pub(crate) type Tensors = [Tensor; COUNT];

/// What a plan is made for.
pub(crate) fn shapes(width: usize) -> Shapes {
    let shape = |[rows, columns]: [usize; 2], role: Role| match role {
        Role::Vector | Role::Fixed => Shape::vector(rows),
        _ => Shape::new([rows, columns]).with_axes(Axes::OUT_IN),
    };
    let params = PARAMS.iter().zip(SIZES(width));
    params
        .map(|((name, role), size)| (*name, shape(size, *role)))
        .collect()
}

/// All that is random, drawn once for a width and a seed.
#[derive(Clone)]
pub(crate) struct Draws {
    pub(crate) params: Tensors,
    inputs: Tensor,
    targets: Tensor,
    sampled: Tensor,
}

impl Draws {
    pub(crate) fn new(width: usize, seed: u64) -> Self {
        let sizes = SIZES(width);
        let draw = |rows, columns, key| Tensor::normal(rows, columns, seed * 1000 + key);
        Self {
            params: std::array::from_fn(|at| draw(sizes[at][0], sizes[at][1], at as u64)),
            inputs: draw(BATCH, INPUTS, 100),
            targets: draw(BATCH, OUTPUTS, 101),
            sampled: draw(BATCH, OUTPUTS, 102),
        }
    }
}

/// What a forward pass keeps.
pub(crate) struct Pass {
    inputs: Tensor,
    /// `tanh(W₁x + b₁)`
    first: Tensor,
    /// The same times the gain.
    gained: Tensor,
    second: Tensor,
    pub(crate) outputs: Tensor,
}

/// The forward pass with these weights and the multipliers of the three matrices.
pub(crate) fn forward(draws: &Draws, weights: &Tensors, multipliers: [f64; COUNT]) -> Pass {
    let through = |at: usize, before: &Tensor| {
        let product = before.times_transposed(&weights[at]);
        product.zip_rows(&weights[bias_of(at)], |sum, bias| {
            multipliers[at] * sum + bias
        })
    };
    let first = through(0, &draws.inputs).map(f64::tanh);
    let gained = first.zip_rows(&weights[2], |own, gain| own * gain);
    let second = through(3, &gained).map(f64::tanh);
    let outputs = through(5, &second);
    let inputs = draws.inputs.clone();
    Pass {
        inputs,
        first,
        gained,
        second,
        outputs,
    }
}

const fn bias_of(matrix: usize) -> usize {
    if matrix == 0 { 1 } else { matrix + 1 }
}

/// Gradients of the loss, and of the loss for labels drawn from the model itself.
pub(crate) fn gradients(
    draws: &Draws,
    weights: &Tensors,
    multipliers: [f64; COUNT],
    pass: &Pass,
) -> [Tensors; 2] {
    let batch = BATCH as f64;
    let error = pass
        .outputs
        .zip(&draws.targets, |own, target| (own - target) / batch);
    let sampled = draws.sampled.scaled(1.0 / batch);
    [error, sampled].map(|error| backward(weights, multipliers, pass, &error))
}

fn backward(weights: &Tensors, multipliers: [f64; COUNT], pass: &Pass, error: &Tensor) -> Tensors {
    let gradient = |error: &Tensor, before: &Tensor, at: usize| {
        error.transposed_times(before).scaled(multipliers[at])
    };
    let back = |error: &Tensor, at: usize| error.times(&weights[at]).scaled(multipliers[at]);
    let bent = |arrived: f64, activation: f64| arrived * (1.0 - activation * activation);
    let second = back(error, 5).zip(&pass.second, bent);
    let gained = back(&second, 3);
    let first = gained
        .zip_rows(&weights[2], |arrived, gain| arrived * gain)
        .zip(&pass.first, bent);
    [
        gradient(&first, &pass.inputs, 0),
        first.summed(),
        gained
            .zip(&pass.first, |arrived, own| arrived * own)
            .summed(),
        gradient(&second, &pass.gained, 3),
        second.summed(),
        gradient(error, &pass.second, 5),
        error.summed(),
    ]
}

/// What changes of the weights do to the output of their own layer on this batch, root mean square.
pub(crate) fn effects(pass: &Pass, changes: &Tensors, multipliers: [f64; COUNT]) -> [f64; COUNT] {
    let matrix =
        |at: usize, before: &Tensor| multipliers[at] * before.times_transposed(&changes[at]).rms();
    [
        matrix(0, &pass.inputs),
        changes[1].rms(),
        pass.first
            .zip_rows(&changes[2], |own, gain| own * gain)
            .rms(),
        matrix(3, &pass.gained),
        changes[4].rms(),
        matrix(5, &pass.second),
        changes[6].rms(),
    ]
}
