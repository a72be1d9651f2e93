//! What a model is to do with its data: which batches it sees, and what it should answer.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::data::images::Images;
use crate::data::{Corpus, mask};

/// Inputs with the right answers.
pub(crate) struct Batch<I> {
    pub(crate) input: I,
    /// Which rows of the logits are judged; all where there are none named.
    pub(crate) judged: Option<Tensor<1, Int>>,
    /// The right class of each judged row.
    pub(crate) targets: Tensor<1, Int>,
}

/// A source of batches.
pub(crate) trait Task {
    /// What the model is given.
    type Input;

    /// The batch of a step. Depends on seed and step, never on the model.
    fn batch(&self, seed: u64, step: usize, size: usize, device: &Device) -> Batch<Self::Input>;

    /// The held-out data in batches of `size`, the same for every trial.
    fn validation(&self, size: usize, device: &Device) -> Vec<Batch<Self::Input>>;
}

/// Predict each next token from those before it.
pub(crate) struct NextToken<'a> {
    pub(crate) corpus: &'a Corpus,
    pub(crate) context: usize,
}

impl NextToken<'_> {
    fn of(&self, sequences: &[Vec<u8>], device: &Device) -> Batch<Tensor<2, Int>> {
        let input = integers(self.part(sequences, 0), device);
        Batch {
            input: input.reshape([sequences.len(), self.context]),
            judged: None,
            targets: integers(self.part(sequences, 1), device),
        }
    }

    /// The tokens of all sequences from a position on.
    fn part(&self, sequences: &[Vec<u8>], from: usize) -> impl Iterator<Item = u8> {
        sequences
            .iter()
            .flat_map(move |tokens| tokens[from..from + self.context].iter().copied())
    }
}

impl Task for NextToken<'_> {
    type Input = Tensor<2, Int>;

    fn batch(&self, seed: u64, step: usize, size: usize, device: &Device) -> Batch<Self::Input> {
        self.of(
            &self.corpus.batch(seed, step, size, self.context + 1),
            device,
        )
    }

    fn validation(&self, size: usize, device: &Device) -> Vec<Batch<Self::Input>> {
        self.corpus
            .validation(self.context + 1)
            .chunks(size)
            .map(|chunk| self.of(chunk, device))
            .collect()
    }
}

/// Predict tokens that were hidden or replaced, from all others (BERT, 1810.04805 section 3.1).
pub(crate) struct Masked<'a> {
    pub(crate) corpus: &'a Corpus,
    pub(crate) context: usize,
}

/// Validation masks are drawn from here, out of the way of any trial's seed.
const VALIDATION_SEED: u64 = u64::MAX;

impl Masked<'_> {
    fn of(
        &self,
        sequences: &[Vec<u8>],
        seed: u64,
        step: usize,
        device: &Device,
    ) -> Batch<Tensor<2, Int>> {
        let original: Vec<u8> = sequences.iter().flatten().copied().collect();
        let masked = mask::draw(
            seed,
            step,
            &original,
            self.context,
            self.corpus.vocabulary(),
        );
        let targets = masked.positions.iter().map(|&position| original[position]);
        let judged = masked.positions.iter().map(|&position| position as i32);
        Batch {
            input: integers(masked.tokens, device).reshape([sequences.len(), self.context]),
            targets: integers(targets, device),
            judged: Some(integers(judged, device)),
        }
    }
}

impl Task for Masked<'_> {
    type Input = Tensor<2, Int>;

    fn batch(&self, seed: u64, step: usize, size: usize, device: &Device) -> Batch<Self::Input> {
        self.of(
            &self.corpus.batch(seed, step, size, self.context),
            seed,
            step,
            device,
        )
    }

    fn validation(&self, size: usize, device: &Device) -> Vec<Batch<Self::Input>> {
        let sequences = self.corpus.validation(self.context);
        let chunks = sequences.chunks(size).enumerate();
        chunks
            .map(|(index, chunk)| self.of(chunk, VALIDATION_SEED, index, device))
            .collect()
    }
}

/// Tell what an image shows.
pub(crate) struct Classify<'a>(pub(crate) &'a Images);

impl Classify<'_> {
    fn of(&self, pixels: Vec<f32>, labels: &[u8], device: &Device) -> Batch<Tensor<4>> {
        let [channels, height, width] = self.0.shape();
        let shape = [labels.len(), channels, height, width];
        let input = Tensor::from_data(TensorData::new(pixels, shape), device);
        Batch {
            input,
            judged: None,
            targets: integers(labels.iter().copied(), device),
        }
    }
}

impl Task for Classify<'_> {
    type Input = Tensor<4>;

    fn batch(&self, seed: u64, step: usize, size: usize, device: &Device) -> Batch<Self::Input> {
        let (pixels, labels) = self.0.batch(seed, step, size);
        self.of(pixels, &labels, device)
    }

    fn validation(&self, size: usize, device: &Device) -> Vec<Batch<Self::Input>> {
        let (pixels, labels) = self.0.validation();
        let entries: usize = self.0.shape().iter().product();
        let chunks = pixels.chunks(size * entries).zip(labels.chunks(size));
        chunks
            .map(|(pixels, labels)| self.of(pixels.to_vec(), labels, device))
            .collect()
    }
}

fn integers(values: impl IntoIterator<Item = impl Into<i32>>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.into_iter().map(Into::into).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
