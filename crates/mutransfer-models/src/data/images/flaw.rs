//! What can be wrong with files of images.

/// Why files of images cannot be used. Reads on from the words "data at (path)".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFlaw {
    /// Not a format that is known.
    #[error(
        "holds no images: expected *-images-idx3-ubyte with *-labels-idx1-ubyte (IDX), \
         or data_batch_*.bin and test_batch.bin (CIFAR-10)"
    )]
    NoImages,
    /// Images of which one cannot tell whether they belong together.
    #[error("holds several sets of images, {first} and {second}: name the file of one of them")]
    Several {
        /// A file's name.
        first: String,
        /// The name of another.
        second: String,
    },
    /// Images without their labels.
    #[error("has no labels beside it: expected {expected}, also as .gz")]
    NoLabels {
        /// The name to give to the file of labels.
        expected: String,
    },
    /// Another kind of file.
    #[error("begins with 0x{found:08x}: expected 0x{expected:08x}, an IDX file of {kind}")]
    Magic {
        /// The first four bytes.
        found: u32,
        /// What they would be.
        expected: u32,
        /// `images` or `labels`.
        kind: &'static str,
    },
    /// Compressed bytes that are damaged.
    #[error("begins as gzip and cannot be unpacked ({reason}): expected a whole gzip file")]
    Gzip {
        /// What the decoder says.
        reason: std::io::Error,
    },
    /// A file that ends too early.
    #[error("is cut off after {bytes} bytes: expected {needed} ({why})")]
    Truncated {
        /// Bytes there are, unpacked.
        bytes: usize,
        /// Bytes there have to be.
        needed: usize,
        /// How that number comes about.
        why: String,
    },
    /// A file that goes on where it has to end.
    #[error("goes on after {needed} bytes: expected its end there ({why})")]
    TooLong {
        /// Bytes there have to be.
        needed: usize,
        /// How that number comes about.
        why: String,
    },
    /// A header that no file of images has.
    #[error(
        "claims the sizes {sizes:?}: expected images of one pixel or more, \
         and at most {most} bytes in all"
    )]
    Size {
        /// What the header says: how many images, of how many rows and columns; or how many labels.
        sizes: Vec<u32>,
        /// Most bytes of a file.
        most: usize,
    },
    /// More than is read into memory.
    #[error("has more than {most} bytes: expected at most as many")]
    TooLarge {
        /// Most bytes of a file.
        most: usize,
    },
    /// Labels that do not go with the images.
    #[error("has {labels} labels: expected {images}, one for each image beside it")]
    Counts {
        /// How many labels there are.
        labels: usize,
        /// How many images there are.
        images: usize,
    },
    /// A label that names no class.
    #[error("has label {label} at image {index}, counted from 0: expected labels below {classes}")]
    Label {
        /// The label.
        label: u8,
        /// Which image it belongs to.
        index: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// Labels without anything to learn.
    #[error("has label 0 only: expected two classes or more")]
    OneClass,
    /// Held-out images of another size than the training images.
    #[error(
        "has images of {height}x{width} pixels: expected {expected_height}x{expected_width}, \
         as in training"
    )]
    Shape {
        /// Rows of the held-out images.
        height: usize,
        /// Their columns.
        width: usize,
        /// Rows of the training images.
        expected_height: usize,
        /// Their columns.
        expected_width: usize,
    },
    /// Fewer images than one batch needs.
    #[error("has {images} images, of which {part} gets {available}: expected {needed} or more")]
    TooFew {
        /// How many images there are.
        images: usize,
        /// `training` or `validation`.
        part: &'static str,
        /// Images in that part.
        available: usize,
        /// Images it needs.
        needed: usize,
    },
}
