//! Images kept in memory as they are stored, a byte per pixel, and standardised batch by batch.

use std::path::{Path, PathBuf};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::files::{self, Found};
use super::flaw::ImageFlaw;
use crate::error::Error;

/// Images of which the last ones are held out.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    path: PathBuf,
    shape: [usize; 3],
    classes: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
    /// Where the held-out part begins.
    split: usize,
    /// For each channel: what each of the 256 levels of a pixel is once standardised.
    levels: Vec<Vec<f32>>,
}

impl Stored {
    /// Reads a folder or a file; without test images of their own, the last tenth is held out.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let Found {
            training,
            held_out,
            classes,
        } = files::read(path)?;
        let (shape, mut pixels, mut labels) = (training.shape, training.pixels, training.labels);
        let mut split = labels.len() - labels.len() / 10;
        if let Some(held_out) = held_out {
            split = labels.len();
            pixels.extend(held_out.pixels);
            labels.extend(held_out.labels);
        }
        let [channels, height, width] = shape;
        let plane = height * width;
        let levels = standardised(&pixels[..split * channels * plane], channels, plane);
        Ok(Self {
            path: path.to_owned(),
            shape,
            classes,
            pixels,
            labels,
            split,
            levels,
        })
    }

    pub(super) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        // The sizes come first: the same bytes in another shape, or split elsewhere, are another
        // task.
        for size in self.shape.iter().chain([&self.labels.len(), &self.split]) {
            hasher.update(&(*size as u64).to_le_bytes());
        }
        hasher
            .update(&self.pixels)
            .update(&self.labels)
            .finalize()
            .to_hex()
            .to_string()
    }

    pub(super) fn check(&self, batch: usize) -> Result<(), Error> {
        let images = self.labels.len();
        let parts = [
            ("training", self.split, batch),
            ("validation", images - self.split, 1),
        ];
        match parts
            .into_iter()
            .find(|(_, available, needed)| available < needed)
        {
            None => Ok(()),
            Some((part, available, needed)) => {
                let flaw = ImageFlaw::TooFew {
                    images,
                    part,
                    available,
                    needed,
                };
                Err(Error::Images {
                    path: self.path.clone(),
                    flaw,
                })
            }
        }
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, count: usize) -> (Vec<f32>, Vec<u8>) {
        self.images((0..count).map(|_| rng.random_range(0..self.split)))
    }

    /// At most `count` images, evenly spaced over the held-out part.
    pub(super) fn validation(&self, count: usize) -> (Vec<f32>, Vec<u8>) {
        let held_out = self.labels.len() - self.split;
        let count = count.min(held_out);
        self.images((0..count).map(|index| self.split + index * held_out / count))
    }

    fn images(&self, indices: impl Iterator<Item = usize>) -> (Vec<f32>, Vec<u8>) {
        let [channels, height, width] = self.shape;
        let image = channels * height * width;
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for index in indices {
            let planes =
                self.pixels[index * image..(index + 1) * image].chunks_exact(height * width);
            for (plane, levels) in planes.zip(&self.levels) {
                pixels.extend(plane.iter().map(|pixel| levels[usize::from(*pixel)]));
            }
            labels.push(self.labels[index]);
        }
        (pixels, labels)
    }
}

/// What each level of a pixel is for each channel, less the channel's mean and over its standard
/// deviation.
fn standardised(pixels: &[u8], channels: usize, plane: usize) -> Vec<Vec<f32>> {
    let mut counts = vec![[0u64; 256]; channels];
    for (index, plane) in pixels.chunks_exact(plane).enumerate() {
        let counts = &mut counts[index % channels];
        for pixel in plane {
            counts[usize::from(*pixel)] += 1;
        }
    }
    counts.iter().map(levels).collect()
}

/// From how often each level occurs to what it is standardised. A channel of one level becomes
/// zero.
fn levels(counts: &[u64; 256]) -> Vec<f32> {
    let mean = average(counts, |level| level);
    let deviation = average(counts, |level| (level - mean).powi(2)).sqrt();
    let scale = if deviation > 0.0 {
        1.0 / deviation
    } else {
        1.0
    };
    (0..256)
        .map(|level| ((f64::from(level) - mean) * scale) as f32)
        .collect()
}

/// The mean over all pixels of what a function makes of their levels.
fn average(counts: &[u64; 256], value: impl Fn(f64) -> f64) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    let levels = counts.iter().enumerate();
    let sum: f64 = levels
        .map(|(level, count)| value(level as f64) * *count as f64)
        .sum();
    sum / total
}
