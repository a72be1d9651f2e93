//! A task without end: which of ten patterns an image shows, wherever it shows it.
//!
//! A pattern is a sum of plane waves of random amplitude and phase that fit the torus of 12x12
//! pixels a whole number of times. So a shifted pattern has the same mean, zero, and the same
//! power, one, and every channel is standardised by a closed formula. Shifts make the task one for
//! hidden layers: the average of a pattern over its shifts, all that a linear classifier can look
//! for, is faint. Noise makes it one that is never solved for certain, and low contrast one where
//! certainty has to differ from image to image.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::data::draws::generator;

/// The patterns of the built-in task.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    /// For each class: its pattern before any shift, row by row.
    patterns: Vec<Vec<f64>>,
}

/// Pixels of a side.
const SIDE: usize = 12;

/// Most periods of a wave along a side: four pixels or more a period, so that a pattern is smooth.
const PERIODS: i32 = 2;

/// Furthest shift along each axis, in pixels.
const SHIFT: usize = 3;

/// How strongly a pattern is shown, from and to.
const CONTRAST: (f64, f64) = (0.5, 1.5);

/// Standard deviation of a pixel's noise; that of a pattern is one.
const NOISE: f64 = 2.0;

/// Images that the fingerprint covers.
const SAMPLE: usize = 16;

/// Steps of a pixel that the fingerprint tells apart: far above the last bits, in which machines
/// differ.
const LEVELS: f32 = 64.0;

impl Patterns {
    pub(super) const SHAPE: [usize; 3] = [1, SIDE, SIDE];
    pub(super) const CLASSES: usize = 10;

    pub(super) fn new(seed: u64) -> Self {
        let patterns =
            (0..Self::CLASSES as u64).map(|class| pattern(&mut generator("pattern", seed, class)));
        Self {
            patterns: patterns.collect(),
        }
    }

    /// Fingerprint of what the patterns look like, in hexadecimal, from a sample of images.
    pub(super) fn fingerprint(&self) -> String {
        let (pixels, labels) = self.sample(&mut generator("fingerprint", 0, 0), SAMPLE);
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"synthetic images").update(&labels);
        for pixel in pixels {
            let level = (pixel * LEVELS).round() as i32;
            hasher.update(&level.to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, count: usize) -> (Vec<f32>, Vec<u8>) {
        let (mut pixels, mut labels) = (
            Vec::with_capacity(count * SIDE * SIDE),
            Vec::with_capacity(count),
        );
        for _ in 0..count {
            let class = rng.random_range(0..Self::CLASSES);
            self.show(class, rng, &mut pixels);
            labels.push(class as u8);
        }
        (pixels, labels)
    }

    /// One image of a class, standardised, at the end of `pixels`.
    fn show(&self, class: usize, rng: &mut ChaCha8Rng, pixels: &mut Vec<f32>) {
        let (low, high) = CONTRAST;
        let [down, right] = [(); 2].map(|()| SIDE - SHIFT + rng.random_range(0..=2 * SHIFT));
        let contrast = low + (high - low) * rng.random::<f64>();
        // The mean square of the contrast, as the pattern's is one, and that of the noise.
        let deviation = ((low * low + low * high + high * high) / 3.0 + NOISE * NOISE).sqrt();
        for (row, column) in (0..SIDE * SIDE).map(|pixel| (pixel / SIDE, pixel % SIDE)) {
            let shown = self.patterns[class][(row + down) % SIDE * SIDE + (column + right) % SIDE];
            pixels.push(((contrast * shown + NOISE * normal(rng)) / deviation) as f32);
        }
    }
}

/// A smooth random function on the torus with mean zero and mean square one, row by row.
fn pattern(rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut pattern = vec![0.0; SIDE * SIDE];
    for (down, right) in waves() {
        // Slow waves are the stronger ones.
        let amplitude = normal(rng) / f64::from(down * down + right * right).sqrt();
        let phase = rng.random::<f64>();
        for (pixel, value) in pattern.iter_mut().enumerate() {
            let periods = (f64::from(down) * (pixel / SIDE) as f64
                + f64::from(right) * (pixel % SIDE) as f64)
                / SIDE as f64;
            *value += amplitude * (TAU * (periods + phase)).cos();
        }
    }
    let power = pattern.iter().map(|value| value * value).sum::<f64>() / pattern.len() as f64;
    pattern.iter().map(|value| value / power.sqrt()).collect()
}

/// Periods of every wave down and to the right: a wave and its opposite are one, and none at all is
/// not a wave.
fn waves() -> impl Iterator<Item = (i32, i32)> {
    let all = (0..=PERIODS).flat_map(|down| (-PERIODS..=PERIODS).map(move |right| (down, right)));
    all.filter(|wave| *wave > (0, 0))
}

/// A normal random number, by Box and Muller (1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (TAU * angle).cos()
}
