//! Initial weights at the plan's standard deviations.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use mutransfer::error::WidthsError;
use mutransfer::{Error, Hyper, Plan};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::path::Path;
use crate::shapes;

/// Draws every matrix of `module` from a normal distribution of mean 0 and the planned standard
/// deviation, and sets every `bias` to zero. Gains keep the constant that the module gave them.
///
/// A draw depends on the seed and the parameter's name only, not on the other parameters or their
/// order.
///
/// # Errors
/// When a parameter of the module is not in the plan.
pub fn initialize<M: Module>(module: M, plan: &Plan, hyper: &Hyper, seed: u64) -> Result<M, Error> {
    if let Some((name, _)) = shapes(&module)
        .iter()
        .find(|(name, _)| plan.param(name.as_str()).is_none())
    {
        return Err(WidthsError::Missing {
            name: name.clone(),
            present: "given",
            absent: "planned",
        }
        .into());
    }
    let path = Path::default();
    Ok(module.map(&mut Initializer {
        path,
        plan,
        hyper,
        seed,
    }))
}

/// `count` standard normal numbers that depend on `seed` and `name` only.
pub fn normal(seed: u64, name: &str, count: usize) -> Vec<f32> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
    let rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
    StandardNormal.sample_iter(rng).take(count).collect()
}

struct Initializer<'a> {
    path: Path,
    plan: &'a Plan,
    hyper: &'a Hyper,
    seed: u64,
}

impl Initializer<'_> {
    fn values(&self, dims: &[usize]) -> Option<Vec<f32>> {
        let name = self.path.name();
        let count = dims.iter().product();
        match self.plan.setting(&name, self.hyper)?.init_std {
            Some(std) => {
                let mut values = normal(self.seed, &name, count);
                for value in &mut values {
                    *value = (f64::from(*value) * std) as f32;
                }
                Some(values)
            }
            None if self.path.field() == "bias" => Some(vec![0.0; count]),
            None => None,
        }
    }
}

impl ModuleMapper for Initializer<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let dims: [usize; D] = param.lazy_shape().dims();
        match self.values(&dims) {
            None => param,
            Some(values) => {
                let tensor = Tensor::from_data(TensorData::new(values, dims), &param.lazy_device());
                Param::initialized(param.id, tensor.set_require_grad(true))
            }
        }
    }
}
