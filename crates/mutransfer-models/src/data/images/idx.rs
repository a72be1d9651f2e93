//! The IDX format of MNIST and its likes: images in one file and their labels in another.
//!
//! A file begins with a magic number that names the type of its entries and how many sizes follow
//! (here unsigned bytes, and three sizes for images or one for labels), then come the sizes,
//! big-endian, and then the entries.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::bytes;
use super::flaw::ImageFlaw;
use super::part::{Part, name};
use crate::error::Error;

const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// Whether a file under another name is IDX: by how it begins. Labels count too, so that they are
/// not taken for text.
pub(super) fn recognises(path: &Path) -> bool {
    bytes::read(path, 4).is_ok_and(|bytes| [IMAGES, LABELS].contains(&number(&bytes, 0)))
}

/// Whether a file has the name of an IDX file of images.
pub(super) fn is_images(path: &Path) -> bool {
    let name = unpacked(name(path));
    name.ends_with("images-idx3-ubyte") || name.ends_with("images.idx3-ubyte")
}

/// A file's name without the ending of gzip: what its packed and its plain form have in common.
pub(super) fn unpacked(name: &str) -> &str {
    name.strip_suffix(".gz").unwrap_or(name)
}

/// Reads the images of a file and the labels beside it.
pub(super) fn read(path: &Path) -> Result<Part, Error> {
    let (sizes, pixels) = entries(path, IMAGES, "images")?;
    let [count, height, width] = [0, 1, 2].map(|axis| sizes[axis] as usize);
    if count == 0 {
        return Err(Error::Empty {
            path: path.to_owned(),
        });
    }
    let labelled_by = labels_beside(path)?;
    let (_, labels) = entries(&labelled_by, LABELS, "labels")?;
    if labels.len() != count {
        let flaw = ImageFlaw::Counts {
            labels: labels.len(),
            images: count,
        };
        return Err(Error::Images {
            path: labelled_by,
            flaw,
        });
    }
    Ok(Part {
        path: path.to_owned(),
        shape: [1, height, width],
        pixels,
        labels,
        labelled_by,
    })
}

/// The sizes and entries of a file. The sizes are checked before anything is read by them.
fn entries(path: &Path, magic: u32, kind: &'static str) -> Result<(Vec<u32>, Vec<u8>), Error> {
    let header = if magic == IMAGES { 16 } else { 8 };
    let sizes = sizes(path, header, magic, kind)?;
    let size = volume(&sizes).map_err(|flaw| Error::images(path, flaw))?;
    let mut bytes = bytes::read(path, header + size + 1)?;
    let (needed, why) = (header + size, format!("a header and {} {kind}", sizes[0]));
    let flaw = match bytes.len().cmp(&needed) {
        Ordering::Less => ImageFlaw::Truncated {
            bytes: bytes.len(),
            needed,
            why,
        },
        Ordering::Greater => ImageFlaw::TooLong { needed, why },
        Ordering::Equal => {
            bytes.drain(..header);
            return Ok((sizes, bytes));
        }
    };
    Err(Error::images(path, flaw))
}

/// The sizes that a header of this many bytes claims.
fn sizes(path: &Path, header: usize, magic: u32, kind: &'static str) -> Result<Vec<u32>, Error> {
    let start = bytes::read(path, header)?;
    let found = number(&start, 0);
    let flaw = if start.len() >= 4 && found != magic {
        ImageFlaw::Magic {
            found,
            expected: magic,
            kind,
        }
    } else if start.len() < header {
        ImageFlaw::Truncated {
            bytes: start.len(),
            needed: header,
            why: format!("the header of an IDX file of {kind}"),
        }
    } else {
        let sizes = (4..header).step_by(4).map(|at| number(&start, at));
        return Ok(sizes.collect());
    };
    Err(Error::images(path, flaw))
}

/// How many entries the sizes of a header come to. A count of zero is left to whoever reads on.
fn volume(sizes: &[u32]) -> Result<usize, ImageFlaw> {
    let volume = sizes
        .iter()
        .try_fold(1usize, |volume, size| volume.checked_mul(*size as usize));
    match volume {
        Some(volume) if volume <= bytes::MOST && !sizes[1..].contains(&0) => Ok(volume),
        _ => Err(ImageFlaw::Size {
            sizes: sizes.to_owned(),
            most: bytes::MOST,
        }),
    }
}

/// Four bytes as a big-endian number; zero where there are fewer.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

/// Finds the labels that belong to a file of images: in either spelling, packed or not.
fn labels_beside(path: &Path) -> Result<PathBuf, Error> {
    let name = name(path);
    let stem = unpacked(name)
        .replace("images", "labels")
        .replace("idx3", "idx1");
    let spellings = [
        stem.clone(),
        stem.replace("labels-idx1", "labels.idx1"),
        stem.replace("labels.idx1", "labels-idx1"),
    ];
    let candidates = spellings
        .iter()
        .flat_map(|stem| [stem.clone(), format!("{stem}.gz")]);
    // A name that says nothing of images would find itself.
    let mut files = candidates
        .filter(|labels| labels != name)
        .map(|labels| path.with_file_name(labels));
    files.find(|file| file.is_file()).ok_or_else(|| {
        let expected = if stem == unpacked(name) {
            "names as *-images-idx3-ubyte and *-labels-idx1-ubyte"
        } else {
            &stem
        };
        Error::images(
            path,
            ImageFlaw::NoLabels {
                expected: expected.to_owned(),
            },
        )
    })
}
