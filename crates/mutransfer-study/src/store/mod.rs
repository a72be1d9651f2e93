//! The output folder of a study.
//!
//! ```text
//! OUT/.lease                    who runs the study now
//! OUT/.mutransfer               names of the files that this program wrote there
//! OUT/study.db                  the trials of the study, their ends and their curves
//! OUT/trials/ID/trial.json      what a trial is that runs, and which build it was made by
//! OUT/trials/ID/metrics.jsonl   its loss at every step
//! OUT/trials/ID/result.json     how it ended, on which build, and how long it took
//! OUT/batches/                  what is queued in a cluster
//! OUT/results.csv               all finished trials of the study
//! ```
//!
//! A result appears by an atomic rename after it and its curve are on the disk, is taken into the
//! database, and then its folder goes. Whatever is killed at whatever moment, by a power cut too,
//! it is in the folder or in the database, whole or absent. `results.csv` is a list of what the
//! database holds.

mod atomic;
mod lease;
mod manifest;
mod place;
mod reader;
mod record;
mod records;
mod results;
mod salvage;
mod schema;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{StoreError, Verb};
use crate::trial::{Outcome, Trial};
use lease::Lease;
use manifest::Manifest;
use results::{line, table};

pub use results::Ended;

pub use lease::holder;

pub use reader::{Part, Recorded, Running, read, rungs, running, visit};

pub use records::Records;

pub(crate) use record::IMPORTED;

pub(crate) use records::Ended as Brought;

pub(crate) use record::curve_path;

pub(crate) use results::{Columns, all_settings};

#[cfg(feature = "parquet")]
pub(crate) use results::{Cell, Kind, rows};

#[cfg(all(test, feature = "parquet"))]
pub(crate) use results::tests::recorded;

pub use manifest::Foreign;

pub use record::{Assignment, Record, read_assignment, read_record, write_record};

pub use results::csv;

pub use salvage::Salvaged;

pub(crate) use atomic::{
    begin_file, corrupt, create_folder, end_file, read_json, remove_if_there, sweep, write_atomic,
    write_json,
};

pub(crate) use place::is_shared;

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

    /// Takes the right to run the study in the folder, removes what a killed process has left half
    /// written there, and opens its records.
    ///
    /// # Errors
    /// When another process has that right, or the records cannot be read and written.
    pub fn records(&self) -> Result<Records, StoreError> {
        let lease = Lease::take(&self.root)?;
        sweep(&self.root)?;
        self.manifest.list(schema::FILE)?;
        Records::open(&self.root, lease)
    }

    /// Keeps what can be read of a damaged database, and puts that aside; none where there is no
    /// database.
    ///
    /// # Errors
    /// When another process runs the study, or the folder cannot be written.
    pub fn salvage(&self) -> Result<Option<Salvaged>, StoreError> {
        let _lease = Lease::take(&self.root)?;
        let is_there = self.path(schema::FILE).exists();
        is_there.then(|| salvage::salvage(&self.root)).transpose()
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
        // That it failed, or an end that does not count.
        remove_if_there(&folder.join(record::RESULT))?;
        write_json(&folder.join("trial.json"), &assignment)?;
        Ok(folder)
    }
}

/// The table of all trials that ended.
const RESULTS: &str = "results.csv";

/// The folder of the trials' folders.
const TRIALS: &str = "trials";

impl Store {
    /// Writes `results.csv` anew, in an order that depends on the trials only.
    pub(crate) fn write_results(
        &self,
        columns: &Columns,
        ended: &[Ended],
    ) -> Result<(), StoreError> {
        let ended = ended.iter().map(|(trial, outcome)| (trial, outcome));
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
