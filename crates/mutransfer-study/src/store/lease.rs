//! Who runs the study in a folder: one process at a time.
//!
//! The process holds a lock on the file `.lease`, which the system takes from it when it ends,
//! however it ends, and the file says who it is. Where other machines share the folder and locks
//! may not reach them, what the file says decides.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::place::{host, shared};
use crate::error::{StoreError, Verb};

const FILE: &str = ".lease";

/// The right to run the study in a folder, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    file: File,
}

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    host: String,
    process: u32,
    /// Since when, in seconds since 1970.
    since: u64,
}

/// What this process can tell about the others.
#[derive(Clone, Copy, Debug)]
struct Sight<'a> {
    host: &'a str,
    /// Whether it has the lock.
    is_locked: bool,
    /// Whether the folder is one that other machines share.
    is_shared: bool,
}

impl Lease {
    /// Takes the lease of a folder.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be written.
    pub(crate) fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let failed = || StoreError::of(Verb::Write, &path);
        let mut file = open(&path).map_err(failed())?;
        let is_locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Err(held(&path, read(&mut file))),
            // There are file systems without locks.
            Err(TryLockError::Error(_)) => false,
        };
        let earlier = read(&mut file);
        let sight = Sight {
            host: &host(),
            is_locked,
            is_shared: shared(folder).is_some(),
        };
        if earlier
            .as_ref()
            .is_some_and(|holder| sight.keeps_out(holder))
        {
            return Err(held(&path, earlier));
        }
        write(&mut file, &Holder::own()).map_err(failed())?;
        Ok(Self { file })
    }
}

impl Drop for Lease {
    /// An empty file is a lease that nobody has. It stays, as two processes could otherwise hold
    /// locks on two files of the same name.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

impl Sight<'_> {
    /// Whether the holder must be taken for alive.
    fn keeps_out(self, holder: &Holder) -> bool {
        if holder.host == self.host {
            !self.is_locked && is_running(holder.process)
        } else {
            !self.is_locked || self.is_shared
        }
    }
}

impl Holder {
    fn own() -> Self {
        Self {
            host: host(),
            process: std::process::id(),
            since: now(),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
}

/// Who the file says has the lease; none if it says nothing that can be understood.
fn read(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn write(file: &mut File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    serde_json::to_writer(&mut *file, holder)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Who runs the study in a folder, with its host and since when; none where nobody does, or it
/// cannot be told.
pub fn holder(folder: &Path) -> Option<String> {
    let mut file = File::open(folder.join(FILE)).ok()?;
    let is_locked = match file.try_lock_shared() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => return Some(named(read(&mut file))),
        Err(TryLockError::Error(_)) => false,
    };
    let holder = read(&mut file)?;
    let sight = Sight {
        host: &host(),
        is_locked,
        is_shared: shared(folder).is_some(),
    };
    sight.keeps_out(&holder).then(|| named(Some(holder)))
}

fn named(holder: Option<Holder>) -> String {
    holder.map_or_else(
        || "another process".to_owned(),
        |holder| {
            let seconds = now().saturating_sub(holder.since);
            let Holder { host, process, .. } = holder;
            format!("process {process} on {host}, since {}", ago(seconds))
        },
    )
}

fn held(path: &Path, holder: Option<Holder>) -> StoreError {
    let who = named(holder);
    StoreError::Held {
        folder: path.parent().map(PathBuf::from).unwrap_or_default(),
        who,
    }
}

/// Whether there is a process of this number on this machine; where the system does not tell, there
/// may be one.
fn is_running(process: u32) -> bool {
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(process.to_string()).exists()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A time in the past, in the largest unit of which there is a whole one.
fn ago(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400, "days"),
        (3_600, "hours"),
        (60, "minutes"),
        (1, "seconds"),
    ];
    let unit = UNITS.iter().find(|(length, _)| seconds >= 2 * length);
    let (length, name) = unit.unwrap_or(&UNITS[3]);
    format!("{} {name} ago", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(host: &str, process: u32) -> Holder {
        Holder {
            host: host.into(),
            process,
            since: 0,
        }
    }

    #[test]
    fn a_second_lease_is_refused_by_name_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lease::take(folder.path()).unwrap();
        let refused = Lease::take(folder.path()).unwrap_err().to_string();
        let own = format!("process {} on {}, since ", std::process::id(), host());
        assert!(refused.contains(&own), "{refused}");
        drop(first);
        assert!(Lease::take(folder.path()).is_ok());
    }

    #[test]
    fn the_lease_of_a_dead_process_and_one_that_is_no_lease_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let dead = serde_json::to_string(&holder(&host(), u32::MAX)).unwrap();
        let elsewhere = serde_json::to_string(&holder("elsewhere", 1)).unwrap();
        for text in [&dead, &elsewhere, "", "{\"host\":", "\0\0"] {
            std::fs::write(&path, text).unwrap();
            drop(Lease::take(folder.path()).unwrap());
        }
    }

    #[test]
    fn who_must_be_taken_for_alive() {
        let own = std::process::id();
        // Host and process of the holder; whether there is a lock, and a shared folder.
        let cases = [
            ("here", own, true, true, false),
            ("here", own, false, true, true),
            ("here", u32::MAX, false, true, false),
            ("there", 1, true, false, false),
            ("there", 1, true, true, true),
            ("there", 1, false, false, true),
        ];
        for (host, process, is_locked, is_shared, keeps_out) in cases {
            let sight = Sight {
                host: "here",
                is_locked,
                is_shared,
            };
            let case = (host, process, is_locked, is_shared);
            assert_eq!(
                sight.keeps_out(&holder(host, process)),
                keeps_out,
                "{case:?}"
            );
        }
    }

    #[test]
    fn times_are_told_in_units_of_which_there_are_two() {
        let told = [0, 119, 120, 7199, 7200, 200_000].map(ago);
        let expected = [
            "0 seconds",
            "119 seconds",
            "2 minutes",
            "119 minutes",
            "2 hours",
            "2 days",
        ];
        assert_eq!(told, expected.map(|time| format!("{time} ago")));
    }
}
