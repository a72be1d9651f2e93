//! Normal numbers behind the replicates of an estimate, keyed so that they depend on neither
//! threads nor anything else that is estimated.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Draws in all replicates together, above which there are fewer replicates, and how few there may
/// be.
const MOST_EFFORT: usize = 50_000_000;
const FEWEST: usize = 100;

/// How many replicates to make of those asked for: fewer where a table is huge, as its noise is
/// then small. `effort` are the draws of one.
pub(crate) fn affordable(asked: usize, effort: usize) -> usize {
    asked.min((MOST_EFFORT / effort.max(1)).max(FEWEST))
}

/// A stream of normal numbers, one for each replicate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stream {
    key: [u8; 32],
    number: u64,
}

impl Stream {
    /// The stream of this number among those of a key.
    pub(crate) fn of(key: &str, number: u64) -> Self {
        let key = *blake3::hash(key.as_bytes()).as_bytes();
        Self { key, number }
    }

    /// Its numbers for so many replicates; fewer are the first of more.
    pub(crate) fn normals(&self, count: usize) -> Vec<f64> {
        let mut random = ChaCha8Rng::from_seed(self.key);
        random.set_stream(self.number);
        StandardNormal
            .sample_iter(&mut random)
            .take(count)
            .collect()
    }
}
