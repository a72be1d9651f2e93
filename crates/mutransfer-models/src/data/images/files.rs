//! Which files hold the images at a path, and what they come to.

use std::fs;
use std::path::{Path, PathBuf};

use super::flaw::ImageFlaw;
use super::part::{Part, name};
use super::{cifar, idx};
use crate::error::Error;

/// A format of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Idx,
    Cifar,
}

/// All there is at a path: the training images, and the held-out ones where they have files of
/// their own.
pub(super) struct Found {
    pub(super) training: Part,
    pub(super) held_out: Option<Part>,
    pub(super) classes: usize,
}

/// Whether there are images at a path.
pub(super) fn recognises(path: &Path) -> bool {
    if path.is_dir() {
        let files = listed(path).unwrap_or_default();
        files.iter().any(|file| format_by_name(file).is_some())
    } else {
        format(path).is_some()
    }
}

/// Reads a folder or a file.
pub(super) fn read(path: &Path) -> Result<Found, Error> {
    let (format, files) = find(path)?;
    let (held_out, training): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_test(file));
    // Test images that are alone are all there is to train on.
    let (held_out, training) = if training.is_empty() {
        (training, held_out)
    } else {
        (held_out, training)
    };
    if format == Format::Idx {
        [&training, &held_out]
            .into_iter()
            .try_for_each(|files| check_single(path, files))?;
    }
    let training = format.read(&training)?;
    let classes = match format {
        Format::Cifar => cifar::CLASSES,
        Format::Idx => training
            .labels
            .iter()
            .max()
            .map_or(0, |label| usize::from(*label) + 1),
    };
    let held_out = if held_out.is_empty() {
        None
    } else {
        Some(format.read(&held_out)?)
    };
    check(&training, held_out.as_ref(), classes)?;
    Ok(Found {
        training,
        held_out,
        classes,
    })
}

/// The files of images at a path, in order of their names, and their format.
fn find(path: &Path) -> Result<(Format, Vec<PathBuf>), Error> {
    let metadata = fs::metadata(path).map_err(Error::unreadable(path))?;
    if !metadata.is_dir() {
        let format = format(path).ok_or_else(|| no_images(path))?;
        return Ok((format, vec![path.to_owned()]));
    }
    let mut files = listed(path).map_err(Error::unreadable(path))?;
    files.retain(|file| format_by_name(file).is_some());
    // A file beside its packed form is the same images: a plain name sorts first.
    files.dedup_by(|packed, plain| idx::unpacked(name(packed)) == idx::unpacked(name(plain)));
    let format = files
        .first()
        .and_then(|file| format_by_name(file))
        .ok_or_else(|| no_images(path))?;
    let other = files
        .iter()
        .find(|file| format_by_name(file) != Some(format));
    match other {
        Some(other) => Err(several(path, &files[0], other)),
        None => Ok((format, files)),
    }
}

fn no_images(path: &Path) -> Error {
    Error::images(path, ImageFlaw::NoImages)
}

impl Format {
    /// Reads files of one part one after the other. There is one file or more, and several only of
    /// one shape.
    fn read(self, files: &[PathBuf]) -> Result<Part, Error> {
        let read = match self {
            Self::Idx => idx::read,
            Self::Cifar => cifar::read,
        };
        let mut whole = read(&files[0])?;
        for file in &files[1..] {
            let part = read(file)?;
            whole.pixels.extend(part.pixels);
            whole.labels.extend(part.labels);
        }
        Ok(whole)
    }
}

/// Checks that there is something to learn, and that the held-out part asks for the same.
fn check(training: &Part, held_out: Option<&Part>, classes: usize) -> Result<(), Error> {
    if classes < 2 {
        return Err(Error::Images {
            path: training.labelled_by.clone(),
            flaw: ImageFlaw::OneClass,
        });
    }
    let Some(held_out) = held_out else {
        return Ok(());
    };
    held_out.check_labels(classes)?;
    if held_out.shape == training.shape {
        return Ok(());
    }
    let ([_, height, width], [_, expected_height, expected_width]) =
        (held_out.shape, training.shape);
    let flaw = ImageFlaw::Shape {
        height,
        width,
        expected_height,
        expected_width,
    };
    Err(Error::Images {
        path: held_out.path.clone(),
        flaw,
    })
}

/// Checks that a part is one file: two IDX files would be two sets, whose labels mean different
/// things.
fn check_single(folder: &Path, files: &[PathBuf]) -> Result<(), Error> {
    match files {
        [first, second, ..] => Err(several(folder, first, second)),
        _ => Ok(()),
    }
}

fn several(folder: &Path, first: &Path, second: &Path) -> Error {
    let [first, second] = [first, second].map(|file| name(file).to_owned());
    Error::images(folder, ImageFlaw::Several { first, second })
}

/// Whether a file's name says that it is for testing: `t10k-images-idx3-ubyte`, `test_batch.bin`.
fn is_test(file: &Path) -> bool {
    name(file)
        .split(|letter: char| !letter.is_alphanumeric())
        .any(|word| ["t10k", "test"].contains(&word))
}

/// A file's format by its name alone, as in a folder, where other files may lie beside the images.
fn format_by_name(file: &Path) -> Option<Format> {
    if idx::is_images(file) {
        Some(Format::Idx)
    } else if cifar::is_batch(file) {
        Some(Format::Cifar)
    } else {
        None
    }
}

/// A file's format by its name, or by what is in it.
fn format(file: &Path) -> Option<Format> {
    let named = format_by_name(file);
    if named.is_some() {
        named
    } else if idx::recognises(file) {
        Some(Format::Idx)
    } else if cifar::recognises(file) {
        Some(Format::Cifar)
    } else {
        None
    }
}

/// The files of a folder, but not of its folders, in order of their names.
fn listed(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = entries
        .into_iter()
        .filter(|entry| entry.is_file())
        .collect();
    files.sort();
    Ok(files)
}
