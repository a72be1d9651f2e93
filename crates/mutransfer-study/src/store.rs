//! The output folder of a study.
//!
//! ```text
//! OUT/trials/ID/trial.json      what the trial is
//! OUT/trials/ID/metrics.jsonl   its loss at every step
//! OUT/trials/ID/result.json     how it ended and how long it took, there if and only if it ended
//! OUT/results.csv               all finished trials of the study
//! ```
//!
//! A result appears by an atomic rename, so that whatever is killed at whatever moment, a result is
//! whole or absent.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::Builder;

use crate::Error;
use crate::trial::{Outcome, Trial};
use mutransfer_analysis::record::{Row, to_csv};

/// An output folder.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Creates the folder, or takes the one that is there.
    ///
    /// # Errors
    /// When the folder cannot be created or written to.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let store = Self {
            root: root.to_owned(),
        };
        fs::create_dir_all(root).map_err(|source| Error::File {
            verb: "create",
            path: root.to_owned(),
            source,
        })?;
        // Better to know now than after the first hour.
        store.write(".writable", b"")?;
        let _ = fs::remove_file(root.join(".writable"));
        Ok(store)
    }

    /// Path of a file in the folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Folder of a trial.
    pub fn folder(&self, trial: &Trial) -> PathBuf {
        self.root.join("trials").join(trial.id())
    }

    /// Writes a file of the folder, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &str, content: &[u8]) -> Result<(), Error> {
        write_atomic(&self.path(file), content)
    }

    /// Makes the folder of a trial, ready for a worker.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn prepare(&self, trial: &Trial) -> Result<PathBuf, Error> {
        let folder = self.folder(trial);
        fs::create_dir_all(&folder).map_err(|source| Error::File {
            verb: "create",
            path: folder.clone(),
            source,
        })?;
        write_json(&folder.join("trial.json"), trial)?;
        Ok(folder)
    }

    /// How a trial ended; none if it has not.
    ///
    /// # Errors
    /// When its record is there but damaged.
    pub fn outcome(&self, trial: &Trial) -> Result<Option<Outcome>, Error> {
        read_outcome(&self.folder(trial))
    }

    /// How many seconds a trial took; none if it has not ended, or ended before times were kept.
    ///
    /// # Errors
    /// When its record is there but damaged.
    pub fn seconds(&self, trial: &Trial) -> Result<Option<f64>, Error> {
        Ok(read_result::<Timed>(&self.folder(trial))?.and_then(|timed| timed.seconds))
    }

    /// Writes `results.csv`, in an order that depends on the rows only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_results(&self, rows: &[Row]) -> Result<(), Error> {
        let mut rows: Vec<&Row> = rows.iter().collect();
        let key = |row: &Row| (row.rule.clone(), row.width, row.lr.to_bits(), row.seed);
        rows.sort_by_key(|row| key(row));
        self.write("results.csv", to_csv(&rows).as_bytes())
    }
}

/// Reads what a worker was asked to do.
///
/// # Errors
/// When `trial.json` cannot be read or is damaged.
pub fn read_trial(folder: &Path) -> Result<Trial, Error> {
    let path = folder.join("trial.json");
    let text = fs::read(&path).map_err(|source| Error::File {
        verb: "read",
        path: path.clone(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|problem| Error::Corrupt {
        path,
        problem: problem.to_string(),
    })
}

/// How the trial in a folder ended; none if it has not.
///
/// # Errors
/// When its record is there but damaged.
pub fn read_outcome(folder: &Path) -> Result<Option<Outcome>, Error> {
    read_result(folder)
}

fn read_result<T: DeserializeOwned>(folder: &Path) -> Result<Option<T>, Error> {
    let path = folder.join("result.json");
    let text = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(Error::File {
                verb: "read",
                path,
                source,
            });
        }
        Ok(text) => text,
    };
    match serde_json::from_slice(&text) {
        Ok(result) => Ok(Some(result)),
        Err(problem) => Err(Error::Corrupt {
            path,
            problem: problem.to_string(),
        }),
    }
}

/// `result.json`. Times differ from run to run, so they stay out of everything that is compared:
/// [`Outcome`]s, `results.csv`, names of trials.
#[derive(Serialize)]
struct Ended<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    seconds: f64,
}

/// What older versions did not write.
#[derive(Deserialize)]
struct Timed {
    seconds: Option<f64>,
}

/// Writes how a trial ended, and how many seconds it took.
///
/// # Errors
/// When it cannot be written.
pub fn write_outcome(folder: &Path, outcome: &Outcome, seconds: f64) -> Result<(), Error> {
    write_json(&folder.join("result.json"), &Ended { outcome, seconds })
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Error> {
    write_atomic(path, &serde_json::to_vec_pretty(value).expect("plain data"))
}

fn write_atomic(path: &Path, content: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = partial().tempfile_in(folder).and_then(|mut file| {
        file.write_all(content)?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map(drop).map_err(|source| Error::File {
        verb: "write",
        path: path.to_owned(),
        source,
    })
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
