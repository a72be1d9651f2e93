//! What can be kept of a damaged database.
//!
//! Every record is sealed with its trial and its curve, so that whatever is read is either what was
//! written or is left out. Trials are not needed: the study says what they are.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::atomic::{remove_if_there, sync_folder};
use super::record::Record;
use super::schema::{self, FILE, Locks};
use crate::error::{StoreError, Verb};

/// Where the damaged database is put.
const ASIDE: &str = "study.damaged.db";
/// What is beside a database that a killed process has left.
const LOGS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// In which orders rows are looked for: by the table and by its index, from either end, as each
/// stops at the first page that is damaged.
const ORDERS: [&str; 4] = ["rowid", "rowid DESC", "id", "id DESC"];

/// What was kept of a damaged database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// How many results.
    pub kept: usize,
    /// How many were seen that cannot be believed.
    pub lost: usize,
    /// Where the damaged database is now.
    pub aside: PathBuf,
}

/// A row of the table of results.
struct Row {
    id: String,
    record: String,
    curve: Vec<u8>,
}

/// Puts the database of a folder aside, and one in its place with the results of it that are whole.
/// Whoever calls it has the lease.
pub(super) fn salvage(root: &Path) -> Result<Salvaged, StoreError> {
    let (path, part) = (root.join(FILE), root.join(".partial-salvaged"));
    remove(&part)?;
    let new = schema::open_to_write(&part, Locks::Exclusive)?;
    let (kept, lost) = keep(&path, &new).map_err(schema::failed(&part))?;
    drop(new);
    let aside = root.join(ASIDE);
    remove(&aside)?;
    put(&path, &aside)
        .and_then(|()| fs::rename(&part, &path))
        .and_then(|()| sync_folder(root))
        .map_err(StoreError::of(Verb::Write, &path))?;
    Ok(Salvaged { kept, lost, aside })
}

/// Copies every row that is whole; gives how many are, and how many are not.
fn keep(path: &Path, new: &Connection) -> rusqlite::Result<(usize, usize)> {
    let all = new.unchecked_transaction()?;
    let (mut kept, mut lost) = (0, 0);
    // What does not open has nothing to be read.
    if let Ok(old) = Connection::open(path) {
        for row in rows(&old) {
            match read(&old, row).filter(Row::is_whole) {
                None => lost += 1,
                Some(Row { id, record, curve }) => {
                    let insert = "INSERT OR REPLACE INTO result VALUES (?1, ?2, ?3)";
                    all.execute(insert, params![id, record, curve])?;
                    kept += 1;
                }
            }
        }
    }
    all.commit()?;
    Ok((kept, lost))
}

/// The numbers of all rows that can be found.
fn rows(old: &Connection) -> BTreeSet<i64> {
    let mut found = BTreeSet::new();
    for order in ORDERS {
        let select = format!("SELECT rowid FROM result ORDER BY {order}");
        let Ok(mut rows) = old.prepare(&select) else {
            continue;
        };
        let Ok(rows) = rows.query_map([], |row| row.get::<_, i64>(0)) else {
            continue;
        };
        found.extend(rows.map_while(Result::ok));
    }
    found
}

fn read(old: &Connection, row: i64) -> Option<Row> {
    let select = "SELECT id, record, curve FROM result WHERE rowid = ?1";
    let read = old.query_row(select, params![row], |row: &rusqlite::Row| {
        let (id, record, curve) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Row { id, record, curve })
    });
    read.optional().ok()?
}

impl Row {
    fn is_whole(&self) -> bool {
        let record = serde_json::from_str::<Record>(&self.record);
        record.is_ok_and(|record| record.is_sealed() && record.check(&self.id, &self.curve).is_ok())
    }
}

/// Removes a database with its logs.
fn remove(path: &Path) -> Result<(), StoreError> {
    let logs = LOGS.iter().map(|log| beside(path, log));
    [path.to_owned()]
        .into_iter()
        .chain(logs)
        .try_for_each(|file| remove_if_there(&file))
}

/// Gives a database with its logs another name.
fn put(path: &Path, name: &Path) -> io::Result<()> {
    for log in LOGS {
        match fs::rename(beside(path, log), beside(name, log)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, name)
}

fn beside(path: &Path, log: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(log);
    name.into()
}
