//! Initial weights at the plan's standard deviations.

use std::convert::Infallible;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use mutransfer::error::WidthsError;
use mutransfer::{Error, Hyper, Plan};
use rand::{Rng, SeedableRng, TryRng};
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
    let mut words = Words::of(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()));
    (0..count)
        .map(|_| StandardNormal.sample(&mut words))
        .collect()
}

/// The words of a generator, taken many at a time: a draw needs one, and a call for each takes
/// longer than the draw.
struct Words {
    generator: ChaCha8Rng,
    taken: [[u8; 8]; 64],
    next: usize,
}

impl Words {
    fn of(generator: ChaCha8Rng) -> Self {
        let taken = [[0; 8]; 64];
        let next = taken.len();
        Self {
            generator,
            taken,
            next,
        }
    }
}

impl TryRng for Words {
    type Error = Infallible;

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        if self.next == self.taken.len() {
            self.generator.fill_bytes(self.taken.as_flattened_mut());
            self.next = 0;
        }
        let word = self.taken[self.next];
        self.next += 1;
        Ok(u64::from_le_bytes(word))
    }

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|word| word as u32)
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for part in to.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            part.copy_from_slice(&word[..part.len()]);
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_generator() {
        let generator = || ChaCha8Rng::from_seed([7; 32]);
        let draws = StandardNormal.sample_iter(generator());
        let drawn: Vec<f32> = draws.take(10_000).collect();
        let mut words = Words::of(generator());
        let again: Vec<f32> = drawn
            .iter()
            .map(|_| StandardNormal.sample(&mut words))
            .collect();
        assert_eq!(drawn, again);
    }
}
