//! Over depth too, forms train the same network: a multiplier on residual branches, or the same in
//! the weights that end them.

use crate::common;

use common::options;
use common::trainer::{BATCH, INPUTS, Layer, Matrix, OUTPUTS, Recipe, numbers_of};
use mutransfer::{
    Axes, Decay, Form, Hyper, Optimizer, Parametrization, Plan, Role, Rule, Shape, Shapes, Widths,
};

const WIDTH: usize = 10;
const BASE_DEPTH: usize = 2;
const DEPTH: usize = 6;
const ENDS: &str = "blocks.*.down";

fn shapes(width: usize, depth: usize) -> Shapes {
    let matrix = |dims: [usize; 2]| Shape::new(dims).with_axes(Axes::OUT_IN);
    let square = || matrix([width, width]);
    let blocks = (0..depth).flat_map(|at| ["up", "down"].map(|part| format!("blocks.{at}.{part}")));
    blocks
        .map(|name| (name, square()))
        .chain([
            ("input".to_owned(), matrix([width, INPUTS])),
            ("readout".to_owned(), matrix([OUTPUTS, width])),
        ])
        .collect()
}

fn planned(rule: &Parametrization, optimizer: Optimizer) -> Plan {
    let widths = Widths::between(&shapes(4, BASE_DEPTH), &shapes(5, BASE_DEPTH)).unwrap();
    let widths = widths.with_depth("blocks", BASE_DEPTH, DEPTH).unwrap();
    let widths = widths.with_branch_ends(ENDS).unwrap();
    Plan::new(&widths, &shapes(WIDTH, DEPTH), rule.clone(), optimizer).unwrap()
}

/// `x + residual · down(tanh(up(x)))`, `DEPTH` times, in f64 with gradients by hand.
struct Network {
    input: Layer,
    blocks: Vec<[Layer; 2]>,
    readout: Layer,
    residual: f64,
    step: i32,
}

impl Network {
    fn new(plan: &Plan, hyper: &Hyper) -> Self {
        let layer = |name: &str, role, sizes, seed| {
            Layer::new(role, sizes, numbers_of(plan, name, hyper), seed)
        };
        let block = |at: usize| {
            [("up", 0), ("down", 1)].map(|(part, seed)| {
                let (name, seed) = (format!("blocks.{at}.{part}"), 10 + 2 * at as u64 + seed);
                layer(&name, Role::Hidden, [WIDTH, WIDTH], seed)
            })
        };
        Self {
            input: layer("input", Role::Input, [WIDTH, INPUTS], 1),
            blocks: (0..DEPTH).map(block).collect(),
            readout: layer("readout", Role::Output, [OUTPUTS, WIDTH], 2),
            residual: plan.forward().residual.unwrap_or(1.0),
            step: 0,
        }
    }

    /// Its outputs before a step on the same batch, for half the mean squared error.
    fn step(&mut self, recipe: Recipe) -> Vec<f64> {
        self.step += 1;
        let inputs = Matrix::normal(BATCH, INPUTS, 7);
        let mut stream = vec![through(&self.input, &inputs)];
        let mut inner = Vec::new();
        for [up, down] in &self.blocks {
            let last = stream.last().unwrap();
            let hidden = through(up, last).map(f64::tanh);
            let branch = through(down, &hidden).map(|entry| self.residual * entry);
            stream.push(branch.zip(last, |branch, skip| branch + skip));
            inner.push(hidden);
        }
        let last = stream.last().unwrap();
        let outputs = through(&self.readout, last);
        let targets = Matrix::normal(BATCH, OUTPUTS, 8);
        let error = outputs
            .clone()
            .zip(&targets, |output, target| (output - target) / BATCH as f64);
        let mut gradients = vec![gradient(&error, last, &self.readout)];
        let mut arrived = back(&error, &self.readout);
        for ((at, [up, down]), hidden) in self.blocks.iter().enumerate().zip(&inner).rev() {
            let branch = arrived.clone().map(|entry| self.residual * entry);
            gradients.push(gradient(&branch, hidden, down));
            let inside = back(&branch, down)
                .zip(hidden, |arrived, hidden| arrived * (1.0 - hidden * hidden));
            gradients.push(gradient(&inside, &stream[at], up));
            arrived = arrived.zip(&back(&inside, up), |skip, branch| skip + branch);
        }
        gradients.push(gradient(&arrived, &inputs, &self.input));
        self.update(gradients, recipe);
        outputs.entries
    }

    /// By gradients from the readout to the input.
    fn update(&mut self, gradients: Vec<Matrix>, recipe: Recipe) {
        let blocks = self.blocks.iter_mut().rev();
        let layers: Vec<&mut Layer> = std::iter::once(&mut self.readout)
            .chain(blocks.flat_map(|[up, down]| [down, up]))
            .chain([&mut self.input])
            .collect();
        let norms = layers.iter().zip(&gradients);
        let norms = norms.map(|(layer, gradient)| layer.numbers.clip * gradient.norm());
        let global = norms.map(|norm| norm * norm).sum::<f64>().sqrt();
        let shrink = (recipe.threshold / global).min(1.0);
        for (layer, gradient) in layers.into_iter().zip(gradients) {
            layer.update(gradient.map(|entry| shrink * entry), recipe, self.step);
        }
    }
}

fn through(layer: &Layer, input: &Matrix) -> Matrix {
    let output = input.times_transposed(&layer.weight);
    output.map(|entry| layer.numbers.multiplier * entry)
}

fn back(error: &Matrix, layer: &Layer) -> Matrix {
    let arrived = error.times(&layer.weight);
    arrived.map(|entry| layer.numbers.multiplier * entry)
}

fn gradient(error: &Matrix, input: &Matrix, layer: &Layer) -> Matrix {
    let product = error.transposed().times(input);
    product.map(|entry| layer.numbers.multiplier * entry)
}

/// Epsilon and decay are large, so that a wrong one shows.
fn trained(rule: &Parametrization, recipe: Recipe) -> Vec<f64> {
    let raw = matches!(recipe.optimizer, Optimizer::Sgd | Optimizer::Momentum);
    let hyper = Hyper {
        learning_rate: if raw { 0.3 } else { 0.02 },
        weight_decay: 0.1,
        eps: 1e-3,
        ..Hyper::default()
    };
    let mut network = Network::new(&planned(rule, recipe.optimizer), &hyper);
    (0..6).flat_map(|_| network.step(recipe)).collect()
}

#[test]
fn a_multiplier_on_branches_and_one_in_their_ends_take_the_same_steps() {
    let optimizers = [
        Optimizer::Sgd,
        Optimizer::Momentum,
        Optimizer::AdamW,
        Optimizer::Lars,
        Optimizer::Lamb,
        Optimizer::Muon,
    ];
    let rules = [
        (Rule::DepthMup, "rule"),
        (Rule::CompleteP, "rule"),
        (Rule::CompleteP, "3/4"),
        (Rule::CompleteDP, "rule"),
        (Rule::Mup, "1/2"),
    ];
    for (rule, depth) in rules {
        for optimizer in optimizers {
            for decay in Decay::ALL {
                let own = Parametrization::from(rule).with_decay(decay);
                let own = own.with_options(options([("depth", depth)]));
                let folded = own.clone().with_form(Form::Folded);
                let recipe = Recipe {
                    optimizer,
                    decay,
                    threshold: 0.05,
                };
                assert!(planned(&own, optimizer).forward().residual.unwrap() < 1.0);
                assert_eq!(planned(&folded, optimizer).forward().residual, None);
                for (own, folded) in trained(&own, recipe).iter().zip(trained(&folded, recipe)) {
                    assert!(
                        (own - folded).abs() < 1e-8,
                        "{rule}, depth {depth}, {optimizer}, {decay}: {own} is not {folded}"
                    );
                }
            }
        }
    }
}

/// The multiplier and the initial weights are one rule: with both, depth counts twice.
#[test]
fn what_starts_smaller_learns_as_ever() {
    let plan = planned(&Rule::SpDepthInit.into(), Optimizer::AdamW);
    let root = (DEPTH as f64 / BASE_DEPTH as f64).sqrt();
    for (part, init) in [("up", 1.0), ("down", root.recip())] {
        let own = common::scales(&plan, &format!("blocks.5.{part}"));
        let by_width = (WIDTH as f64 / 4.0).sqrt().recip();
        common::close(own[1], by_width * init);
        assert_eq!([own[0], own[2], own[3], own[4]], [1.0; 4], "{part}");
    }
    assert_eq!(plan.forward().residual, Some(1.0));
}

#[test]
fn what_ends_branches_must_be_said_where_it_matters() {
    let widths = Widths::between(&shapes(4, 2), &shapes(5, 2)).unwrap();
    let target = |depth| shapes(8, depth);
    let error = Plan::new(&widths, &target(4), Rule::SpDepthInit, Optimizer::AdamW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "sp-depth-init scales the initial weights that end residual branches, and nothing says \
         which those are"
    );
    assert_eq!(error.fix(), Some(mutransfer::Fix::DeclareBranchEnds));
    Plan::new(&widths, &target(2), Rule::SpDepthInit, Optimizer::AdamW).unwrap();
    let error = widths.with_branch_ends("layers.*").unwrap_err();
    assert_eq!(error.to_string(), "no parameter matches `layers.*`");
}

/// Initial weights of GPT-2 with a multiplier on branches, and a multiplier with folded weights.
#[test]
fn depth_counted_twice_is_a_finding() {
    let planned = |form| {
        let rule = Parametrization::from(Rule::CompleteP).with_form(form);
        planned(&rule, Optimizer::AdamW).document(&Hyper::default())
    };
    let own = planned(Form::Table8);
    let settings = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = serde_json::to_value(&own).unwrap();
        change(&mut json);
        mutransfer::Settings::from_json(&json.to_string()).unwrap()
    };
    let found = |plan, own: &mutransfer::Settings| -> Vec<(&str, String)> {
        let findings = own.compare(plan);
        let named = |name: Option<mutransfer::ParamName>| name.map(|name| name.to_string());
        findings
            .into_iter()
            .map(|one| (one.lint.code, named(one.parameter).unwrap_or_default()))
            .collect()
    };
    assert_eq!(found(&own, &settings(&|_| {})), []);
    let name = "blocks.3.down";
    for (times, code) in [
        ((2.0 / 6.0f64).sqrt(), "MU018"),
        ((1.0 / 12.0f64).sqrt(), "MU018"),
        (0.5, "MU012"),
    ] {
        let smaller = settings(&|json| {
            let std = &mut json["params"][name]["init_std"];
            *std = (std.as_f64().unwrap() * times).into();
        });
        assert_eq!(found(&own, &smaller), [(code, name.to_owned())]);
    }
    let folded = planned(Form::Folded);
    let mut json = serde_json::to_value(&folded).unwrap();
    json["forward"]["residual"] = (1.0 / 3.0).into();
    let multiplied = mutransfer::Settings::from_json(&json.to_string()).unwrap();
    assert_eq!(found(&folded, &multiplied), [("MU018", String::new())]);
}
