//! What the models train on: text as bytes, a synthetic language whose entropy is known, images of
//! files, or synthetic ones.

mod draws;
pub(crate) mod images;
pub(crate) mod mask;
mod synthetic;
mod text;

use self::draws::generator;
use crate::kind::{Kind, TextTask};

pub use images::Images;
pub use images::flaw::ImageFlaw;
pub use synthetic::Language;
pub use text::Text;

/// Sequences or images.
#[derive(Clone, Debug)]
pub enum Dataset {
    /// Sequences of tokens.
    Text(Corpus),
    /// Images with labels.
    Images(Images),
}

/// What the data looks like to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tokens, this many different ones.
    Tokens {
        /// How many.
        vocabulary: usize,
    },
    /// Images of one size.
    Images {
        /// Channels, height and width.
        shape: [usize; 3],
        /// How many kinds of images there are.
        classes: usize,
    },
}

impl Dataset {
    /// What it looks like.
    pub fn format(&self) -> Format {
        match self {
            Self::Text(corpus) => Format::Tokens {
                vocabulary: corpus.vocabulary(),
            },
            Self::Images(images) => Format::Images {
                shape: images.shape(),
                classes: images.classes(),
            },
        }
    }

    /// The lowest loss any model of a kind can reach, in nats per answer, where it is known.
    pub fn floor(&self, kind: Kind) -> Option<f64> {
        match (self, kind.facts().text) {
            (Self::Text(corpus), Some(TextTask::NextToken)) => corpus.floor(),
            // A hidden token can be told from what follows it as well.
            _ => None,
        }
    }

    /// Fingerprint of everything that a model may see of it, in hexadecimal: equal data has equal
    /// fingerprints.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Text(corpus) => corpus.fingerprint(),
            Self::Images(images) => images.fingerprint(),
        }
    }
}

/// Sequences to train on and to validate on.
#[derive(Clone, Debug)]
pub enum Corpus {
    /// Bytes of the user's text.
    Text(Text),
    /// The built-in language.
    Synthetic(Language),
}

/// Tokens that validation reads, where there are as many.
const VALIDATION_TOKENS: usize = 8192;

impl Corpus {
    /// How many different tokens there are.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Text(_) => Text::VOCABULARY,
            Self::Synthetic(_) => Language::VOCABULARY,
        }
    }

    /// The lowest loss any model can reach, in nats per token, where it is known.
    pub fn floor(&self) -> Option<f64> {
        match self {
            Self::Text(_) => None,
            Self::Synthetic(language) => Some(language.entropy_rate()),
        }
    }

    /// Fingerprint of the text, or of the language, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Text(text) => text.fingerprint(),
            Self::Synthetic(language) => language.fingerprint(),
        }
    }

    /// The batch of a step: `batch` sequences of `length` tokens. Depends on seed and step, never
    /// on the model.
    pub fn batch(&self, seed: u64, step: usize, batch: usize, length: usize) -> Vec<Vec<u8>> {
        let mut rng = generator("batch", seed, step as u64);
        match self {
            Self::Text(text) => (0..batch).map(|_| text.sample(&mut rng, length)).collect(),
            Self::Synthetic(language) => (0..batch)
                .map(|_| language.sample(&mut rng, length))
                .collect(),
        }
    }

    /// The held-out sequences of `length` tokens, the same for every trial.
    pub fn validation(&self, length: usize) -> Vec<Vec<u8>> {
        let count = VALIDATION_TOKENS.div_ceil(length);
        match self {
            Self::Text(text) => text.validation(count, length),
            Self::Synthetic(language) => {
                let mut rng = generator("validation", 0, 0);
                (0..count)
                    .map(|_| language.sample(&mut rng, length))
                    .collect()
            }
        }
    }
}
