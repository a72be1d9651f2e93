//! Runs trials as processes of their own, several at a time.
//!
//! One trial per process and thread beats every other arrangement on a CPU, and a crash takes one
//! trial with it. Each worker holds the other end of a pipe: when this process ends, however it
//! ends, so do its workers.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Error;
use crate::store::Store;
use crate::trial::{Outcome, Trial};
use mutransfer_analysis::record::Row;

/// What happens while a pool runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// A worker took up a trial.
    Started(&'a Trial),
    /// A trial has its result.
    Finished(&'a Trial, Outcome),
    /// A worker ended without a result.
    Failed(&'a Trial, String),
}

/// What came of the trials.
#[derive(Debug, Default)]
pub struct Results {
    /// Rows of the trials that finished, earlier ones included.
    pub rows: Vec<Row>,
    /// Trials without a result, and why.
    pub failed: Vec<String>,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
}

/// Runs every trial that has no result yet, `jobs` at a time, and returns the results of all.
///
/// `worker` makes the command that runs the trial in a folder. `results.csv` is brought up to date
/// after every trial, `earlier` rows included. Setting `stop` ends the workers; what has finished
/// by then is kept.
///
/// # Errors
/// When the folder cannot be written, a record is damaged, or no worker can be started. A trial
/// that fails is no error.
pub fn run(
    store: &Store,
    trials: &[Trial],
    earlier: &[Row],
    jobs: usize,
    stop: &AtomicBool,
    worker: &(dyn Fn(&std::path::Path) -> Command + Sync),
    observe: &mut dyn FnMut(&Event),
) -> Result<Results, Error> {
    let mut results = Results {
        rows: earlier.to_vec(),
        ..Results::default()
    };
    let mut waiting = VecDeque::new();
    for trial in trials {
        match store.outcome(trial)? {
            Some(outcome) => {
                results.rows.push(trial.row(&outcome));
                observe(&Event::Finished(trial, outcome));
            }
            None => waiting.push_back(trial),
        }
    }
    store.write_results(&results.rows)?;
    let pool = Pool {
        store,
        worker,
        waiting: Mutex::new(waiting),
        pipes: Mutex::default(),
        stop,
    };
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, pool) = (sender.clone(), &pool);
            scope.spawn(move || pool.work(&sender));
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(event) => {
                    let event = event.inspect_err(|_| pool.end())?;
                    observe(&event);
                    match event {
                        Event::Finished(trial, outcome) => {
                            results.rows.push(trial.row(&outcome));
                            store
                                .write_results(&results.rows)
                                .inspect_err(|_| pool.end())?;
                        }
                        Event::Failed(trial, why) => {
                            results.failed.push(format!("trial {}: {why}", trial.id()))
                        }
                        Event::Started(_) => {}
                    }
                }
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => pool.end(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        results.interrupted = stop.load(Ordering::Relaxed);
        Ok(results)
    })
}

struct Pool<'a> {
    store: &'a Store,
    worker: &'a (dyn Fn(&std::path::Path) -> Command + Sync),
    waiting: Mutex<VecDeque<&'a Trial>>,
    /// The pipes that keep the workers alive, by process id.
    pipes: Mutex<BTreeMap<u32, ChildStdin>>,
    stop: &'a AtomicBool,
}

impl<'a> Pool<'a> {
    fn work(&self, events: &Sender<Result<Event<'a>, Error>>) {
        loop {
            let next = lock(&self.waiting).pop_front();
            let Some(trial) = next.filter(|_| !self.stop.load(Ordering::Relaxed)) else {
                return;
            };
            let _ = events.send(Ok(Event::Started(trial)));
            let outcome = self.outcome(trial);
            if self.stop.load(Ordering::Relaxed) && !matches!(outcome, Ok(Event::Finished(..))) {
                return;
            }
            if events.send(outcome).is_err() {
                return;
            }
        }
    }

    fn outcome(&self, trial: &'a Trial) -> Result<Event<'a>, Error> {
        let folder = self.store.prepare(trial)?;
        let log = folder.join("log");
        let file = File::create(&log).map_err(|source| Error::File {
            verb: "create",
            path: log.clone(),
            source,
        })?;
        let mut command = (self.worker)(&folder);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(file);
        let mut child = command.spawn().map_err(Error::Spawn)?;
        let id = child.id();
        lock(&self.pipes).extend(child.stdin.take().map(|pipe| (id, pipe)));
        if self.stop.load(Ordering::Relaxed) {
            self.end();
        }
        let status = child.wait().map_err(Error::Spawn)?;
        lock(&self.pipes).remove(&id);
        Ok(match self.store.outcome(trial)? {
            Some(outcome) => Event::Finished(trial, outcome),
            None => Event::Failed(trial, why(status, &log)),
        })
    }

    /// Ends all workers and takes no more trials.
    fn end(&self) {
        lock(&self.waiting).clear();
        lock(&self.pipes).clear();
    }
}

fn why(status: ExitStatus, log: &std::path::Path) -> String {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let last = said
        .lines()
        .last()
        .map_or_else(String::new, |line| format!(": {line}"));
    format!(
        "its worker ended with {status}{last} (log: {})",
        log.display()
    )
}

/// A thread that panicked holding a queue leaves the queue as good as it was.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
