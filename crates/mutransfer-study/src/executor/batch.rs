//! Trials that are handed to a queue together.
//!
//! ```text
//! OUT/batches/NAME/batch.json   the trials of each element, and for which build
//! OUT/batches/NAME/script       what the queue was given
//! OUT/batches/NAME/N.log        what element N said
//! OUT/batches/NAME/N.stopped    that it was asked to end before it was done
//! ```
//!
//! The file is there before the queue knows of the batch, and the queue knows it by its name: so
//! whoever comes later finds what is queued. Elements of a batch whose file is gone do nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::store::{create_folder, read_json, write_json};

/// The folder of the batches' folders.
const BATCHES: &str = "batches";
const FILE: &str = "batch.json";
/// What the names of batches begin with.
const PREFIX: &str = "mutransfer-";

/// Trials in elements, each of which a queue runs in one task, one trial after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its name in the queue, which no other batch has.
    pub name: String,
    /// Fingerprint of the program that its trials are for.
    pub build: String,
    /// Names of the trials of each element.
    pub elements: Vec<Vec<String>>,
    /// What each of its workers gets.
    #[serde(default)]
    pub share: Share,
}

/// What a worker gets, wherever it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Seconds between two checkpoints, where it is not left to the worker.
    pub checkpoint: Option<u32>,
    /// GPUs that it has for itself.
    pub gpus: usize,
}

impl Batch {
    /// A batch of a new name.
    pub fn new(build: &str, share: Share, elements: Vec<Vec<String>>) -> Self {
        Self {
            name: name(),
            build: build.to_owned(),
            elements,
            share,
        }
    }

    /// Writes it into an output folder, and gives its own folder there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, root: &Path) -> Result<PathBuf, StoreError> {
        create_folder(&root.join(BATCHES))?;
        let folder = folder(root, &self.name);
        create_folder(&folder)?;
        write_json(&folder.join(FILE), self)?;
        Ok(folder)
    }

    /// The batch in a folder; none if it is gone.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        read_json(&folder.join(FILE))
    }

    /// All batches in an output folder, in the order of their names.
    ///
    /// # Errors
    /// When one cannot be read or is damaged.
    pub fn all(root: &Path) -> Result<Vec<Self>, StoreError> {
        let entries = fs::read_dir(root.join(BATCHES)).into_iter().flatten();
        let mut folders: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        folders.sort();
        let read = folders.iter().map(|folder| Self::read(folder));
        read.filter_map(Result::transpose).collect()
    }
}

/// The folder of the batch of a name.
pub fn folder(root: &Path, name: &str) -> PathBuf {
    root.join(BATCHES).join(name)
}

/// Forgets all batches in an output folder: an element of theirs ends after the trial that it is
/// at, or does nothing.
///
/// # Errors
/// When the folder cannot be removed.
pub fn abandon(root: &Path) -> io::Result<()> {
    gone(fs::remove_dir_all(root.join(BATCHES)))
}

/// Forgets a batch.
pub(super) fn forget(root: &Path, name: &str) -> io::Result<()> {
    gone(fs::remove_dir_all(folder(root, name)))
}

/// Forgets all batches but some, and what is left of folders that could not be removed whole, as an
/// element was still writing there. What has no name of a batch is somebody else's, and stays.
pub(super) fn keep(root: &Path, names: &BTreeSet<&str>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(BATCHES)).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.starts_with(PREFIX) && !names.contains(name) {
            gone(fs::remove_dir_all(entry.path()))?;
        }
    }
    Ok(())
}

/// Where an element of a batch leaves that it was asked to end before it was done.
pub(super) fn stopped(folder: &Path, element: usize) -> PathBuf {
    folder.join(format!("{element}.stopped"))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A name that no other batch has, of this process or another.
fn name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let unique = (
        since.unwrap_or_default().as_nanos(),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed),
    );
    let hash = blake3::hash(format!("{unique:?}").as_bytes()).to_hex();
    format!("{PREFIX}{}", &hash[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_found_again_until_it_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(Batch::all(root).unwrap(), []);
        let batches =
            ["a", "b"].map(|id| Batch::new("build", Share::default(), vec![vec![id.to_owned()]]));
        assert_ne!(batches[0].name, batches[1].name);
        for batch in &batches {
            let folder = batch.write(root).unwrap();
            assert_eq!(Batch::read(&folder).unwrap().as_ref(), Some(batch));
        }
        assert_eq!(Batch::all(root).unwrap().len(), 2);
        forget(root, &batches[0].name).unwrap();
        assert_eq!(Batch::all(root).unwrap(), [batches[1].clone()]);
        let left = folder(root, &batches[0].name);
        create_folder(&left).unwrap();
        fs::write(left.join("0.log"), "").unwrap();
        let others = root.join(BATCHES).join("notes.txt");
        fs::write(&others, "").unwrap();
        keep(root, &BTreeSet::from([batches[1].name.as_str()])).unwrap();
        assert!(!left.exists() && others.exists());
        fs::remove_file(others).unwrap();
        assert_eq!(Batch::all(root).unwrap(), [batches[1].clone()]);
        abandon(root).unwrap();
        abandon(root).unwrap();
        assert_eq!(Batch::all(root).unwrap(), []);
    }
}
