//! Images with labels: the user's, in the formats of MNIST and of CIFAR-10, or a synthetic task
//! without end.

mod augmented;
mod bytes;
mod cifar;
mod files;
pub(crate) mod flaw;
mod idx;
mod part;
mod stored;
mod synthetic;

use std::path::Path;

use mutransfer_study::subject::Augmentation;

use self::augmented::augment;
use self::stored::Stored;
use self::synthetic::Patterns;
use crate::data::draws::generator;
use crate::error::Error;

/// Images of one shape to train on and to validate on, each with the class it belongs to.
///
/// A batch is the pixels of all its images, row-major as `[batch, channels, height, width]`, and
/// their labels. Pixels are standardised: less the mean of the training images and over their
/// standard deviation, channel by channel.
#[derive(Clone, Debug)]
pub struct Images {
    source: Source,
    augmentation: Augmentation,
}

#[derive(Clone, Debug)]
enum Source {
    Stored(Stored),
    Synthetic(Patterns),
}

impl From<Source> for Images {
    fn from(source: Source) -> Self {
        Self {
            source,
            augmentation: Augmentation::default(),
        }
    }
}

/// Images that validation reads, where there are as many.
const VALIDATION_IMAGES: usize = 1024;

impl Images {
    /// Reads a folder, or one file of images.
    ///
    /// - IDX, the format of MNIST and Fashion-MNIST: `*-images-idx3-ubyte` with its labels beside
    ///   it in `*-labels-idx1-ubyte`, both also with a dot before `idx` and also as gzip. There are
    ///   as many classes as the largest training label says.
    /// - CIFAR-10's binary format: `data_batch_*.bin` and `test_batch.bin`.
    ///
    /// Where a folder holds test images too (`t10k-*`, `test_batch.bin`), these are held out;
    /// otherwise the last tenth of all images is. A folder holds one set of images; folders inside
    /// it are not read.
    ///
    /// # Errors
    /// When a file cannot be read, is not what its format says, or when there is nothing to learn
    /// from it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Ok(Source::Stored(Stored::read(path)?).into())
    }

    /// Whether there are images at a path, by names and first bytes, so that they are not taken for
    /// text. They may still turn out to be damaged when they are read.
    pub fn recognises(path: &Path) -> bool {
        files::recognises(path)
    }

    /// The built-in task of a seed: ten patterns to tell apart, wherever and however faintly they
    /// are shown.
    ///
    /// Each class is a smooth random pattern on a torus of 12x12 pixels. An image shows it shifted
    /// by up to three pixels along each axis, at a contrast drawn from 0.5 to 1.5, under noise
    /// twice as strong as the pattern itself. Who knew the patterns would reach a loss of about
    /// 0.2. After 200 batches of 64 images, a linear classifier is near 1.8 and a perceptron with
    /// two hidden layers of 128 units between 0.6 and 0.9, depending on the seed.
    pub fn synthetic(seed: u64) -> Self {
        Source::Synthetic(Patterns::new(seed)).into()
    }

    /// The same images, but that those of a training batch are shifted and mirrored.
    #[must_use]
    pub fn augmented(self, augmentation: Augmentation) -> Self {
        Self {
            augmentation,
            ..self
        }
    }

    /// Channels, height and width of every image.
    pub fn shape(&self) -> [usize; 3] {
        match &self.source {
            Source::Stored(stored) => stored.shape(),
            Source::Synthetic(_) => Patterns::SHAPE,
        }
    }

    /// How many classes there are; labels are below it.
    pub fn classes(&self) -> usize {
        match &self.source {
            Source::Stored(stored) => stored.classes(),
            Source::Synthetic(_) => Patterns::CLASSES,
        }
    }

    /// Fingerprint of the pixels, the labels and what is held out, in hexadecimal: not of file
    /// names or compression. Of the built-in task, which has no end, it covers some images.
    pub fn fingerprint(&self) -> String {
        match &self.source {
            Source::Stored(stored) => stored.fingerprint(),
            Source::Synthetic(patterns) => patterns.fingerprint(),
        }
    }

    /// Checks that batches of `batch` images can be drawn, and that there are images to validate
    /// on.
    ///
    /// # Errors
    /// When there are fewer training images than a batch has, or none held out, or an image could
    /// be shifted out of sight.
    pub fn check(&self, batch: usize) -> Result<(), Error> {
        let ([_, height, width], crop) = (self.shape(), self.augmentation.crop);
        if crop >= height.min(width) {
            return Err(Error::Crop {
                crop,
                height,
                width,
            });
        }
        match &self.source {
            Source::Stored(stored) => stored.check(batch),
            Source::Synthetic(_) => Ok(()),
        }
    }

    /// The batch of a step: pixels and labels of `batch` images. Depends on seed and step, never on
    /// the model.
    pub fn batch(&self, seed: u64, step: usize, batch: usize) -> (Vec<f32>, Vec<u8>) {
        let mut rng = generator("images", seed, step as u64);
        let (mut pixels, labels) = match &self.source {
            Source::Stored(stored) => stored.sample(&mut rng, batch),
            Source::Synthetic(patterns) => patterns.sample(&mut rng, batch),
        };
        if !self.augmentation.is_none() {
            let mut rng = generator("views of images", seed, step as u64);
            augment(self.augmentation, self.shape(), &mut rng, &mut pixels);
        }
        (pixels, labels)
    }

    /// Pixels and labels of at most 1024 held-out images, the same for every trial.
    pub fn validation(&self) -> (Vec<f32>, Vec<u8>) {
        match &self.source {
            Source::Stored(stored) => stored.validation(VALIDATION_IMAGES),
            Source::Synthetic(patterns) => {
                patterns.sample(&mut generator("validation images", 0, 0), VALIDATION_IMAGES)
            }
        }
    }
}
