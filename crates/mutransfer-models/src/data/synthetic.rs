//! A language without end whose entropy rate is known exactly.
//!
//! Every token is drawn by Zipf's law over a *ranking* of the vocabulary, and the ranking is a
//! function of the past. So the entropy of the next token given the past is that of Zipf's law,
//! whatever the past: the entropy rate is a closed formula. What a model can learn is which ranking
//! holds. After an ordinary word it is that word's ranking; after one of a few function words it is
//! a ranking of the last ordinary word, however long ago that was, so that a model has to look
//! back. The rankings put frequent words early, so that the frequencies of words are Zipfian as
//! well.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::draws::generator;

/// The built-in language.
#[derive(Clone, Debug)]
pub struct Language {
    /// Cumulative probability of each rank.
    cumulative: Vec<f64>,
    /// For each last word: the words in order of rank after it.
    after_word: Vec<Vec<u8>>,
    /// For each last ordinary word: the words in order of rank after a function word.
    after_function_word: Vec<Vec<u8>>,
}

/// The most frequent words, after which the last ordinary word decides.
const FUNCTION_WORDS: u8 = 4;

/// Exponent of Zipf's law.
const EXPONENT: f64 = 1.5;

/// Words of a text that the fingerprint covers.
const SAMPLE: usize = 1024;

impl Language {
    /// How many words there are.
    pub const VOCABULARY: usize = 64;

    /// The language of a seed: same words and law, other rankings.
    pub fn new(seed: u64) -> Self {
        let weights = zipf();
        let total: f64 = weights.iter().sum();
        let cumulative = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight / total;
            Some(*sum)
        });
        Self {
            cumulative: cumulative.collect(),
            after_word: rankings(&weights, "after word", seed),
            after_function_word: rankings(&weights, "after function word", seed),
        }
    }

    /// Fingerprint of the language, in hexadecimal: of what its words are drawn by, and of a text.
    ///
    /// The text is of integers, and the fingerprint covers no floating-point number, so that it is
    /// the same on machines whose logarithms differ in the last bit.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"synthetic language");
        for ranking in self.after_word.iter().chain(&self.after_function_word) {
            hasher.update(ranking);
        }
        hasher.update(&self.sample(&mut generator("fingerprint", 0, 0), SAMPLE));
        hasher.finalize().to_hex().to_string()
    }

    /// Entropy of the next token given the past, in nats: the lowest loss any model can reach.
    pub fn entropy_rate(&self) -> f64 {
        let weights = zipf();
        let total: f64 = weights.iter().sum();
        weights
            .iter()
            .map(|weight| weight / total)
            .map(|p| -p * p.ln())
            .sum()
    }

    /// A text of `length` words. Before it begins, the last ordinary word is the first one there
    /// is.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, length: usize) -> Vec<u8> {
        let mut ordinary = FUNCTION_WORDS;
        let mut last = FUNCTION_WORDS;
        let mut words = Vec::with_capacity(length);
        for _ in 0..length {
            let ranking = self.ranking(last, ordinary);
            let draw: f64 = rng.random();
            let rank = self
                .cumulative
                .partition_point(|&sum| sum <= draw)
                .min(Self::VOCABULARY - 1);
            last = ranking[rank];
            if last >= FUNCTION_WORDS {
                ordinary = last;
            }
            words.push(last);
        }
        words
    }

    fn ranking(&self, last: u8, ordinary: u8) -> &[u8] {
        if last < FUNCTION_WORDS {
            &self.after_function_word[usize::from(ordinary)]
        } else {
            &self.after_word[usize::from(last)]
        }
    }
}

fn zipf() -> Vec<f64> {
    (1..=Language::VOCABULARY)
        .map(|rank| (rank as f64).powf(-EXPONENT))
        .collect()
}

/// A ranking for every word.
fn rankings(weights: &[f64], purpose: &str, seed: u64) -> Vec<Vec<u8>> {
    (0..Language::VOCABULARY as u64)
        .map(|word| ranking(weights, generator(purpose, seed, word)))
        .collect()
}

/// All words in an order drawn without replacement by their weights, so that frequent ones tend to
/// come early.
fn ranking(weights: &[f64], mut rng: ChaCha8Rng) -> Vec<u8> {
    // The smallest of exponential waiting times with these rates comes first: Efraimidis and
    // Spirakis (2006).
    let mut waits: Vec<(f64, u8)> = (0u8..)
        .zip(weights)
        .map(|(word, weight)| {
            let uniform: f64 = rng.random();
            (-(1.0 - uniform).ln() / weight, word)
        })
        .collect();
    waits.sort_by(|left, right| left.0.total_cmp(&right.0));
    waits.into_iter().map(|(_, word)| word).collect()
}
