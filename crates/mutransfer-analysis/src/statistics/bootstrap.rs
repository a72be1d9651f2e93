//! Replicates of an estimate, keyed so that they depend on neither threads nor anything else that
//! is estimated.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

/// Draws in all replicates together, above which there are fewer replicates, and how few there may
/// be.
const MOST_EFFORT: usize = 50_000_000;
const FEWEST: usize = 100;

/// How many replicates to make of those asked for: fewer where a table is huge, as its noise is
/// then small. `effort` are the draws of one.
pub(crate) fn affordable(asked: usize, effort: usize) -> usize {
    asked.min((MOST_EFFORT / effort.max(1)).max(FEWEST))
}

/// Makes `count` replicates, each from random numbers of its own; `key` tells those of one estimate
/// from those of another.
pub(crate) fn replicates<T: Send>(
    key: &str,
    count: usize,
    one: impl Fn(&mut ChaCha8Rng) -> T + Sync,
) -> Vec<T> {
    let key = *blake3::hash(key.as_bytes()).as_bytes();
    (0..count)
        .into_par_iter()
        .map(|index| {
            let mut random = ChaCha8Rng::from_seed(key);
            random.set_stream(index as u64);
            one(&mut random)
        })
        .collect()
}
