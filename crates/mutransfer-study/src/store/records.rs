//! The trials of a study and their records, in `OUT/study.db`.
//!
//! One process writes, which has the lease of the folder. A record is in the database before the
//! folder of its trial goes, so that whatever is killed at whatever moment, it is in one of them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};

use super::atomic::{corrupt, remove_folder, remove_if_there, sweep};
use super::lease::Lease;
use super::place::shared;
use super::record::{Assignment, Record, curve_path, read_assignment, read_record, set_aside};
use super::schema::{self, COPY, FILE, Locks};
use super::{TRIALS, folder_of};
use crate::error::{StoreError, Verb};
use crate::trial::Trial;

/// How many records are written at once where many are found.
const BATCH: usize = 500;
/// How old the copy for readers may become.
const STALE: Duration = Duration::from_secs(30);

/// The records of the study in a folder, for the one process that runs it.
#[derive(Debug)]
pub struct Records {
    root: PathBuf,
    path: PathBuf,
    connection: Connection,
    locks: Locks,
    copied: Cell<Option<Instant>>,
    _lease: Lease,
}

/// A trial that ended, and what it has left.
pub(crate) struct Ended {
    pub(crate) trial: Trial,
    pub(crate) record: Record,
    pub(crate) curve: Vec<u8>,
}

impl Records {
    /// Opens those of a folder, or begins them.
    pub(super) fn open(root: &Path, lease: Lease) -> Result<Self, StoreError> {
        let locks = Locks::on(shared(root));
        Self::with_locks(root, lease, locks)
    }

    fn with_locks(root: &Path, lease: Lease, locks: Locks) -> Result<Self, StoreError> {
        let path = root.join(FILE);
        Ok(Self {
            connection: schema::open_to_write(&path, locks)?,
            root: root.to_owned(),
            path,
            locks,
            copied: Cell::new(None),
            _lease: lease,
        })
    }

    /// Lists the trials of the study, so that no other one in the folder is judged with them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn list(&self, trials: &[Trial]) -> Result<(), StoreError> {
        if self.are_listed(trials)? {
            return Ok(());
        }
        self.write(|connection| {
            connection.execute("UPDATE trial SET is_listed = 0 WHERE is_listed", [])?;
            enter(connection, trials, true)
        })
    }

    /// Whether just these are the trials of the study.
    fn are_listed(&self, trials: &[Trial]) -> Result<bool, StoreError> {
        let mut names: BTreeSet<String> = trials.iter().map(Trial::id).collect();
        let select = "SELECT id FROM trial WHERE is_listed";
        let mut rows = self.connection.prepare(select).map_err(self.failed())?;
        let mut rows = rows.query([]).map_err(self.failed())?;
        while let Some(row) = rows.next().map_err(self.failed())? {
            let name: String = row.get(0).map_err(self.failed())?;
            if !names.remove(&name) {
                return Ok(false);
            }
        }
        Ok(names.is_empty())
    }

    /// The records of all trials that ended, by the names of the trials.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn all(&self) -> Result<BTreeMap<String, Record>, StoreError> {
        let mut rows = self
            .connection
            .prepare("SELECT id, record FROM result")
            .map_err(self.failed())?;
        let mut rows = rows.query([]).map_err(self.failed())?;
        let mut all = BTreeMap::new();
        while let Some(row) = rows.next().map_err(self.failed())? {
            let id: String = row.get(0).map_err(self.failed())?;
            let record: String = row.get(1).map_err(self.failed())?;
            let record = serde_json::from_str(&record);
            let record = record.map_err(schema::damaged(&self.path, &id))?;
            all.insert(id, record);
        }
        Ok(all)
    }

    /// How a trial ended; none if it has not.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn record(&self, trial: &Trial) -> Result<Option<Record>, StoreError> {
        let select = "SELECT record FROM result WHERE id = ?1";
        let text: Option<String> = self
            .connection
            .query_row(select, [trial.id()], |row| row.get(0))
            .optional()
            .map_err(self.failed())?;
        let damaged = || schema::damaged(&self.path, &trial.id());
        text.map(|text| serde_json::from_str(&text).map_err(damaged()))
            .transpose()
    }

    /// Takes in the record that a trial has left in its folder, which then goes; none if it left
    /// none that is final.
    ///
    /// # Errors
    /// When the folder or the database cannot be read or written.
    pub(crate) fn take(&self, trial: &Trial) -> Result<Option<Record>, StoreError> {
        let folder = folder_of(&self.root, &trial.id());
        let Some(ended) = ended(&folder, trial.clone())? else {
            return Ok(None);
        };
        let record = ended.record.clone();
        self.keep(vec![ended])?;
        Ok(Some(record))
    }

    /// Takes in what an earlier process or version has left in the folders of trials, and gives
    /// where the records are that cannot be believed.
    ///
    /// # Errors
    /// When a folder or the database cannot be read or written.
    pub(crate) fn take_all(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut aside = Vec::new();
        let trials = self.root.join(TRIALS);
        if trials.exists() {
            sweep(&trials)?;
        }
        for folders in trial_folders(&trials)?.chunks(BATCH) {
            let mut found = Vec::new();
            for folder in folders {
                // It was killed before it wrote what to do.
                let Ok(Assignment { trial, .. }) = read_assignment(folder) else {
                    continue;
                };
                match ended(folder, trial) {
                    Err(StoreError::Corrupt { .. }) => aside.push(set_aside(folder)?),
                    ended => found.extend(ended?),
                }
            }
            self.keep(found)?;
        }
        Ok(aside)
    }

    fn keep(&self, ended: Vec<Ended>) -> Result<(), StoreError> {
        self.bring(&ended)?;
        for Ended { trial, .. } in &ended {
            remove_folder(&folder_of(&self.root, &trial.id()))?;
        }
        Ok(())
    }

    /// Takes in trials that ended elsewhere.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) fn bring(&self, ended: &[Ended]) -> Result<(), StoreError> {
        self.write(|connection| {
            for Ended {
                trial,
                record,
                curve,
            } in ended
            {
                enter(connection, std::slice::from_ref(trial), false)?;
                let text = serde_json::to_string(record).expect("plain data");
                let insert = "INSERT OR REPLACE INTO result VALUES (?1, ?2, ?3)";
                connection.execute(insert, params![trial.id(), text, curve])?;
            }
            Ok(())
        })?;
        let copied = self.copied.get();
        let is_stale = copied.is_none_or(|at| at.elapsed() >= STALE);
        if self.locks == Locks::Exclusive && is_stale {
            self.copy()?;
        }
        Ok(())
    }

    /// A copy for readers, who cannot open what this process has locked.
    fn copy(&self) -> Result<(), StoreError> {
        let (part, copy) = (self.root.join(".partial-copy"), self.root.join(COPY));
        remove_if_there(&part)?;
        let name = part.to_string_lossy();
        self.connection
            .execute("VACUUM INTO ?1", [&name])
            .map_err(self.failed())?;
        fs::rename(&part, &copy).map_err(StoreError::of(Verb::Write, &copy))?;
        self.copied.set(Some(Instant::now()));
        Ok(())
    }

    /// What a statement that cannot be run on its database makes of the error.
    fn failed(&self) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
        schema::failed(&self.path)
    }

    fn write(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let transaction = self
            .connection
            .unchecked_transaction()
            .map_err(self.failed())?;
        change(&transaction)
            .and_then(|()| transaction.commit())
            .map_err(self.failed())
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        // Readers that miss this see an earlier state, or need a folder that they may write to.
        let _ = match self.locks {
            Locks::Exclusive => self.copy(),
            Locks::Ahead => schema::settle(&self.connection, &self.path),
        };
    }
}

fn enter(connection: &Connection, trials: &[Trial], is_listed: bool) -> rusqlite::Result<()> {
    let insert = "INSERT INTO trial VALUES (?1, ?2, ?3) \
                  ON CONFLICT (id) DO UPDATE SET is_listed = max(is_listed, ?3)";
    let mut insert = connection.prepare(insert)?;
    for trial in trials {
        let text = serde_json::to_string(trial).expect("plain data");
        insert.execute(params![trial.id(), text, is_listed])?;
    }
    Ok(())
}

/// What the folder of a trial holds; none if it has not ended there for good.
fn ended(folder: &Path, trial: Trial) -> Result<Option<Ended>, StoreError> {
    let record = read_record(folder, &trial.id())?;
    let Some(record) = record.filter(|record| record.outcome.is_final()) else {
        return Ok(None);
    };
    let path = curve_path(folder);
    let curve = fs::read(&path).map_err(corrupt(&path))?;
    Ok(Some(Ended {
        trial,
        record,
        curve,
    }))
}

pub(super) fn trial_folders(trials: &Path) -> Result<Vec<PathBuf>, StoreError> {
    if !trials.exists() {
        return Ok(Vec::new());
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(trials).map_err(StoreError::of(Verb::Read, trials))? {
        folders.push(entry.map_err(StoreError::of(Verb::Read, trials))?.path());
    }
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::reader::{Part, visit};
    use crate::store::record::write_record;
    use crate::trial::Outcome;
    use crate::trial::tests::trial;

    const CURVE: &str = "{\"step\":0,\"loss\":2.5}\n";

    fn records(root: &Path, locks: Locks) -> Records {
        Records::with_locks(root, Lease::take(root).unwrap(), locks).unwrap()
    }

    /// Ends a trial as a worker does.
    fn end(root: &Path, trial: &Trial) {
        let folder = folder_of(root, &trial.id());
        fs::create_dir_all(&folder).unwrap();
        let assignment = Assignment {
            build: "build".into(),
            trial: trial.clone(),
        };
        let text = serde_json::to_vec(&assignment).unwrap();
        fs::write(folder.join("trial.json"), text).unwrap();
        fs::write(curve_path(&folder), CURVE).unwrap();
        let outcome = Outcome::Diverged { step: 3 };
        write_record(&folder, &trial.id(), outcome, 0.5, "build").unwrap();
    }

    #[test]
    fn a_record_goes_from_its_folder_into_the_database_with_its_curve() {
        for locks in [Locks::Ahead, Locks::Exclusive] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            let records = records(root, locks);
            let [one, other] = [trial(10), trial(20)];
            records.list(std::slice::from_ref(&one)).unwrap();
            assert_eq!(records.take(&one).unwrap(), None);
            end(root, &one);
            end(root, &other);
            let taken = records.take(&one).unwrap();
            assert!(taken.is_some() && !folder_of(root, &one.id()).exists());
            assert_eq!(records.record(&one).unwrap(), taken);
            assert_eq!(records.take_all().unwrap(), [""; 0].map(PathBuf::from));
            assert_eq!(records.all().unwrap().len(), 2);
            // A process was killed while it removed the folder.
            let half = folder_of(root, ".partial-trial");
            fs::create_dir_all(&half).unwrap();
            fs::write(curve_path(&half), CURVE).unwrap();
            records.take_all().unwrap();
            assert!(!half.exists());
            drop(records);
            // Where readers are kept out, they have a copy.
            assert_eq!(root.join(COPY).exists(), locks == Locks::Exclusive);
            let mut seen = Vec::new();
            visit(root, Part::Curve, |recorded| {
                seen.push((recorded.trial, recorded.curve));
                Ok::<(), StoreError>(())
            })
            .unwrap();
            assert_eq!(seen, [(one, CURVE.to_owned())], "the other is not listed");
        }
    }

    #[test]
    fn what_is_exclusive_keeps_readers_out_of_all_but_the_copy() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let records = records(root, Locks::Exclusive);
        end(root, &trial(10));
        records.take(&trial(10)).unwrap();
        let open = |file: &str| {
            let connection = Connection::open(root.join(file)).unwrap();
            connection.busy_timeout(Duration::ZERO).unwrap();
            connection.query_row("SELECT count(*) FROM result", [], |row| {
                row.get::<_, i64>(0)
            })
        };
        assert!(open(FILE).is_err());
        assert_eq!(open(COPY), Ok(1));
    }

    #[test]
    fn a_damaged_database_and_one_of_another_version_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let open = || Records::with_locks(root, Lease::take(root).unwrap(), Locks::Ahead);
        fs::write(root.join(FILE), "no database".repeat(100)).unwrap();
        assert!(matches!(open(), Err(StoreError::Database { .. })));
        fs::remove_file(root.join(FILE)).unwrap();
        let other = Connection::open(root.join(FILE)).unwrap();
        other.execute_batch("PRAGMA user_version = 9").unwrap();
        drop(other);
        assert!(matches!(open(), Err(StoreError::Version { .. })));
    }
}
