//! A burn model that follows a rule: the learning rate that is best at width 32 is still best
//! at 256 under μP, and far too large under SP.
//!
//! ```text
//! rule  width  loss at learning rate 2^-7 2^-6 2^-5 2^-4 2^-3 2^-2
//! sp       32  0.5177 0.4670 0.4439 0.4036 0.4901 0.6212
//! sp      256  0.5270 0.4503 0.4662 2.2141 1.1300 0.4855
//! mup      32  0.5177 0.4670 0.4439 0.4036 0.4901 0.6212
//! mup     256  0.5210 0.5170 0.4640 0.3790 0.3834 0.4890
//! ```
#![expect(clippy::print_stdout, reason = "an example shows its numbers")]

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use mutransfer::{Error, Hyper, Optimizer, Plan, Rule, Widths};
use mutransfer_burn::{ScaledOptimizer, initialize, shapes};

const INPUTS: usize = 16;
const EXAMPLES: usize = 64;
const BASE: usize = 32;
const STEPS: usize = 100;

/// A perceptron with two hidden layers and one output.
#[derive(Module, Debug)]
struct Net {
    input: Linear,
    hidden: Linear,
    readout: Linear,
}

impl Net {
    fn new(width: usize, device: &Device) -> Self {
        let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).with_bias(false);
        Self {
            input: layer(INPUTS, width).init(device),
            hidden: layer(width, width).init(device),
            readout: layer(width, 1).init(device),
        }
    }

    /// The multiplier is the plan's for the readout: the only one that this network needs.
    fn forward(&self, x: Tensor<2>, multiplier: f64) -> Tensor<2> {
        let x = self.input.forward(x).tanh();
        let x = self.hidden.forward(x).tanh();
        self.readout.forward(x * multiplier)
    }
}

/// A fixed problem: waves of the sum of the inputs.
fn problem(device: &Device) -> (Tensor<2>, Tensor<2>) {
    let x: Vec<f32> = (0..EXAMPLES * INPUTS).map(|i| (i as f32).sin()).collect();
    let y: Vec<f32> = x
        .chunks(INPUTS)
        .map(|x| (3.0 * x.iter().sum::<f32>()).cos())
        .collect();
    (
        Tensor::from_data(TensorData::new(x, [EXAMPLES, INPUTS]), device),
        Tensor::from_data(TensorData::new(y, [EXAMPLES, 1]), device),
    )
}

/// The loss after training at a width under a rule.
fn train(rule: Rule, width: usize, learning_rate: f64) -> Result<f32, Error> {
    let device = Device::flex().autodiff();
    let at = |width| shapes(&Net::new(width, &device));
    let widths = Widths::between(&at(BASE), &at(2 * BASE))?;
    let plan = Plan::new(&widths, &at(width), rule, Optimizer::Adam)?;
    let hyper = Hyper {
        learning_rate,
        ..Hyper::default()
    };

    let readout = plan.setting("readout.weight", &hyper);
    let multiplier = readout.expect("a parameter of the plan").multiplier;
    let mut net = initialize(Net::new(width, &device), &plan, &hyper, 0)?;
    let mut optimizer = ScaledOptimizer::new(&plan, &hyper)?;
    let (x, y) = problem(&device);
    let loss = |net: &Net| {
        (net.forward(x.clone(), multiplier) - y.clone())
            .square()
            .mean()
    };
    for _ in 0..STEPS {
        let gradients = GradientsParams::from_grads(loss(&net).backward(), &net);
        // A schedule gives the factor; absolute learning rates stay in the plan.
        net = optimizer.step(1.0, net, gradients);
    }
    Ok(loss(&net).into_scalar())
}

fn main() -> Result<(), Error> {
    println!("rule  width  loss at learning rate 2^-7 2^-6 2^-5 2^-4 2^-3 2^-2");
    for rule in [Rule::Sp, Rule::Mup] {
        for width in [BASE, 8 * BASE] {
            let losses: Result<Vec<String>, Error> = (-7..=-2)
                .map(|octave| {
                    Ok(format!(
                        "{:.4}",
                        train(rule, width, f64::from(octave).exp2())?
                    ))
                })
                .collect();
            println!("{:5} {width:5}  {}", rule.to_string(), losses?.join(" "));
        }
    }
    Ok(())
}
