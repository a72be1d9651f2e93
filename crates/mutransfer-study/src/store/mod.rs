//! The output folder of a study.
//!
//! ```text
//! OUT/.lease                    who runs the study now
//! OUT/.mutransfer               names of the files that this program wrote there
//! OUT/study.json                the trials of the study
//! OUT/trials/ID/trial.json      what the trial is, and which build it was made by
//! OUT/trials/ID/metrics.jsonl   its loss at every step
//! OUT/trials/ID/result.json     how it ended, on which build, and how long it took
//! OUT/results.csv               all finished trials of the study
//! ```
//!
//! A result appears by an atomic rename after it and its curve are on the disk, so that whatever is
//! killed at whatever moment, by a power cut too, a result is whole or absent. `results.csv` is a
//! list of what the folders of the trials hold, which are the truth.

mod atomic;
mod lease;
mod manifest;
mod place;
mod record;
mod results;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{StoreError, Verb};
use crate::trial::{Outcome, Trial};
use atomic::{create_folder, sweep, write_atomic, write_json};
use manifest::Manifest;
use results::{line, table};

pub use results::Ended;

pub(crate) use lease::Lease;

pub(crate) use record::curve_path;

pub(crate) use results::Columns;

pub use manifest::Foreign;

pub use record::{Assignment, Record, read_assignment, read_record, write_record};

pub(crate) use atomic::{corrupt, read_optional};

/// An output folder.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    manifest: Manifest,
}

impl Store {
    /// Creates the folder, or takes the one that is there.
    ///
    /// # Errors
    /// When the folder cannot be created or written to.
    pub fn open(root: &Path, foreign: Foreign) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(StoreError::of(Verb::Create, root))?;
        // Better to know now than after the first hour.
        let probe = root.join(".writable");
        write_atomic(&probe, b"")?;
        let _ = fs::remove_file(probe);
        Ok(Self {
            root: root.to_owned(),
            manifest: Manifest::read(root, foreign)?,
        })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes the right to run the study in the folder, and removes what a killed process has left
    /// half written there.
    pub(crate) fn lease(&self) -> Result<Lease, StoreError> {
        let lease = Lease::take(&self.root)?;
        sweep(&self.root)?;
        Ok(lease)
    }

    /// Path of a file in the folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Folder of a trial.
    pub fn folder(&self, trial: &Trial) -> PathBuf {
        folder_of(&self.root, &trial.id())
    }

    /// Checks that files of these names can be written, before the work for them begins.
    ///
    /// # Errors
    /// When there is a file of such a name that this program did not write.
    pub fn check<'a>(&self, files: impl IntoIterator<Item = &'a str>) -> Result<(), StoreError> {
        files
            .into_iter()
            .try_for_each(|file| self.manifest.check(file))
    }

    /// Writes a file of the folder, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written, or there is one that this program did not write.
    pub fn write(&self, file: &str, content: &[u8]) -> Result<(), StoreError> {
        self.manifest.list(file)?;
        write_atomic(&self.path(file), content)
    }

    /// Makes the folder of a trial, ready for a worker of this build.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn prepare(&self, trial: &Trial, build: &str) -> Result<PathBuf, StoreError> {
        let folder = self.folder(trial);
        create_folder(&self.path(TRIALS))?;
        create_folder(&folder)?;
        sweep(&folder)?;
        let assignment = Assignment {
            build: build.to_owned(),
            trial: trial.clone(),
        };
        write_json(&folder.join("trial.json"), &assignment)?;
        Ok(folder)
    }

    /// What is known of a trial's end; none if it has not ended.
    ///
    /// # Errors
    /// When its record is there but damaged.
    pub fn record(&self, trial: &Trial) -> Result<Option<Record>, StoreError> {
        read_record(&self.folder(trial), &trial.id())
    }

    /// Puts the record of a trial aside, which then can be run again, and gives where it is now.
    pub(crate) fn set_aside(&self, trial: &Trial) -> Result<PathBuf, StoreError> {
        record::set_aside(&self.folder(trial))
    }
}

/// Names of the trials that the study in a folder lists.
///
/// # Errors
/// When there is no study, or its list is damaged.
pub(crate) fn listed(root: &Path) -> Result<Vec<String>, StoreError> {
    let path = root.join(STUDY);
    let Some(text) = read_optional(&path)? else {
        return Err(StoreError::NoStudy {
            path: root.to_owned(),
        });
    };
    let index: Index = serde_json::from_slice(&text).map_err(corrupt(&path))?;
    Ok(index.trials)
}

/// The table of all trials that ended.
const RESULTS: &str = "results.csv";

/// The folder of the trials' folders.
const TRIALS: &str = "trials";

/// The file that says which trials are those of the study.
const STUDY: &str = "study.json";

#[derive(serde::Serialize, serde::Deserialize)]
struct Index {
    trials: Vec<String>,
}

impl Store {
    /// Writes which trials are those of the study, so that no other one in the folder is judged
    /// with them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn list(&self, trials: &[Trial]) -> Result<(), StoreError> {
        let mut ids: Vec<String> = trials.iter().map(Trial::id).collect();
        ids.sort();
        ids.dedup();
        self.manifest.list(STUDY)?;
        write_json(&self.path(STUDY), &Index { trials: ids })
    }

    /// Writes `results.csv` anew, in an order that depends on the trials only.
    pub(crate) fn write_results(
        &self,
        columns: &Columns,
        ended: &[Ended],
    ) -> Result<(), StoreError> {
        self.write(RESULTS, &table(columns, ended))
    }

    /// Adds the row of a trial behind all others.
    pub(crate) fn append_result(
        &self,
        columns: &Columns,
        trial: &Trial,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        let path = self.path(RESULTS);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(&line(columns, trial, outcome)))
            .map_err(StoreError::of(Verb::Write, &path))
    }
}

/// Folder of the trial of a name in an output folder.
pub(crate) fn folder_of(root: &Path, id: &str) -> PathBuf {
    root.join(TRIALS).join(id)
}
