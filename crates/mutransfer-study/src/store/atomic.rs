//! Files that are whole or absent.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use tempfile::Builder;

use crate::error::{StoreError, Verb};

/// The content of a file; none if there is no such file.
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::of(Verb::Read, path)(error)),
    }
}

/// What makes an error of the reader one of this record.
pub(crate) fn corrupt<E: ToString>(path: &Path) -> impl FnOnce(E) -> StoreError + use<E> {
    let path = path.to_owned();
    move |problem| StoreError::Corrupt {
        path,
        problem: problem.to_string(),
    }
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    write_atomic(path, &serde_json::to_vec_pretty(value).expect("plain data"))
}

pub(super) fn write_atomic(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = partial().tempfile_in(folder).and_then(|mut file| {
        file.write_all(content)?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map(drop).map_err(StoreError::of(Verb::Write, path))
}

/// A file that is readable to whom other new files are, and that is gone if it is not made
/// permanent.
fn partial() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.prefix(".partial-");
    builder
}
