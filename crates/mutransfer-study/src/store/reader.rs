//! Reading the trials of a study, which another process may be running.

use std::fs;
use std::path::{Path, PathBuf};

use super::atomic::is_partial;
use super::place::shared;
use super::record::{Assignment, Record, curve_path, read_assignment};
use super::records::trial_folders;
use super::schema::{COPY, FILE, damaged, failed, open_to_read};
use super::{RESULTS, TRIALS};
use crate::axis::Rung;
use crate::curves::Metric;
use crate::error::StoreError;
use crate::trial::Trial;

/// A trial of a study, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Name of the trial.
    pub id: String,
    /// The trial.
    pub trial: Trial,
    /// How it ended, if it has.
    pub record: Option<Record>,
    /// Its loss at every step, a JSON object a line; empty if it has not ended or was not asked
    /// for.
    pub curve: String,
}

/// What is to be read of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// How it ended.
    End,
    /// Its loss at every step too.
    Curve,
}

/// Visits the trials of the study in a folder, in the order of their names.
///
/// # Errors
/// When there is no study, it cannot be read or is damaged, or the visitor fails.
pub fn visit<E: From<StoreError>>(
    root: &Path,
    part: Part,
    mut visitor: impl FnMut(Recorded) -> Result<(), E>,
) -> Result<(), E> {
    let path = path(root)?;
    let connection = open_to_read(&path)?;
    let curve = match part {
        Part::End => "NULL",
        Part::Curve => "curve",
    };
    let select = format!(
        "SELECT id, trial, record, {curve} FROM trial LEFT JOIN result USING (id) WHERE is_listed \
         ORDER BY id"
    );
    let mut rows = connection.prepare(&select).map_err(failed(&path))?;
    let mut rows = rows.query([]).map_err(failed(&path))?;
    while let Some(row) = rows.next().map_err(failed(&path))? {
        visitor(recorded(row, part, &path)?)?;
    }
    Ok(())
}

/// All trials of the study in a folder, without their curves.
///
/// # Errors
/// When there is no study, or it cannot be read or is damaged.
pub fn read(root: &Path) -> Result<Vec<Recorded>, StoreError> {
    let mut all = Vec::new();
    visit(root, Part::End, |trial| {
        all.push(trial);
        Ok::<(), StoreError>(())
    })?;
    Ok(all)
}

/// The sizes of the trials of the study in a folder, each once.
///
/// # Errors
/// When there is no study, or it cannot be read or is damaged.
pub fn rungs(root: &Path) -> Result<Vec<Rung>, StoreError> {
    let mut found = Vec::new();
    visit(root, Part::End, |recorded| {
        recorded.trial.rung().join(&mut found);
        Ok::<(), StoreError>(())
    })?;
    Ok(found)
}

/// A trial under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// The trial.
    pub trial: Trial,
    /// Steps done.
    pub step: usize,
    /// Loss of the last one, in nats; none if it was no number.
    pub loss: Option<f64>,
}

/// The trials that have begun in a folder and have not ended, in the order of their names. What
/// cannot be read is on its way in or out, and is left out.
///
/// # Errors
/// When the folder of the trials cannot be read.
pub fn running(root: &Path) -> Result<Vec<Running>, StoreError> {
    let folders = trial_folders(&root.join(TRIALS))?;
    Ok(folders
        .iter()
        .filter_map(|folder| under_way(folder))
        .collect())
}

fn under_way(folder: &Path) -> Option<Running> {
    let Assignment { trial, .. } = read_assignment(folder).ok()?;
    let curve = begun(folder).and_then(|path| fs::read_to_string(path).ok());
    let curve = curve.unwrap_or_default();
    // The last line may be half written.
    let last = curve
        .rsplit('\n')
        .find_map(|line| serde_json::from_str::<Metric>(line).ok());
    Some(Running {
        trial,
        step: last.as_ref().map_or(0, |last| last.step + 1),
        loss: last.and_then(|last| last.loss),
    })
}

/// The curve of a trial under way, which has its name once it is whole.
fn begun(folder: &Path) -> Option<PathBuf> {
    let whole = curve_path(folder);
    if whole.exists() {
        return Some(whole);
    }
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut files = files.map(|file| file.path());
    files.find(|path| is_partial(path))
}

/// What is to be opened of a study.
fn path(root: &Path) -> Result<PathBuf, StoreError> {
    let copy = root.join(COPY);
    let path = if shared(root).is_some() && copy.exists() {
        copy
    } else {
        root.join(FILE)
    };
    if path.exists() {
        return Ok(path);
    }
    let is_older = [RESULTS, TRIALS].map(|name| root.join(name).exists());
    let path = root.to_owned();
    Err(if is_older.contains(&true) {
        StoreError::Older { path }
    } else {
        StoreError::NoStudy { path }
    })
}

fn recorded(row: &rusqlite::Row, part: Part, path: &Path) -> Result<Recorded, StoreError> {
    let id: String = row.get(0).map_err(failed(path))?;
    let trial: String = row.get(1).map_err(failed(path))?;
    let record: Option<String> = row.get(2).map_err(failed(path))?;
    let curve: Option<Vec<u8>> = row.get(3).map_err(failed(path))?;
    let trial: Trial = serde_json::from_str(&trial).map_err(damaged(path, &id))?;
    let record: Option<Record> = record
        .map(|record| serde_json::from_str(&record).map_err(damaged(path, &id)))
        .transpose()?;
    let curve = curve.unwrap_or_default();
    if let (Part::Curve, Some(record)) = (part, &record) {
        record.check(&id, &curve).map_err(damaged(path, &id))?;
    }
    let curve = String::from_utf8(curve).map_err(damaged(path, &id))?;
    Ok(Recorded {
        id,
        trial,
        record,
        curve,
    })
}
