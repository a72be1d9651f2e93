//! What a task of a queue does: it runs the trials of an element, each as a process of its own.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::batch::{self, Batch};
use super::{Executor, News};
use crate::error::{RunError, StoreError, Verb};
use crate::store::{folder_of, read_assignment, read_record, remove_if_there, write_record};
use crate::trial::Outcome;

/// How long to wait for a worker before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// In how many of these waits a signal comes here that has already ended a worker: a cluster sends
/// it to all processes of a task, in any order.
const WAITS: usize = 10;

/// Runs those trials of an element that have no result yet, and leaves a result of each, that it
/// failed included. Does nothing once its batch is forgotten.
///
/// # Errors
/// When it was asked to stop before it was done, the folder cannot be read or written, or no worker
/// can be started.
pub fn run(
    folder: &Path,
    element: usize,
    executor: &mut dyn Executor,
    stop: &AtomicBool,
) -> Result<(), RunError> {
    let mark = batch::stopped(folder, element);
    remove_if_there(&mark)?;
    let mut waiting = waiting(folder, element)?;
    let mut running = BTreeMap::new();
    loop {
        if stop.load(Ordering::Relaxed) {
            executor.cancel();
        } else if Batch::read(folder)?.is_none() {
            waiting.clear();
        } else {
            while executor.has_room()
                && let Some((number, trial)) = waiting.pop_front()
            {
                executor.submit(number, &trial).map_err(RunError::Spawn)?;
                running.insert(number, trial);
            }
        }
        if running.is_empty() {
            break;
        }
        if let Some(News::Ended(end)) = executor.next(PATIENCE).map_err(RunError::Spawn)?
            && let Some(trial) = running.remove(&end.number)
        {
            settle(&trial, end.last_words, stop)?;
        }
    }
    if stop.load(Ordering::Relaxed) {
        // Whoever looks for a result then knows that it was no fault of the trial.
        fs::write(&mark, "").map_err(StoreError::of(Verb::Write, &mark))?;
        return Err(RunError::Stopped);
    }
    Ok(())
}

/// The folders of the trials without a result.
fn waiting(folder: &Path, element: usize) -> Result<VecDeque<(usize, PathBuf)>, RunError> {
    let Some(batch) = Batch::read(folder)? else {
        return Ok(VecDeque::new());
    };
    let root = folder.ancestors().nth(2).unwrap_or(Path::new(""));
    let mut waiting = VecDeque::new();
    for (number, id) in batch
        .elements
        .into_iter()
        .nth(element)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let trial = folder_of(root, &id);
        // A trial whose folder is gone has been taken in.
        if trial.exists() && read_record(&trial, &id)?.is_none() {
            waiting.push_back((number, trial));
        }
    }
    Ok(waiting)
}

/// Sees to it that a trial that has ended has a result, unless it was asked to stop.
fn settle(trial: &Path, last_words: String, stop: &AtomicBool) -> Result<(), RunError> {
    let assignment = read_assignment(trial)?;
    let id = assignment.trial.id();
    if read_record(trial, &id)?.is_some() {
        return Ok(());
    }
    for _ in 0..WAITS {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        std::thread::sleep(PATIENCE);
    }
    let outcome = Outcome::Failed { error: last_words };
    Ok(write_record(trial, &id, outcome, 0.0, &assignment.build)?)
}
