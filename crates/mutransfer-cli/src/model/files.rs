//! Shapes from files, and what is said of them.

use std::path::{Path, PathBuf};

use mutransfer::Shapes;
use mutransfer_study::shapes::{self, ShapesFileError};

use crate::failure::Failure;
use crate::say::note;

pub(super) use mutransfer_study::shapes::is_bsh;

/// Shapes of what is trained, from files that make one model together; none of no files. Says what
/// was left out.
pub(super) fn shapes(paths: &[PathBuf]) -> Result<Option<Shapes>, Failure> {
    if paths.is_empty() {
        Ok(None)
    } else {
        base(paths).map(Some)
    }
}

/// The same of one file at least.
pub(super) fn base(paths: &[PathBuf]) -> Result<Shapes, Failure> {
    let (trained, left) = shapes::read(paths)?;
    let first = paths.first().map(|path| path.display());
    for kind in left {
        let path = first.as_ref().map(ToString::to_string).unwrap_or_default();
        note!(
            "note: {path}: left out {} {}, such as `{}`",
            kind.count,
            kind.what,
            kind.example
        );
    }
    Ok(trained)
}

pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    mutransfer_study::text::read(path).map_err(|error| Failure::unreadable(path, error))
}

impl From<ShapesFileError> for Failure {
    fn from(error: ShapesFileError) -> Self {
        match error {
            ShapesFileError::File { path, source } => Self::unreadable(&path, source),
            ShapesFileError::Content { path, source } => Self::from(source).in_file(&path),
            other => Self::usage(other.to_string(), None),
        }
    }
}
