//! Draws keyed by seed, step and purpose, so that none depends on how often another was made.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// What numbers are drawn for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// The shift of the first points.
    Start,
    /// Points that a next run is chosen from.
    Candidates,
    /// Functions of the process.
    Functions,
}

/// Random numbers of a step of a search.
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of a purpose at a step, which is the number of runs before it.
    pub(super) fn of(seed: u64, step: usize, purpose: Purpose) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(((step as u64) << 2) | purpose as u64);
        Self(random)
    }

    /// Of the standard normal distribution.
    pub(super) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// From 0 up to 1.
    pub(super) fn uniform(&mut self) -> f64 {
        StandardUniform.sample(&mut self.0)
    }
}
