//! What plans promise, measured: a small network is trained as a plan says, under every rule and
//! every optimizer, and what it does is compared with the theory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decay;
mod entrywise;
mod epsilon;
mod forms;
mod network;
mod optimizers;
mod orthogonal;
mod sizes;
mod tensor;
mod training;

use mutransfer::{Optimizer, Parametrization, Rational32, Role, Rule};
use network::{COUNT, Draws, PARAMS};

/// Multiples of the base width, far enough from it for the limit to show.
const WIDTHS: [usize; 3] = [96, 192, 384];
const SEEDS: u64 = 2;

/// On exponents at these widths; rules differ by 1/4 at least.
const TOLERANCE: f64 = 0.12;

/// Of all kinds: standard, kernel, feature learning, without a base, ablations.
const RULES: [&str; 14] = [
    "sp",
    "sp-constant-std",
    "sp-inverse-width",
    "sp-per-layer",
    "ntk",
    "mean-field",
    "mup",
    "u-mup",
    "spectral",
    "uniform:1/4",
    "sp+embedding",
    "sp+last",
    "mup-norm",
    "mup-embedding",
];

/// Those that have epsilon follow the gradient and come in every form.
const FAITHFUL: [&str; 5] = ["mup", "mean-field", "spectral", "ntk", "uniform:1/4"];

fn rule(name: &str) -> Parametrization {
    Parametrization::from(
        name.parse::<Rule>()
            .unwrap_or_else(|error| panic!("{error}")),
    )
}

/// Every rule with every optimizer.
fn every() -> impl Iterator<Item = (&'static str, Optimizer)> {
    let optimizers = || Optimizer::ALL.iter().copied();
    let rules = RULES.into_iter();
    rules.flat_map(move |name| optimizers().map(move |own| (name, own)))
}

fn table(text: &str) -> Parametrization {
    Parametrization::from_toml("mine", text).unwrap_or_else(|error| panic!("{error}"))
}

fn number(exponent: Rational32) -> f64 {
    f64::from(*exponent.numer()) / f64::from(*exponent.denom())
}

/// Every width with so many seeds.
fn draws(seeds: u64) -> Vec<(usize, Draws)> {
    let widths = WIDTHS.into_iter();
    let all = widths.flat_map(|width| (0..seeds).map(move |seed| (width, seed)));
    all.map(|(width, seed)| (width, Draws::new(width, seed)))
        .collect()
}

/// Exponents of the width in what `measure` finds of every parameter.
fn slopes(
    draws: &[(usize, Draws)],
    measure: impl Fn(usize, &Draws) -> [f64; COUNT],
) -> [f64; COUNT] {
    let found = draws
        .iter()
        .map(|(width, draws)| (*width, measure(*width, draws)));
    let found: Vec<_> = found.collect();
    std::array::from_fn(|at| {
        let sizes = found.iter().map(|(width, sizes)| (*width, sizes[at]));
        slope(&sizes.collect::<Vec<_>>())
    })
}

/// Least squares of log size against log width.
fn slope(sizes: &[(usize, f64)]) -> f64 {
    let points = sizes
        .iter()
        .map(|(width, size)| [(*width as f64).ln(), size.ln()]);
    let count = sizes.len() as f64;
    let mean = |at: usize| points.clone().map(|point| point[at]).sum::<f64>() / count;
    let means = [0, 1].map(mean);
    let [top, bottom] = points.fold([0.0; 2], |[top, bottom], point| {
        let [x, y] = [0, 1].map(|at| point[at] - means[at]);
        [top + x * y, bottom + x * x]
    });
    top / bottom
}

/// Collects what is off by more than the tolerance, so that all of it is seen at once.
struct Verdict {
    tolerance: f64,
    compared: usize,
    wrong: Vec<String>,
}

impl Verdict {
    fn new(tolerance: f64) -> Self {
        Self {
            tolerance,
            compared: 0,
            wrong: Vec::new(),
        }
    }

    fn compare(&mut self, what: &str, found: [f64; COUNT], wanted: [f64; COUNT]) {
        for ((name, role), (found, wanted)) in PARAMS.iter().zip(found.into_iter().zip(wanted)) {
            self.compared += 1;
            // The dozen entries of the readout's bias scatter more than those that there are many of.
            let times = if *role == Role::Fixed { 3.0 } else { 1.0 };
            // A size that is not finite is wrong too.
            let agrees = (found - wanted).abs() <= times * self.tolerance;
            if !agrees {
                let line = format!("{what} {name}: width^{found:.3}, wanted {wanted:.3}");
                self.wrong.push(line);
            }
        }
    }

    #[track_caller]
    fn passes(self, at_least: usize) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        assert!(self.compared >= at_least, "{} compared", self.compared);
    }
}
