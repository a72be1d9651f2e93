//! Training images shifted and mirrored.

use mutransfer_study::subject::Augmentation;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Shifts and mirrors each of the images of a shape in place, by one draw after the other. Pixels
/// are standardised, so that the mean that comes in is zero.
pub(super) fn augment(
    augmentation: Augmentation,
    [channels, height, width]: [usize; 3],
    rng: &mut ChaCha8Rng,
    pixels: &mut [f32],
) {
    let mut old = Vec::new();
    for image in pixels.chunks_exact_mut(channels * height * width) {
        let view = View::draw(augmentation, rng);
        image.clone_into(&mut old);
        let planes = old.chunks_exact(height * width);
        for (plane, old) in image.chunks_exact_mut(height * width).zip(planes) {
            for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                view.fill(
                    row,
                    view.source(y, 0, height)
                        .map(|y| &old[y * width..][..width]),
                );
            }
        }
    }
}

/// How one image is seen: from where its pixels come.
struct View {
    shift: [isize; 2],
    is_mirrored: bool,
}

impl View {
    fn draw(Augmentation { crop, flip }: Augmentation, rng: &mut ChaCha8Rng) -> Self {
        let crop = crop as i64;
        let shift = [(); 2].map(|()| rng.random_range(-crop..=crop) as isize);
        Self {
            shift,
            is_mirrored: flip && rng.random(),
        }
    }

    /// The place along an axis that a place shows; none where it is outside.
    fn source(&self, at: usize, axis: usize, size: usize) -> Option<usize> {
        let from = at.checked_add_signed(self.shift[axis])?;
        (from < size).then_some(from)
    }

    /// A row that shows a row of the image, or nothing of it.
    fn fill(&self, row: &mut [f32], of: Option<&[f32]>) {
        let width = row.len();
        for (x, pixel) in row.iter_mut().enumerate() {
            let x = if self.is_mirrored { width - 1 - x } else { x };
            let from = of.zip(self.source(x, 1, width));
            *pixel = from.map_or(0.0, |(of, x)| of[x]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::draws::generator;

    const SHAPE: [usize; 3] = [2, 3, 4];

    fn image() -> Vec<f32> {
        (1..=24).map(|pixel| pixel as f32).collect()
    }

    fn of(crop: usize, flip: bool, seed: u64) -> Vec<f32> {
        let mut pixels = image();
        let augmentation = Augmentation { crop, flip };
        augment(
            augmentation,
            SHAPE,
            &mut generator("test", seed, 0),
            &mut pixels,
        );
        pixels
    }

    #[test]
    fn nothing_asked_is_nothing_done() {
        assert_eq!(of(0, false, 0), image());
    }

    #[test]
    fn an_image_is_mirrored_or_not() {
        let mirrored: Vec<f32> = image()
            .chunks(4)
            .flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>())
            .collect();
        let seen: Vec<bool> = (0..40)
            .map(|seed| {
                let pixels = of(0, true, seed);
                assert!(pixels == image() || pixels == mirrored, "{pixels:?}");
                pixels == mirrored
            })
            .collect();
        let count = seen.iter().filter(|mirrored| **mirrored).count();
        assert!((10..=30).contains(&count), "{count} of 40 are mirrored");
    }

    /// All nine places, the channels alike, and zeros where there was no image.
    #[test]
    fn an_image_is_shifted_to_every_place() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let pixels = of(1, false, seed);
            for (place, pixel) in pixels[..12].iter().enumerate() {
                let other = pixels[12 + place];
                assert_eq!(*pixel == 0.0, other == 0.0);
                assert!(*pixel == 0.0 || other == pixel + 12.0);
            }
            // In the middle there is always a pixel, which tells the shift.
            seen.insert(pixels[5] as usize);
        }
        assert_eq!(
            seen.into_iter().collect::<Vec<_>>(),
            [1, 2, 3, 5, 6, 7, 9, 10, 11]
        );
    }
}
