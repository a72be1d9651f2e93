//! Optimizer steps in place, with each parameter's own numbers.

use std::collections::BTreeMap;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use mutransfer::{Error, Hyper, Plan, Setting};
use mutransfer_burn::ScaledOptimizer;
use mutransfer_kernels::{Adam, Decay, Sgd, adam_step, sgd_step};

use super::{enabled, kernel};

/// The planned optimizer, in place on the CPU and burn's own elsewhere.
pub(crate) enum Optimizer {
    InPlace(InPlace),
    Burn(Box<ScaledOptimizer>),
}

impl Optimizer {
    pub(crate) fn new(plan: &Plan, hyper: &Hyper, device: &Device) -> Result<Self, Error> {
        // Device equality ignores autodiff.
        match *device == Device::flex() && enabled() {
            true => {
                mutransfer_burn::supports(plan)?;
                Ok(Self::InPlace(InPlace::new(plan, hyper)))
            }
            false => Ok(Self::Burn(Box::new(ScaledOptimizer::new(plan, hyper)?))),
        }
    }

    /// One update at `factor` times the peak learning rates.
    pub(crate) fn step<M: Module>(
        &mut self,
        factor: f64,
        module: M,
        gradients: GradientsParams,
    ) -> M {
        match self {
            Self::InPlace(optimizer) => optimizer.step(factor, module, gradients),
            Self::Burn(optimizer) => optimizer.step(factor, module, gradients),
        }
    }
}

/// The kernels' optimizers.
pub(crate) struct InPlace {
    kind: mutransfer::Optimizer,
    decay: mutransfer::Decay,
    hyper: Hyper,
    settings: BTreeMap<String, Setting>,
    /// First moment or momentum, and second moment, of each parameter.
    moments: BTreeMap<String, [Vec<f32>; 2]>,
    steps: u32,
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
            moments: BTreeMap::new(),
            steps: 0,
        }
    }

    fn step<M: Module>(&mut self, factor: f64, module: M, gradients: GradientsParams) -> M {
        self.steps += 1;
        module.map(&mut Update {
            optimizer: self,
            factor,
            gradients,
            path: Vec::new(),
        })
    }

    fn update(&mut self, name: &str, factor: f64, weights: &mut [f32], gradient: &[f32]) {
        let Some(setting) = self.settings.get(name) else {
            return;
        };
        let (count, hyper) = (weights.len(), self.hyper);
        let learning_rate = setting.learning_rate * factor;
        let decay = match self.decay {
            mutransfer::Decay::L2 => Decay::Coupled(setting.weight_decay),
            _ => Decay::Decoupled(setting.decay_times_lr(self.decay)),
        };
        let zeros = || [(); 2].map(|()| vec![0.0; count]);
        match self.kind {
            mutransfer::Optimizer::Sgd if hyper.momentum == 0.0 => {
                let sgd = Sgd {
                    learning_rate,
                    momentum: 0.0,
                    decay,
                };
                kernel(|workspace| sgd_step(workspace, sgd, weights, gradient, None));
            }
            mutransfer::Optimizer::Sgd => {
                let [momentum, _] = self
                    .moments
                    .entry(name.to_owned())
                    .or_insert_with(|| [vec![0.0; count], vec![]]);
                let sgd = Sgd {
                    learning_rate,
                    momentum: hyper.momentum,
                    decay,
                };
                kernel(|workspace| sgd_step(workspace, sgd, weights, gradient, Some(momentum)));
            }
            // All others were refused when the optimizer was made.
            _ => {
                let [mean, square] = self.moments.entry(name.to_owned()).or_insert_with(zeros);
                let (beta1, beta2, epsilon) = (hyper.beta1, hyper.beta2, setting.eps);
                let adam = Adam {
                    learning_rate,
                    beta1,
                    beta2,
                    epsilon,
                    decay,
                };
                let steps = self.steps;
                kernel(|workspace| {
                    adam_step(workspace, adam, steps, weights, gradient, mean, square)
                });
            }
        }
    }
}

struct Update<'a> {
    optimizer: &'a mut InPlace,
    factor: f64,
    gradients: GradientsParams,
    path: Vec<String>,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let tensor = match self.gradients.remove::<D>(id) {
            None => tensor,
            Some(gradient) => {
                let mut weights = memory(tensor.inner());
                let gradient = memory(gradient);
                let values = gradient.as_slice().expect("contiguous");
                self.optimizer.update(
                    &self.path.join("."),
                    self.factor,
                    weights.storage_mut(),
                    values,
                );
                Tensor::from_inner(Tensor::from_primitive::<Flex>(weights)).require_grad()
            }
        };
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
