//! What the folder of a trial holds.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::atomic::{corrupt, read_optional, write_json};
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
}

/// Reads what a worker was asked to do.
///
/// # Errors
/// When `trial.json` cannot be read or is damaged.
pub fn read_assignment(folder: &Path) -> Result<Assignment, StoreError> {
    let path = folder.join("trial.json");
    let text = fs::read(&path).map_err(StoreError::of(Verb::Read, &path))?;
    serde_json::from_slice(&text).map_err(corrupt(&path))
}

/// How the trial in a folder ended; none if it has not.
///
/// # Errors
/// When its record is there but damaged.
pub fn read_record(folder: &Path) -> Result<Option<Record>, StoreError> {
    let path = folder.join("result.json");
    read_optional(&path)?
        .map(|text| serde_json::from_slice(&text).map_err(corrupt(&path)))
        .transpose()
}

/// Writes how a trial ended.
///
/// # Errors
/// When it cannot be written.
pub fn write_record(folder: &Path, record: &Record) -> Result<(), StoreError> {
    write_json(&folder.join("result.json"), record)
}
