//! Images as files hold them.

use std::path::{Path, PathBuf};

use super::flaw::ImageFlaw;
use crate::error::Error;

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

impl Part {
    /// Checks that every label names one of `classes`.
    pub(super) fn check_labels(&self, classes: usize) -> Result<(), Error> {
        let wrong = self
            .labels
            .iter()
            .position(|label| usize::from(*label) >= classes);
        let Some(index) = wrong else { return Ok(()) };
        let flaw = ImageFlaw::Label {
            label: self.labels[index],
            index,
            classes,
        };
        Err(Error::images(&self.labelled_by, flaw))
    }
}

/// A file's name; empty if it is not Unicode, which no name that is looked for here is.
pub(super) fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}
