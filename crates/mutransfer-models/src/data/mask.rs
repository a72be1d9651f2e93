//! Which tokens BERT has to guess (1810.04805 section 3.1).

use rand::RngExt;
use rand::seq::index::sample;

use super::draws::generator;

/// Sequences with some tokens hidden.
pub(crate) struct Masked {
    /// What the model sees. The number after the last token of the vocabulary is the mask.
    pub(crate) tokens: Vec<i32>,
    /// Where it has to answer.
    pub(crate) positions: Vec<usize>,
}

/// Share of the tokens to guess.
const SHARE: f64 = 0.15;

/// Of those to guess, the share that is hidden, and the share that is shown as another token; the
/// rest is shown as it is.
const HIDDEN: f64 = 0.8;
const REPLACED: f64 = 0.1;

/// Chooses tokens in each of the sequences of `length`, as many in every one.
pub(crate) fn draw(
    seed: u64,
    step: usize,
    tokens: &[u8],
    length: usize,
    vocabulary: usize,
) -> Masked {
    let mut rng = generator("mask", seed, step as u64);
    let mut masked = Masked {
        tokens: tokens.iter().map(|&token| i32::from(token)).collect(),
        positions: Vec::new(),
    };
    let count = ((length as f64 * SHARE).round() as usize).max(1);
    for start in (0..tokens.len()).step_by(length) {
        let mut positions: Vec<usize> = sample(&mut rng, length, count)
            .into_iter()
            .map(|at| start + at)
            .collect();
        positions.sort_unstable();
        for &position in &positions {
            let draw: f64 = rng.random();
            if draw < HIDDEN {
                masked.tokens[position] = vocabulary as i32;
            } else if draw < HIDDEN + REPLACED {
                masked.tokens[position] = rng.random_range(0..vocabulary as i32);
            }
        }
        masked.positions.extend(positions);
    }
    masked
}
