//! Which files of a folder are ours.
//!
//! A name is listed before the file is written for the first time. A file whose name is not listed
//! was there before, and is somebody else's.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::atomic::{read_optional, sync_folder};
use crate::error::{StoreError, Verb};

/// What to do about files that somebody else wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Foreign {
    /// Leave them alone, and say so.
    #[default]
    Keep,
    /// Overwrite them.
    Overwrite,
}

/// The list, a name a line.
pub(super) const FILE: &str = ".mutransfer";

#[derive(Debug)]
pub(super) struct Manifest {
    root: PathBuf,
    foreign: Foreign,
    ours: Mutex<BTreeSet<String>>,
}

impl Manifest {
    pub(super) fn read(root: &Path, foreign: Foreign) -> Result<Self, StoreError> {
        let text = read_optional(&root.join(FILE))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        Ok(Self {
            root: root.to_owned(),
            foreign,
            ours: Mutex::new(text.lines().map(str::to_owned).collect()),
        })
    }

    /// Whether a file of this name may be written.
    pub(super) fn check(&self, file: &str) -> Result<(), StoreError> {
        let path = self.root.join(file);
        let is_ours = self.ours().contains(file) || self.foreign == Foreign::Overwrite;
        if is_ours || fs::symlink_metadata(&path).is_err() {
            return Ok(());
        }
        Err(StoreError::Foreign { path })
    }

    /// Lists a name, whose file is about to be written.
    pub(super) fn list(&self, file: &str) -> Result<(), StoreError> {
        self.check(file)?;
        if !self.ours().insert(file.to_owned()) {
            return Ok(());
        }
        let list = self.root.join(FILE);
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&list)
            .and_then(|mut list| {
                // Or after a power cut the file would be taken for somebody else's.
                writeln!(list, "{file}")?;
                list.sync_all()?;
                sync_folder(&self.root)
            })
            .map_err(StoreError::of(Verb::Write, &list))
    }

    fn ours(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
