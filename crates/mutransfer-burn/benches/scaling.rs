//! What each parameter's own learning rate, decay and epsilon cost: `cargo bench --workspace
//! --bench scaling`.
//!
//! A step of burn's AdamW with the plan's groups against one with a single group, alternately, and
//! their difference as a share of the whole training step (forward, backward, update) of the same
//! perceptron.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::Instant;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor, activation};
use mutransfer::{Error, Hyper, Optimizer, Plan, Rule, Widths};
use mutransfer_burn::{ScaledOptimizer, initialize, shapes};

const ROUNDS: usize = 200;
const WIDTH: usize = 128;
const DEPTH: usize = 8;
const ROWS: usize = 512;

#[derive(Module, Debug)]
struct Perceptron {
    layers: Vec<Linear>,
}

impl Perceptron {
    fn new(width: usize, device: &Device) -> Self {
        let sizes = |index| {
            if index == 0 {
                (32, width)
            } else {
                (width, if index == DEPTH { 10 } else { width })
            }
        };
        let layers = (0..=DEPTH)
            .map(sizes)
            .map(|(fan_in, fan_out)| LinearConfig::new(fan_in, fan_out).init(device));
        Self {
            layers: layers.collect(),
        }
    }

    fn gradients(&self, input: Tensor<2>) -> GradientsParams {
        let output = self.layers.iter().fold(input, |hidden, layer| {
            activation::relu(layer.forward(hidden))
        });
        GradientsParams::from_grads(output.mean().backward(), self)
    }
}

struct Arm {
    model: Option<Perceptron>,
    optimizer: ScaledOptimizer,
    groups: usize,
    update: Vec<f64>,
    step: Vec<f64>,
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let shapes = |width| shapes(&Perceptron::new(width, &device));
    let hyper = Hyper::default();
    // At the base width under SP all scales are 1: one group.
    let mut arms = [(WIDTH, Rule::Sp), (WIDTH / 2, Rule::Mup)]
        .into_iter()
        .map(|(base, rule)| {
            let widths = Widths::between(&shapes(base), &shapes(2 * base))?;
            let plan = Plan::new(&widths, &shapes(WIDTH), rule, Optimizer::AdamW)?;
            let model = Some(initialize(
                Perceptron::new(WIDTH, &device),
                &plan,
                &hyper,
                0,
            )?);
            let (optimizer, groups) = (
                ScaledOptimizer::new(&plan, &hyper)?,
                plan.groups(&hyper).len(),
            );
            Ok(Arm {
                model,
                optimizer,
                groups,
                update: Vec::new(),
                step: Vec::new(),
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let input = Tensor::random([ROWS, 32], Distribution::Default, &device);
    for round in 0..2 * ROUNDS {
        let arm = &mut arms[round % 2];
        let Some(model) = arm.model.take() else {
            continue;
        };
        let begun = Instant::now();
        let gradients = model.gradients(input.clone());
        let middle = Instant::now();
        arm.model = Some(arm.optimizer.step(1.0, model, gradients));
        arm.update.push(middle.elapsed().as_secs_f64() * 1e6);
        arm.step.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    for arm in &mut arms {
        println!(
            "{} groups: update {:.1} of {:.1} µs",
            arm.groups,
            median(&mut arm.update),
            median(&mut arm.step)
        );
    }
    let (one, many) = (median(&mut arms[0].update), median(&mut arms[1].update));
    println!(
        "scaling costs {:+.2} % of a step",
        100.0 * (many - one) / median(&mut arms[0].step)
    );
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
