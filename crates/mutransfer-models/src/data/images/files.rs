//! Which files hold the images at a path, and what they come to.

use std::fs;
use std::path::{Path, PathBuf};

use super::{ImageFlaw, cifar, idx};
use crate::Error;

/// Images with their labels, as they are stored: one plane after the other, row by row.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The file to name when the images are wrong: the first of several.
    pub(super) path: PathBuf,
    /// Channels, height and width.
    pub(super) shape: [usize; 3],
    pub(super) pixels: Vec<u8>,
    pub(super) labels: Vec<u8>,
    /// The file to name when a label is wrong.
    pub(super) labelled_by: PathBuf,
}

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
    match path.is_dir() {
        true => {
            listed(path).is_ok_and(|files| files.iter().any(|file| format_by_name(file).is_some()))
        }
        false => format(path).is_some(),
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
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let none = || Error::Images {
        path: path.to_owned(),
        flaw: ImageFlaw::NoImages,
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok((format(path).ok_or_else(none)?, vec![path.to_owned()]));
    }
    let mut files = listed(path).map_err(unreadable)?;
    files.retain(|file| format_by_name(file).is_some());
    // A file beside its packed form is the same images: a plain name sorts first.
    files.dedup_by(|packed, plain| idx::unpacked(name(packed)) == idx::unpacked(name(plain)));
    let format = files
        .first()
        .and_then(|file| format_by_name(file))
        .ok_or_else(none)?;
    match files
        .iter()
        .find(|file| format_by_name(file) != Some(format))
    {
        Some(other) => Err(several(path, &files[0], other)),
        None => Ok((format, files)),
    }
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

impl Part {
    /// Checks that every label names one of `classes`.
    pub(super) fn check_labels(&self, classes: usize) -> Result<(), Error> {
        match self
            .labels
            .iter()
            .position(|label| usize::from(*label) >= classes)
        {
            None => Ok(()),
            Some(index) => {
                let flaw = ImageFlaw::Label {
                    label: self.labels[index],
                    index,
                    classes,
                };
                Err(Error::Images {
                    path: self.labelled_by.clone(),
                    flaw,
                })
            }
        }
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
    Error::Images {
        path: folder.to_owned(),
        flaw: ImageFlaw::Several { first, second },
    }
}

/// Whether a file's name says that it is for testing: `t10k-images-idx3-ubyte`, `test_batch.bin`.
fn is_test(file: &Path) -> bool {
    name(file)
        .split(|letter: char| !letter.is_alphanumeric())
        .any(|word| ["t10k", "test"].contains(&word))
}

/// A file's format by its name alone, as in a folder, where other files may lie beside the images.
fn format_by_name(file: &Path) -> Option<Format> {
    let formats = [
        (Format::Idx, idx::is_images(file)),
        (Format::Cifar, cifar::is_batch(file)),
    ];
    formats
        .into_iter()
        .find(|(_, found)| *found)
        .map(|(format, _)| format)
}

/// A file's format by its name, or by what is in it.
fn format(file: &Path) -> Option<Format> {
    let inside = || {
        let formats = [
            (Format::Idx, idx::recognises(file)),
            (Format::Cifar, cifar::recognises(file)),
        ];
        formats
            .into_iter()
            .find(|(_, found)| *found)
            .map(|(format, _)| format)
    };
    format_by_name(file).or_else(inside)
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

/// A file's name; empty if it is not Unicode, which no name that is looked for here is.
pub(super) fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}
