//! A mixture of experts as the second branch of a transformer's block.

use burn::module::{Module, Param, RunningState};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use mutransfer::theory::Layer;
use mutransfer_burn::Probe;
use mutransfer_fused::{
    Choice, Experts, Gate, Routes, balanced, gelu, linear, mixture, residual_linear, route,
};

use crate::expert_sizes::ExpertSizes;
use crate::feed_forward::{Feed, new_linear};
use crate::transformer::TransformerConfig;

/// How fast the offsets of the choice follow the load: with it constant, they balance alike at
/// every width.
const BALANCE_RATE: f64 = 0.1;

/// `residual + m (A (shared(x) + R Σ gate_i expert_i(x)) + b)`: routed experts over the tokens that
/// choose them (dropless), and shared ones over all.
///
/// Gates are sigmoids over their sum over the active experts; with one active expert of several
/// they are not divided, as they would all be 1 and the router would learn nothing from the loss.
/// The load is balanced by offsets `-rate Σ_steps (load - active / count)` on what is chosen by,
/// and by nothing in the loss (2408.15664); or by an auxiliary loss in their place, which no loss
/// that is reported has.
#[derive(Module, Debug)]
pub(crate) struct Mixture {
    router: Linear,
    up: Readers,
    down: Writers,
    shared: Option<Shared>,
    /// Share of tokens of each expert beyond an even one, summed over the steps.
    running_load: RunningState<Tensor<1>>,
    active: usize,
    groups: usize,
    auxiliary: Option<f64>,
    is_balanced: bool,
    /// A.
    multiplier: f64,
    /// R.
    route_scale: f64,
}

/// What the experts read with.
#[derive(Module, Debug)]
struct Readers {
    /// `[experts, width, expert_width]`
    weight: Param<Tensor<3>>,
    /// `[experts, expert_width]`
    bias: Param<Tensor<2>>,
}

/// What they write with. The bias is one of their sum.
#[derive(Module, Debug)]
struct Writers {
    /// `[experts, expert_width, width]`
    weight: Param<Tensor<3>>,
    /// `[width]`
    bias: Param<Tensor<1>>,
}

/// Experts that every token goes through, as one layer.
#[derive(Module, Debug)]
struct Shared {
    up: Linear,
    down: Linear,
}

impl Feed for Mixture {
    fn new(config: &TransformerConfig, device: &Device) -> Self {
        let (width, sizes) = (config.width, config.experts);
        let ExpertSizes {
            count,
            active,
            width: own,
            shared,
            groups,
            auxiliary,
        } = sizes;
        let matrices = |shape: [usize; 3]| Initializer::Zeros.init(shape, device);
        let unbiased = |fan_in, fan_out| {
            LinearConfig::new(fan_in, fan_out)
                .with_bias(false)
                .init(device)
        };
        Self {
            router: unbiased(width, count),
            up: Readers {
                weight: matrices([count, width, own]),
                bias: Initializer::Zeros.init([count, own], device),
            },
            down: Writers {
                weight: matrices([count, own, width]),
                bias: Initializer::Zeros.init([width], device),
            },
            shared: (shared > 0).then(|| Shared {
                up: new_linear(width, shared, device),
                down: unbiased(shared, width),
            }),
            running_load: RunningState::new(Tensor::zeros([count], device)),
            active,
            groups,
            auxiliary,
            is_balanced: config.is_balanced,
            multiplier: config.forward.experts,
            route_scale: config.forward.route,
        }
    }

    fn add(
        &self,
        multiplier: f64,
        [input, residual]: [Tensor<3>; 2],
        index: usize,
        probe: &mut Probe,
    ) -> Tensor<3> {
        probe.linear(|| {
            (
                format!("blocks.{index}.mlp.router"),
                Layer::Router,
                &self.router,
                input.clone(),
                1.0,
            )
        });
        let mut logits = linear(&self.router, input.clone());
        let routes = route(self.choice(), &logits, &self.offsets());
        self.show(&routes, [&input, &logits], index, probe);
        if self.is_balanced && input.device().is_autodiff() && !probe.is_on() {
            match self.auxiliary {
                Some(factor) => logits = balanced(&routes, factor, logits),
                None => self.balance(&routes),
            }
        }
        self.apply(multiplier, &routes, [input, logits, residual])
    }
}

impl Mixture {
    fn choice(&self) -> Choice {
        let [count, ..] = self.up.weight.dims();
        let is_single = self.active == 1 && count > 1;
        Choice {
            gate: if is_single {
                Gate::Score
            } else {
                Gate::Normalised
            },
            active: self.active,
            groups: self.groups,
        }
    }

    fn experts(&self) -> Experts {
        Experts {
            up: self.up.weight.val(),
            up_bias: self.up.bias.val(),
            down: self.down.weight.val(),
            bias: self.down.bias.val(),
        }
    }

    fn apply(
        &self,
        multiplier: f64,
        routes: &Routes,
        [input, logits, residual]: [Tensor<3>; 3],
    ) -> Tensor<3> {
        let by = multiplier * self.multiplier;
        let residual = match &self.shared {
            Some(Shared { up, down }) => {
                residual_linear(down, by, gelu(linear(up, input.clone())), residual)
            }
            None => residual,
        };
        let multipliers = [by * self.route_scale, multiplier];
        mixture(
            routes,
            self.experts(),
            multipliers,
            [input, logits, residual],
        )
    }

    /// What is added to the scores where experts are chosen.
    fn offsets(&self) -> Vec<f32> {
        let load = self.running_load.value().into_data();
        load.iter::<f64>()
            .map(|load| (-BALANCE_RATE * load) as f32)
            .collect()
    }

    /// Takes the load of a batch into account.
    fn balance(&self, routes: &Routes) {
        let old: Vec<f64> = self.running_load.value_sync().into_data().iter().collect();
        let excess = excess(routes, self.active);
        let new: Vec<f32> = old
            .iter()
            .zip(excess)
            .map(|(old, own)| (old + own) as f32)
            .collect();
        let device = self.running_load.value().device();
        self.running_load
            .update(Tensor::from_data(new.as_slice(), &device));
        self.running_load.value_sync();
    }

    /// Shows the experts' own matrices with what they read, and what comes of it on the way.
    fn show(
        &self,
        routes: &Routes,
        [input, logits]: [&Tensor<3>; 2],
        index: usize,
        probe: &mut Probe,
    ) {
        if !probe.is_on() {
            return;
        }
        let name = |part: &str| format!("blocks.{index}.mlp{part}");
        let rows = routes.gather(input.clone());
        let hidden = routes.hidden(rows.clone(), &self.experts());
        let outputs = routes.products(hidden.clone(), &self.down.weight.val());
        for (part, weight, rows, by) in [
            (".up", &self.up.weight, rows, 1.0),
            (".down", &self.down.weight, hidden, self.multiplier),
        ] {
            probe.update(|| {
                let rows = rows.without_autodiff();
                let apply = move |update| routes.products(rows, &update) * by;
                (name(part), Layer::Hidden, weight.val(), apply)
            });
        }
        let none = Tensor::zeros(input.dims(), &input.device());
        let branch = self.apply(1.0, routes, [input.clone(), logits.clone(), none]);
        probe.activation(|| (name(".router"), Layer::Router, logits.clone()));
        probe.activation(|| (name(".experts"), Layer::Hidden, routes.by_token(outputs)));
        probe.count(|| (name(".load"), Layer::Hidden, load(routes)));
        probe.activation(|| (name(""), Layer::Hidden, branch));
    }
}

/// Tokens of each expert over their mean.
fn load(routes: &Routes) -> Tensor<1> {
    let loads = routes.loads();
    let mean = loads.iter().sum::<usize>() as f32 / loads.len() as f32;
    let relative: Vec<f32> = loads.iter().map(|load| *load as f32 / mean).collect();
    Tensor::from_data(relative.as_slice(), &Device::flex())
}

/// The share of tokens of each expert beyond an even one.
fn excess(routes: &Routes, active: usize) -> impl Iterator<Item = f64> {
    let loads = routes.loads();
    let (count, rows) = (loads.len() as f64, loads.iter().sum::<usize>() as f64);
    let active = active as f64;
    loads
        .into_iter()
        .map(move |load| active * (load as f64 / rows - 1.0 / count))
}
