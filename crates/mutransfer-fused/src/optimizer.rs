//! Optimizer steps in place, with each parameter's own numbers.

use std::collections::BTreeMap;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use mutransfer::{Error, Hyper, Plan, Setting};
use mutransfer_burn::{Path, ScaledOptimizer};
use mutransfer_kernels::{Adam, Decay, Sgd, adam_step, sgd_step};

use crate::kernels::{kernel, runs_on};
use crate::tensor::slice;

/// The planned optimizer, in place on the CPU and burn's own elsewhere.
pub struct Optimizer(Choice);

#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and it is the large one"
)]
enum Choice {
    InPlace(InPlace),
    Burn(Box<ScaledOptimizer>),
}

impl Optimizer {
    /// The optimizer that the plan is for, on a device.
    ///
    /// # Errors
    /// When burn has none such; see [`mutransfer_burn::supports`].
    pub fn new(plan: &Plan, hyper: &Hyper, device: &Device) -> Result<Self, Error> {
        Ok(Self(if runs_on(device) {
            mutransfer_burn::supports(plan)?;
            Choice::InPlace(InPlace::new(plan, hyper))
        } else {
            Choice::Burn(Box::new(ScaledOptimizer::new(plan, hyper)?))
        }))
    }

    /// What it remembers of its steps; none where that is burn's own.
    pub fn moments(&self) -> Option<&Moments> {
        match &self.0 {
            Choice::InPlace(optimizer) => Some(&optimizer.moments),
            Choice::Burn(_) => None,
        }
    }

    /// Goes on as one that remembers this; not where it is burn's own.
    pub fn restore(&mut self, moments: Moments) {
        if let Choice::InPlace(optimizer) = &mut self.0 {
            optimizer.moments = moments;
        }
    }

    /// One update at `factor` times the peak learning rates.
    pub fn step<M: Module>(&mut self, factor: f64, module: M, gradients: GradientsParams) -> M {
        match &mut self.0 {
            Choice::InPlace(optimizer) => optimizer.step(factor, module, gradients),
            Choice::Burn(optimizer) => optimizer.step(factor, module, gradients),
        }
    }
}

/// What an optimizer remembers of its steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// How many there were.
    pub steps: u32,
    /// First moment or momentum, and second moment, of each parameter by name; empty where the
    /// optimizer has no such moment.
    pub of: BTreeMap<String, [Vec<f32>; 2]>,
}

/// The kernels' optimizers.
struct InPlace {
    kind: mutransfer::Optimizer,
    decay: mutransfer::Decay,
    hyper: Hyper,
    settings: BTreeMap<String, Setting>,
    moments: Moments,
}

impl InPlace {
    fn new(plan: &Plan, hyper: &Hyper) -> Self {
        let settings = plan
            .params()
            .map(|(name, param)| (name.to_string(), param.setting(hyper)));
        let (kind, decay, hyper) = (plan.optimizer(), plan.decay(), *hyper);
        Self {
            kind,
            decay,
            hyper,
            settings: settings.collect(),
            moments: Moments::default(),
        }
    }

    fn step<M: Module>(&mut self, factor: f64, module: M, gradients: GradientsParams) -> M {
        self.moments.steps += 1;
        module.map(&mut Update {
            optimizer: self,
            factor,
            gradients,
            path: Path::default(),
        })
    }

    fn update(&mut self, name: &str, factor: f64, weights: &mut [f32], gradient: &[f32]) {
        let Some(setting) = self.settings.get(name) else {
            return;
        };
        let decay = match self.decay {
            mutransfer::Decay::L2 => Decay::Coupled(setting.weight_decay),
            _ => Decay::Decoupled(setting.decay_times_lr(self.decay)),
        };
        let parameter = Parameter {
            learning_rate: setting.learning_rate * factor,
            epsilon: setting.eps,
            decay,
            weights,
            gradient,
        };
        match self.kind {
            mutransfer::Optimizer::Sgd => self.descend(name, parameter),
            // All others were refused when the optimizer was made.
            _ => self.adapt(name, parameter),
        }
    }

    fn descend(&mut self, name: &str, parameter: Parameter<'_>) {
        let Parameter {
            weights, gradient, ..
        } = parameter;
        let sgd = Sgd {
            learning_rate: parameter.learning_rate,
            momentum: self.hyper.momentum,
            decay: parameter.decay,
        };
        let momentum = if sgd.momentum == 0.0 {
            None
        } else {
            let [momentum, _] = self
                .moments
                .of
                .entry(name.to_owned())
                .or_insert_with(|| [vec![0.0; weights.len()], vec![]]);
            Some(momentum.as_mut_slice())
        };
        kernel(|workspace| sgd_step(workspace, sgd, weights, gradient, momentum));
    }

    fn adapt(&mut self, name: &str, parameter: Parameter<'_>) {
        let Parameter {
            weights, gradient, ..
        } = parameter;
        let adam = Adam {
            learning_rate: parameter.learning_rate,
            beta1: self.hyper.beta1,
            beta2: self.hyper.beta2,
            epsilon: parameter.epsilon,
            decay: parameter.decay,
        };
        let Moments { steps, of } = &mut self.moments;
        let [mean, square] = of
            .entry(name.to_owned())
            .or_insert_with(|| [(); 2].map(|()| vec![0.0; weights.len()]));
        kernel(|workspace| {
            adam_step(workspace, adam, *steps, weights, gradient, mean, square);
        });
    }
}

/// A parameter to update, with its own numbers.
struct Parameter<'a> {
    learning_rate: f64,
    epsilon: f64,
    decay: Decay,
    weights: &'a mut [f32],
    gradient: &'a [f32],
}

struct Update<'a> {
    optimizer: &'a mut InPlace,
    factor: f64,
    gradients: GradientsParams,
    path: Path,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, mut tensor, mapper) = param.consume();
        if let Some(gradient) = self.gradients.remove::<D>(id) {
            let mut weights = memory(tensor.inner());
            let gradient = memory(gradient);
            self.optimizer.update(
                &self.path.name(),
                self.factor,
                weights.storage_mut(),
                slice(&gradient),
            );
            tensor = Tensor::from_inner(Tensor::from_primitive::<Flex>(weights)).require_grad();
        }
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// The memory of a tensor on the CPU, contiguous and from its beginning.
fn memory<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let primitive = tensor
        .try_into_primitive::<Flex>()
        .expect("this optimizer is for tensors on the CPU");
    primitive.to_contiguous()
}
