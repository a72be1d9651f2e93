//! What the folder of a trial holds.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic::{corrupt, read_optional, sync_folder, write_json};
use crate::error::{StoreError, Verb};
use crate::trial::{Outcome, Trial};

/// `trial.json`: what a worker is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Fingerprint of the program that asks.
    pub build: String,
    /// The trial.
    pub trial: Trial,
}

/// `result.json`: how a trial ended. Times differ from run to run, so they stay out of everything
/// that is compared: [`Outcome`]s, `results.csv`, names of trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How many seconds it took; older versions did not write it.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Fingerprint of the program that trained it.
    #[serde(default)]
    pub build: String,
    /// Hash of the trial's name, its end and its curve, by which a record that was torn, altered or
    /// brought from another trial is told; older versions did not write it.
    #[serde(default)]
    seal: Option<String>,
}

/// What stands for the build of the program that trained what was imported, which is not known and
/// which whoever imports it vouches for.
pub(crate) const IMPORTED: &str = "imported";

/// The loss of a trial at every step.
const CURVE: &str = "metrics.jsonl";
pub(super) const RESULT: &str = "result.json";
/// What follows the name of the trial in that of a record that cannot be believed, beside the
/// folder, which goes once the trial has ended again.
const ASIDE: &str = "damaged.json";

/// Reads what a worker was asked to do.
///
/// # Errors
/// When `trial.json` cannot be read or is damaged.
pub fn read_assignment(folder: &Path) -> Result<Assignment, StoreError> {
    let path = folder.join("trial.json");
    let text = fs::read(&path).map_err(StoreError::of(Verb::Read, &path))?;
    serde_json::from_slice(&text).map_err(corrupt(&path))
}

/// How the trial of a name ended, in its folder; none if it has not.
///
/// # Errors
/// When its record is there but damaged, of another trial, or not of the curve beside it.
pub fn read_record(folder: &Path, id: &str) -> Result<Option<Record>, StoreError> {
    let path = folder.join(RESULT);
    let Some(text) = read_optional(&path)? else {
        return Ok(None);
    };
    let record: Record = serde_json::from_slice(&text).map_err(corrupt(&path))?;
    let curve = read_optional(&curve_path(folder))?.unwrap_or_default();
    record.check(id, &curve).map_err(corrupt(&path))?;
    Ok(Some(record))
}

/// Writes how the trial of a name ended, once its curve is complete.
///
/// # Errors
/// When it cannot be written.
pub fn write_record(
    folder: &Path,
    id: &str,
    outcome: Outcome,
    seconds: f64,
    build: &str,
) -> Result<(), StoreError> {
    let curve = read_optional(&curve_path(folder))?.unwrap_or_default();
    let record = Record {
        seal: Some(seal(id, &outcome, &curve)),
        outcome,
        seconds: Some(seconds),
        build: build.to_owned(),
    };
    write_json(&folder.join(RESULT), &record)
}

/// Puts a record aside that cannot be believed, and gives where it is now.
pub(super) fn set_aside(folder: &Path) -> Result<PathBuf, StoreError> {
    let aside = folder.with_extension(ASIDE);
    fs::rename(folder.join(RESULT), &aside)
        .and_then(|()| sync_folder(folder))
        .map_err(StoreError::of(Verb::Write, &aside))?;
    Ok(aside)
}

/// Path of the curve of the trial in a folder.
pub(crate) fn curve_path(folder: &Path) -> PathBuf {
    folder.join(CURVE)
}

impl Record {
    /// Of a trial that ended elsewhere, without a curve.
    pub(crate) fn imported(id: &str, outcome: Outcome) -> Self {
        Self {
            seal: Some(seal(id, &outcome, b"")),
            outcome,
            seconds: None,
            build: IMPORTED.to_owned(),
        }
    }

    /// Whether it can be told from one that was altered.
    pub(super) fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// Checks that it is of the trial of this name, with this curve.
    pub(crate) fn check(&self, id: &str, curve: &[u8]) -> Result<(), &'static str> {
        match &self.seal {
            Some(own) if *own != seal(id, &self.outcome, curve) => {
                Err("it does not fit its trial, or its curve")
            }
            _ => Ok(()),
        }
    }
}

fn seal(id: &str, outcome: &Outcome, curve: &[u8]) -> String {
    let outcome = serde_json::to_vec(outcome).expect("plain data");
    let mut hasher = blake3::Hasher::new();
    for part in [id.as_bytes(), &outcome, curve] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Outcome = Outcome::Finished {
        train_loss: 1.5,
        loss: 0.1 + 0.2,
    };

    /// A folder with the record of trial `a`.
    fn recorded() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(curve_path(folder.path()), "{\"step\":0,\"loss\":2.5}\n").unwrap();
        write_record(folder.path(), "a", END, 0.5, "build").unwrap();
        folder
    }

    #[test]
    fn a_record_is_believed_with_its_trial_its_end_and_its_curve() {
        let folder = recorded();
        let record = read_record(folder.path(), "a").unwrap().unwrap();
        assert_eq!((record.outcome, record.seconds), (END, Some(0.5)));
        assert!(read_record(folder.path(), "b").is_err(), "of another trial");

        let path = folder.path().join(RESULT);
        let text = fs::read_to_string(&path).unwrap();
        let changes: [(&str, &str); 2] = [("1.5", "1.25"), ("finished", "failed")];
        for (from, to) in changes {
            fs::write(&path, text.replace(from, to)).unwrap();
            assert!(read_record(folder.path(), "a").is_err(), "{from} to {to}");
        }
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(read_record(folder.path(), "a").is_err(), "torn");
    }

    #[test]
    fn a_record_without_its_whole_curve_is_not_believed() {
        for curve in [None, Some(""), Some("{\"step\":0,"), Some("\0\0\0\0")] {
            let folder = recorded();
            let path = curve_path(folder.path());
            match curve {
                None => fs::remove_file(path).unwrap(),
                Some(text) => fs::write(path, text).unwrap(),
            }
            assert!(read_record(folder.path(), "a").is_err(), "{curve:?}");
            fs::remove_file(set_aside(folder.path()).unwrap()).unwrap();
            assert_eq!(read_record(folder.path(), "a").unwrap(), None);
        }
    }
}
