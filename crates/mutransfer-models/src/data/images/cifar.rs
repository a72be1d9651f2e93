//! The binary files of CIFAR-10: records of a label and three planes of 32 rows of 32 pixels,
//! without a header.

use std::path::Path;

use super::bytes;
use super::flaw::ImageFlaw;
use super::part::{Part, name};
use crate::error::Error;

const SHAPE: [usize; 3] = [3, 32, 32];
/// How many classes there are.
pub(super) const CLASSES: usize = 10;

const PIXELS: usize = SHAPE[0] * SHAPE[1] * SHAPE[2];
const RECORD: usize = 1 + PIXELS;

/// Whether a file under another name is CIFAR-10: by its ending and its size, as there is no
/// header.
#[expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the files are named so"
)]
pub(super) fn recognises(path: &Path) -> bool {
    let bytes = path.metadata().map_or(0, |file| file.len());
    name(path).ends_with(".bin") && bytes > 0 && bytes.is_multiple_of(RECORD as u64)
}

/// Whether a file has the name of one of CIFAR-10's.
#[expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the files are named so"
)]
pub(super) fn is_batch(path: &Path) -> bool {
    let name = name(path);
    name.ends_with(".bin") && (name.starts_with("data_batch_") || name.starts_with("test_batch"))
}

/// Reads one file.
pub(super) fn read(path: &Path) -> Result<Part, Error> {
    let bytes = bytes::read(path, bytes::MOST + 1)?;
    if bytes.len() > bytes::MOST {
        let flaw = ImageFlaw::TooLarge { most: bytes::MOST };
        return Err(Error::images(path, flaw));
    }
    let records = bytes.chunks_exact(RECORD);
    if !records.remainder().is_empty() {
        let count = bytes.len().div_ceil(RECORD);
        let why = format!("{count} CIFAR-10 records of {RECORD} bytes");
        let flaw = ImageFlaw::Truncated {
            bytes: bytes.len(),
            needed: count * RECORD,
            why,
        };
        return Err(Error::images(path, flaw));
    }
    let labels = records.clone().map(|record| record[0]).collect();
    let pixels = records.flat_map(|record| &record[1..]).copied().collect();
    let part = Part {
        path: path.to_owned(),
        shape: SHAPE,
        pixels,
        labels,
        labelled_by: path.to_owned(),
    };
    part.check_labels(CLASSES)?;
    Ok(part)
}
