//! Random numbers for data.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers for one purpose, seed and step.
pub(crate) fn generator(purpose: &str, seed: u64, step: u64) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(purpose.as_bytes())
        .update(&seed.to_le_bytes())
        .update(&step.to_le_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}
