//! The adapter changes what it should and nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use mutransfer::{Hyper, Init, Optimizer, Plan, Role, Rule, Widths};
use mutransfer_burn::{ScaledOptimizer, initialize, shapes};

#[derive(Module, Debug)]
struct Net {
    embedding: Embedding,
    norm: LayerNorm,
    layers: Vec<Linear>,
    readout: Linear,
}

impl Net {
    fn new(width: usize, device: &Device) -> Self {
        Self {
            embedding: EmbeddingConfig::new(11, width).init(device),
            norm: LayerNormConfig::new(width).init(device),
            layers: vec![
                LinearConfig::new(width, 2 * width).init(device),
                LinearConfig::new(2 * width, width).init(device),
            ],
            readout: LinearConfig::new(width, 5).init(device),
        }
    }

    fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let hidden = self.norm.forward(self.embedding.forward(tokens));
        let hidden = self
            .layers
            .iter()
            .fold(hidden, |hidden, layer| layer.forward(hidden).tanh());
        self.readout.forward(hidden)
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn plan(rule: Rule, optimizer: Optimizer, base: usize, target: usize) -> Plan {
    let at = |width| shapes(&Net::new(width, &device()));
    Plan::new(
        &Widths::between(&at(base), &at(2 * base)).unwrap(),
        &at(target),
        rule,
        optimizer,
    )
    .unwrap()
}

/// Every number of the module, in order of names.
fn numbers(net: &Net) -> Vec<(String, Vec<f32>)> {
    struct Numbers(Vec<String>, Vec<(String, Vec<f32>)>);
    impl burn::module::ModuleVisitor for Numbers {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            self.1.push((
                self.0.join("."),
                param.val().into_data().try_to_vec().unwrap(),
            ));
        }
    }
    let mut visitor = Numbers(Vec::new(), Vec::new());
    net.visit(&mut visitor);
    visitor.1
}

fn sum_of_all_parameters(net: &Net) -> Tensor<1> {
    struct Sum(Option<Tensor<1>>);
    impl burn::module::ModuleVisitor for Sum {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            let sum = param.val().sum();
            self.0 = Some(self.0.take().map_or(sum.clone(), |total| total + sum));
        }
    }
    let mut visitor = Sum(None);
    net.visit(&mut visitor);
    visitor.0.unwrap()
}

#[test]
fn shapes_and_roles_come_from_the_module() {
    let plan = plan(Rule::Mup, Optimizer::AdamW, 8, 32);
    let role = |name: &str| plan.param(name).unwrap().role;
    assert_eq!(role("embedding.weight"), Role::Input);
    assert_eq!(role("norm.gamma"), Role::Vector);
    assert_eq!(role("norm.beta"), Role::Vector);
    assert_eq!(role("layers.0.weight"), Role::Hidden);
    assert_eq!(role("layers.1.bias"), Role::Vector);
    assert_eq!(role("readout.weight"), Role::Output);
    assert_eq!(role("readout.bias"), Role::Fixed);
    assert_eq!(plan.params().count(), 9);
}

#[test]
fn one_sgd_step_on_the_sum_moves_each_parameter_by_its_learning_rate() {
    let plan = plan(Rule::Mup, Optimizer::Sgd, 8, 32);
    let hyper = Hyper {
        learning_rate: 0.25,
        init: Init::Constant(0.0),
        ..Hyper::default()
    };
    let net = initialize(Net::new(32, &device()), &plan, &hyper, 0).unwrap();
    let before = numbers(&net);
    let gradients = GradientsParams::from_grads(sum_of_all_parameters(&net).backward(), &net);
    let factor = 0.5;
    let after = numbers(
        &ScaledOptimizer::new(&plan, &hyper)
            .unwrap()
            .step(factor, net, gradients),
    );
    let mut rates = std::collections::BTreeSet::new();
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        let rate = plan.setting(name, &hyper).unwrap().learning_rate * factor;
        rates.insert(rate.to_bits());
        for (before, after) in before.iter().zip(after) {
            assert_eq!(*after, before - rate as f32, "{name}");
        }
    }
    assert_eq!(
        rates.len(),
        2,
        "growing input and readout rates differ from hidden and fixed ones"
    );
}

/// Ten steps through the adapter at the base width and through burn alone give the same bits.
#[test]
fn training_at_the_base_equals_burns_own_optimizer() {
    let hyper = Hyper {
        learning_rate: 0.01,
        weight_decay: 0.1,
        momentum: 0.9,
        ..Hyper::default()
    };
    let decay = || Some(WeightDecayConfig::new(0.1));
    let adam = AdamConfig::new()
        .with_beta_2(0.95)
        .with_epsilon(1e-8)
        .with_weight_decay(decay());
    let adamw = AdamWConfig::new()
        .with_beta_2(0.95)
        .with_epsilon(1e-8)
        .with_weight_decay(0.1);
    let momentum = Some(MomentumConfig::new().with_momentum(0.9).with_dampening(0.0));
    let sgd = SgdConfig::new()
        .with_momentum(momentum)
        .with_weight_decay(decay());
    let cases = [
        (Optimizer::Adam, adam.init()),
        (Optimizer::AdamW, adamw.init()),
        (Optimizer::Sgd, sgd.init()),
    ];
    for (kind, own) in cases {
        for rule in [Rule::Sp, Rule::Mup] {
            let plan = plan(rule, kind, 8, 8);
            let start = initialize(Net::new(8, &device()), &plan, &hyper, 3).unwrap();
            let mut scaled = ScaledOptimizer::new(&plan, &hyper).unwrap();
            let ours = train(start.clone(), |factor, net, gradients| {
                scaled.step(factor, net, gradients)
            });
            let mut own: ModuleOptimizer = own.clone();
            let burns = train(start.clone(), |factor, net, gradients| {
                own.step(0.01 * factor, net, gradients)
            });
            assert_eq!(numbers(&ours), numbers(&burns), "{rule} {kind}");
            assert_ne!(numbers(&ours), numbers(&start), "{rule} {kind}");
        }
    }
}

fn train(mut net: Net, mut step: impl FnMut(f64, Net, GradientsParams) -> Net) -> Net {
    for t in 0..10 {
        let tokens: Vec<i32> = (0..12).map(|i| (i * 7 + t) % 11).collect();
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, [3, 4]), &device());
        let loss = net.forward(tokens).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        net = step(1.0 / f64::from(t + 1), net, gradients);
    }
    net
}

#[test]
fn draws_depend_on_seed_and_name_only() {
    let hyper = Hyper::default();
    let draw = |rule, width, seed| {
        let plan = plan(rule, Optimizer::AdamW, 8, width);
        numbers(&initialize(Net::new(width, &device()), &plan, &hyper, seed).unwrap())
    };
    assert_eq!(draw(Rule::Mup, 8, 1), draw(Rule::Sp, 8, 1));
    assert_ne!(draw(Rule::Mup, 8, 1), draw(Rule::Mup, 8, 2));
    let (narrow, wide) = (draw(Rule::Mup, 8, 1), draw(Rule::Mup, 16, 1));
    assert_eq!(narrow[0].0, "embedding.weight");
    assert_eq!(narrow[0].1[..], wide[0].1[..narrow[0].1.len()]);
}

#[test]
fn drawn_standard_deviations_are_the_planned_ones() {
    let hyper = Hyper::default();
    let plan = plan(Rule::Mup, Optimizer::AdamW, 16, 128);
    let net = initialize(Net::new(128, &device()), &plan, &hyper, 5).unwrap();
    for (name, values) in numbers(&net) {
        let count = values.len() as f64;
        let mean_square = values
            .iter()
            .map(|value| f64::from(*value).powi(2))
            .sum::<f64>()
            / count;
        match plan.setting(&name, &hyper).unwrap().init_std {
            // The standard error of a sample's standard deviation is std/√(2·count); five of them.
            Some(std) => assert!(
                (mean_square.sqrt() / std - 1.0).abs() < 5.0 / (2.0 * count).sqrt(),
                "{name}"
            ),
            None => assert!(
                values
                    .iter()
                    .all(|value| *value == f32::from(u8::from(name == "norm.gamma"))),
                "{name}"
            ),
        }
    }
}

#[test]
fn a_module_that_is_not_the_planned_one_is_an_error() {
    let plan = plan(Rule::Mup, Optimizer::AdamW, 8, 16);
    let other = vec![LinearConfig::new(4, 4).init(&device())];
    let error = initialize(other, &plan, &Hyper::default(), 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "parameter `0.bias` of the given model is missing in the planned model"
    );
}
