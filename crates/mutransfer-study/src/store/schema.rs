//! How the database of a study is laid out, opened and locked.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;

/// The database of a study.
pub(super) const FILE: &str = "study.db";
/// A copy of it for readers, where they cannot open it themselves.
pub(super) const COPY: &str = "study.copy.db";
/// How it is laid out.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS trial (
        id TEXT PRIMARY KEY, trial TEXT NOT NULL, is_listed INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS result (
        id TEXT PRIMARY KEY, record TEXT NOT NULL, curve BLOB NOT NULL
    );
    PRAGMA user_version = 1;";

/// How readers are kept from seeing half a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locks {
    /// They read what was there before the change, while one process writes.
    Ahead,
    /// They are kept out, as memory between processes does not reach other machines and locks may
    /// not (sqlite.org/wal.html, sqlite.org/lockingv3.html).
    Exclusive,
}

impl Locks {
    /// Those for a file system that is shared with other machines, or not.
    pub(super) fn on(shared: Option<&str>) -> Self {
        shared.map_or(Self::Ahead, |_| Self::Exclusive)
    }

    fn pragmas(self) -> &'static str {
        match self {
            Self::Ahead => "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
            Self::Exclusive => {
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; \
                 PRAGMA synchronous = FULL;"
            }
        }
    }
}

/// Opens a database, or begins one, for the one process that writes.
pub(super) fn open_to_write(path: &Path, locks: Locks) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(failed(path))?;
    connection
        .execute_batch(locks.pragmas())
        .map_err(failed(path))?;
    check_version(&connection, path)?;
    connection.execute_batch(TABLES).map_err(failed(path))?;
    Ok(connection)
}

/// Opens a database that another process may be writing.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(path, flags).map_err(failed(path))?;
    check_version(&connection, path)?;
    Ok(connection)
}

/// Ends write-ahead logging, so that the database is one file and can be read where nothing can be
/// written.
pub(super) fn settle(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let settled = connection.execute_batch("PRAGMA journal_mode = DELETE");
    settled.map_err(failed(path))
}

fn check_version(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed(path))?;
    if version == 0 || version == VERSION {
        return Ok(());
    }
    Err(StoreError::Version {
        path: path.to_owned(),
        found: version,
        known: VERSION,
    })
}

/// What makes an error of the database one of this file.
pub(super) fn failed(path: &Path) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Database { path, source }
}

/// What makes an error of the reader one of the trial of this name.
pub(super) fn damaged<E: ToString>(path: &Path, id: &str) -> impl FnOnce(E) -> StoreError + use<E> {
    let (path, id) = (path.to_owned(), id.to_owned());
    move |problem| StoreError::Row {
        path,
        id,
        problem: problem.to_string(),
    }
}
