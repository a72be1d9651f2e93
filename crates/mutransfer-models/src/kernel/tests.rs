//! The kernel is the one of the network, and training is what it says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use mutransfer::{Form, Rule};

use super::*;

/// Widths that are no power of two of each other, so that no multiplier is a power of two.
const BASE: usize = 5;
const WIDTH: usize = 7;

fn network(rule: impl Into<Parametrization>) -> Perceptron {
    Perceptron::new(
        &plan(&rule.into(), BASE, WIDTH).unwrap(),
        RATE / BASE as f64,
        3,
    )
    .unwrap()
}

/// The output at every example after one weight has moved.
fn moved(
    network: &mut Perceptron,
    examples: &Tensor<2>,
    layer: usize,
    weight: usize,
    by: f32,
) -> Vec<f32> {
    let start = network.layers[layer].weight.clone();
    let mut values = entries(start.clone());
    values[weight] += by;
    network.layers[layer].weight = matrix(values, start.dims());
    let output = entries(network.pass(examples).output);
    network.layers[layer].weight = start;
    output
}

/// `Σ scale · ∂f(x)/∂w · ∂f(x')/∂w`, by central differences of `f` over every weight.
fn kernel_by_differences(network: &mut Perceptron, examples: &Tensor<2>, by: f32) -> Vec<f32> {
    let mut kernel = vec![0.0_f64; EXAMPLES * EXAMPLES];
    for layer in 0..3 {
        let (count, scale) = (
            network.layers[layer].weight.dims().iter().product(),
            network.layers[layer].scale,
        );
        for weight in 0..count {
            let [up, down] = [by, -by].map(|by| moved(network, examples, layer, weight, by));
            let slopes: Vec<f64> = up
                .iter()
                .zip(&down)
                .map(|(up, down)| f64::from(up - down) / f64::from(2.0 * by))
                .collect();
            for (index, entry) in kernel.iter_mut().enumerate() {
                *entry += scale * slopes[index / EXAMPLES] * slopes[index % EXAMPLES];
            }
        }
    }
    kernel.into_iter().map(|entry| entry as f32).collect()
}

/// A central difference over h errs by about h², as f bends, and by eps/h, as f is rounded. At h =
/// eps^(1/3) both are eps^(2/3) = 2.4e-5 of a derivative of order one; together, in a product of
/// two derivatives: 1e-4.
#[test]
fn the_kernel_agrees_with_finite_differences() {
    let by = f32::EPSILON.cbrt();
    for rule in [Rule::Ntk, Rule::Mup] {
        let mut network = network(rule);
        let (examples, _) = examples(3);
        let kernel = network.kernel(&network.pass(&examples));
        let differences = kernel_by_differences(&mut network, &examples, by);
        let error = relative_change(&differences, &kernel);
        assert!(error < 1e-4, "{rule}: {error}");
    }
}

/// A small step moves the output by the kernel times the errors, up to the square of the step.
#[test]
fn a_step_moves_the_output_by_the_kernel() {
    let mut network = network(Rule::Ntk);
    network.learning_rate = 1e-3;
    let (examples, targets) = examples(3);
    let before = network.pass(&examples);
    let kernel = network.kernel(&before);
    let errors = entries(before.output.clone() - targets.clone());
    network.descend(&before, &targets);
    let moves = entries(network.pass(&examples).output - before.output);
    let rate = 1e-3 / EXAMPLES as f32;
    let told: Vec<f32> = kernel
        .chunks(EXAMPLES)
        .map(|row| {
            -rate
                * row
                    .iter()
                    .zip(&errors)
                    .map(|(entry, error)| entry * error)
                    .sum::<f32>()
        })
        .collect();
    // Second order: a thousandth of the first, times a kernel of order ten.
    assert!(relative_change(&told, &moves) < 1e-2, "{told:?} {moves:?}");
}

#[test]
fn the_kernel_is_symmetric_and_positive_semidefinite() {
    for rule in [Rule::Ntk, Rule::Mup] {
        let (examples, _) = examples(3);
        let network = network(rule);
        let kernel = network.kernel(&network.pass(&examples));
        let at = |row: usize, column: usize| f64::from(kernel[row * EXAMPLES + column]);
        for row in 0..EXAMPLES {
            assert!(at(row, row) > 0.0);
            for column in 0..EXAMPLES {
                assert!((at(row, column) - at(column, row)).abs() <= 1e-6 * at(row, row));
                // Every minor of two is a Gram matrix.
                assert!(
                    at(row, column).powi(2) <= at(row, row) * at(column, column) * (1.0 + 1e-6)
                );
            }
        }
    }
}

#[test]
fn at_the_base_all_rules_are_the_same_network() {
    let change = |rule: Rule| kernel_change(&rule.into(), 32, 32, 0).unwrap();
    assert_eq!(change(Rule::Ntk), change(Rule::Mup));
    assert_eq!(
        change(Rule::Ntk),
        change(Rule::Ntk),
        "the same seed gives the same bits"
    );
    assert_ne!(
        change(Rule::Ntk),
        kernel_change(&Rule::Ntk.into(), 32, 32, 1).unwrap()
    );
}

/// The same training in another form. Rounding grows with training, hence a thousand units of it.
#[test]
fn forms_train_alike() {
    let of = |rule: Parametrization| kernel_change(&rule, 32, 96, 0).unwrap();
    let own = of(Rule::Mup.into());
    for form in Form::ALL {
        let other = of(Parametrization::from(Rule::Mup).with_form(form));
        let near = |one: f64, other: f64| (one / other - 1.0).abs() < 1e3 * f64::from(f32::EPSILON);
        assert!(
            near(own.kernel, other.kernel) && near(own.features, other.features),
            "{form}: {own:?} {other:?}"
        );
    }
}

#[test]
fn bad_widths_and_unstable_rules_are_errors() {
    let error = |rule: Rule, base, width| {
        kernel_change(&rule.into(), base, width, 7)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error(Rule::Mup, 32, 0), "width is zero");
    assert_eq!(error(Rule::Mup, 0, 32), "width is zero");
    let said = error(Rule::SpConstantStd, 2, 2048);
    for part in [
        "sp-constant-std",
        "width 2048",
        "seed 7",
        "learning rate 3.2",
    ] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
}
