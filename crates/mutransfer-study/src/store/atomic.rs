//! Files that are whole or absent, and stay so when the power fails.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{Builder, NamedTempFile};

use crate::error::{StoreError, Verb};

/// What files are called that are not whole yet.
const PARTIAL: &str = ".partial-";

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

/// What a file of JSON holds; none if there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    let text = read_optional(path)?;
    text.map(|text| serde_json::from_slice(&text).map_err(corrupt(path)))
        .transpose()
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    write_atomic(path, &serde_json::to_vec_pretty(value).expect("plain data"))
}

/// Writes a file whose content is on the disk before its name is, and its name before this returns.
pub(crate) fn write_atomic(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let written = begin_file(folder_of_file(path)).and_then(|mut file| {
        file.write_all(content)?;
        end_file(file, path)?;
        sync_folder(folder_of_file(path))
    });
    written.map_err(StoreError::of(Verb::Write, path))
}

/// A file in a folder that has no name yet, and is gone if it never gets one. It is readable to
/// whom other new files are.
pub(crate) fn begin_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.prefix(PARTIAL).tempfile_in(folder)
}

/// Gives a whole file its name, once its content is on the disk. The name is when those of its
/// folder are.
pub(crate) fn end_file(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Waits until the names in a folder are on the disk. Systems other than Unix open no folders.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Removes a file; that there is none is fine.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StoreError::of(Verb::Write, path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes a folder, whose name is on the disk before this returns.
pub(crate) fn create_folder(folder: &Path) -> Result<(), StoreError> {
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(folder_of_file(folder)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(StoreError::of(Verb::Create, folder))
}

/// Removes a folder at once: whatever is killed meanwhile, it is whole or under a name that is
/// swept.
pub(super) fn remove_folder(folder: &Path) -> Result<(), StoreError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let gone = folder.with_file_name(format!("{PARTIAL}{name}"));
    let removed = fs::rename(folder, &gone).and_then(|()| fs::remove_dir_all(&gone));
    removed.map_err(StoreError::of(Verb::Write, folder))
}

/// Removes what a killed process has left half written, or half removed, in a folder.
pub(crate) fn sweep(folder: &Path) -> Result<(), StoreError> {
    let failed = || StoreError::of(Verb::Read, folder);
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let path = entry.path();
        if is_partial(&path) {
            let removed = if entry.file_type().map_err(failed())?.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(StoreError::of(Verb::Write, &path))?;
        }
    }
    Ok(())
}

/// Whether a file is not whole yet, by its name.
pub(super) fn is_partial(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(PARTIAL)
}

fn folder_of_file(path: &Path) -> &Path {
    let folder = path.parent().unwrap_or(Path::new(""));
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_half_written_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let names = [".partial-abc", ".mutransfer", "result.json"];
        for name in names {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        fs::create_dir_all(folder.path().join(".partial-trial/log")).unwrap();
        sweep(folder.path()).unwrap();
        assert!(!folder.path().join(".partial-trial").exists());
        let left = names.map(|name| folder.path().join(name).exists());
        assert_eq!(left, [false, true, true]);
    }
}
