//! burn's own optimizers, with the plan's learning rate, weight decay and epsilon for each group of
//! parameters.

use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::module::{Module, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use mutransfer::{Decay, Error, Hyper, Optimizer, Plan, UnknownName};

/// The optimizers of burn that plans can be carried out with.
pub const OPTIMIZERS: [Optimizer; 3] = [Optimizer::Sgd, Optimizer::Adam, Optimizer::AdamW];

/// Whether burn has the optimizer of a plan, with its kind of weight decay.
///
/// # Errors
/// When it has not, with those there are.
pub fn supports(plan: &Plan) -> Result<(), Error> {
    let (optimizer, decay) = (plan.optimizer(), plan.decay());
    let decays =
        decay == optimizer.decay() || (optimizer, decay) == (Optimizer::AdamW, Decay::Independent);
    if !OPTIMIZERS.contains(&optimizer) {
        let name = optimizer.to_string();
        return Err(UnknownName::new("optimizer for training", OPTIMIZERS, &name).into());
    }
    if !decays {
        let (name, known) = (decay.to_string(), [optimizer.decay()]);
        return Err(UnknownName::new("weight decay for training", known, &name).into());
    }
    Ok(())
}

/// An optimizer for a planned module.
///
/// A schedule enters as a factor on every group's learning rate; absolute learning rates never do,
/// so that no schedule can overwrite the plan.
pub struct ScaledOptimizer {
    optimizer: ModuleOptimizer,
    rates: Vec<(ParamGroup, f64)>,
}

impl ScaledOptimizer {
    /// The optimizer that the plan is for.
    ///
    /// # Errors
    /// When burn has none such; see [`supports`].
    pub fn new(plan: &Plan, hyper: &Hyper) -> Result<Self, Error> {
        supports(plan)?;
        let mut optimizer = None;
        let mut rates = Vec::new();
        for group in plan.groups(hyper) {
            let members = ParamGroup::from_paths(
                group
                    .names
                    .iter()
                    .map(|name| name.as_str().to_owned())
                    .collect(),
            );
            let scaled = Hyper {
                learning_rate: group.learning_rate,
                // burn's AdamW multiplies the decay by the rate.
                weight_decay: if plan.decay() == Decay::Independent {
                    group.weight_decay / group.learning_rate
                } else {
                    group.weight_decay
                },
                eps: group.eps,
                ..*hyper
            };
            optimizer = Some(add_group(
                optimizer,
                plan.optimizer(),
                members.clone(),
                &scaled,
            ));
            rates.push((members, scaled.learning_rate));
        }
        let optimizer = optimizer.unwrap_or_else(|| SgdConfig::new().init());
        Ok(Self { optimizer, rates })
    }

    /// One update at `factor` times the peak learning rates.
    pub fn step<M: Module>(&mut self, factor: f64, module: M, gradients: GradientsParams) -> M {
        self.optimizer
            .step(self.learning_rates(factor), module, gradients)
    }

    fn learning_rates(&self, factor: f64) -> ModuleLearningRate {
        // The first entry is burn's fallback for parameters of no group; every parameter of a plan
        // has one.
        let mut scheduler = ModuleLrScheduler::new(0.0);
        for (group, rate) in &self.rates {
            scheduler = scheduler.with_group(group.clone(), rate * factor);
        }
        scheduler.step()
    }
}

/// burn takes the first optimizer as the fallback for all parameters, so the first group makes it.
fn add_group(
    all: Option<ModuleOptimizer>,
    kind: Optimizer,
    members: ParamGroup,
    hyper: &Hyper,
) -> ModuleOptimizer {
    macro_rules! add {
        ($config:expr) => {
            match all {
                None => ModuleOptimizer::from($config.build()).with_group(
                    members,
                    $config.build(),
                    None,
                ),
                Some(all) => all.with_group(members, $config.build(), None),
            }
        };
    }
    match kind {
        Optimizer::Sgd => add!(sgd(hyper)),
        Optimizer::Adam => add!(adam(hyper)),
        // All others were refused when the optimizer was made.
        _ => add!(adamw(hyper)),
    }
}

fn sgd(hyper: &Hyper) -> SgdConfig {
    let momentum = MomentumConfig::new()
        .with_momentum(hyper.momentum)
        .with_dampening(0.0);
    SgdConfig::new()
        .with_weight_decay(decay_in_gradient(hyper))
        .with_momentum((hyper.momentum != 0.0).then_some(momentum))
}

fn adam(hyper: &Hyper) -> AdamConfig {
    AdamConfig::new()
        .with_beta_1(hyper.beta1 as f32)
        .with_beta_2(hyper.beta2 as f32)
        .with_epsilon(hyper.eps as f32)
        .with_weight_decay(decay_in_gradient(hyper))
}

fn adamw(hyper: &Hyper) -> AdamWConfig {
    AdamWConfig::new()
        .with_beta_1(hyper.beta1 as f32)
        .with_beta_2(hyper.beta2 as f32)
        .with_epsilon(hyper.eps as f32)
        .with_weight_decay(hyper.weight_decay as f32)
}

fn decay_in_gradient(hyper: &Hyper) -> Option<WeightDecayConfig> {
    (hyper.weight_decay != 0.0).then(|| WeightDecayConfig::new(hyper.weight_decay as f32))
}
