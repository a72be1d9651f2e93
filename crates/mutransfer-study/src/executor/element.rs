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
        if !is_settled(&trial, &id)? {
            waiting.push_back((number, trial));
        }
    }
    Ok(waiting)
}

/// Whether a trial has its result, or is gone with it: who waits for a result takes it in, and the
/// folder with it, at any time.
fn is_settled(trial: &Path, id: &str) -> Result<bool, StoreError> {
    match read_record(trial, id) {
        _ if !trial.exists() => Ok(true),
        read => Ok(read?.is_some()),
    }
}

/// Sees to it that a trial that has ended has a result, unless it was asked to stop.
fn settle(trial: &Path, last_words: String, stop: &AtomicBool) -> Result<(), RunError> {
    let id = trial.file_name().unwrap_or_default().to_string_lossy();
    if is_settled(trial, &id)? {
        return Ok(());
    }
    for _ in 0..WAITS {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        std::thread::sleep(PATIENCE);
    }
    let build = read_assignment(trial)?.build;
    let outcome = Outcome::Failed { error: last_words };
    Ok(write_record(trial, &id, outcome, 0.0, &build)?)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::End;
    use super::super::batch::Share;
    use super::*;

    /// Its trials end at once, and whoever waits for their results is faster than it.
    #[derive(Default)]
    struct Overtaken(VecDeque<usize>);

    impl Executor for Overtaken {
        fn has_room(&self) -> bool {
            self.0.is_empty()
        }

        fn adopt(&mut self, _: usize, _: &Path) -> bool {
            false
        }

        fn submit(&mut self, number: usize, folder: &Path) -> io::Result<()> {
            self.0.push_back(number);
            fs::remove_dir_all(folder)
        }

        fn next(&mut self, _: Duration) -> io::Result<Option<News>> {
            let last_words = String::new();
            let end = self.0.pop_front().map(|number| End { number, last_words });
            Ok(end.map(News::Ended))
        }

        fn cancel(&mut self) {}
    }

    #[test]
    fn results_that_were_taken_in_already_end_nothing() {
        let root = tempfile::tempdir().unwrap();
        let ids = ["a", "b", "c"].map(str::to_owned);
        for id in &ids {
            fs::create_dir_all(folder_of(root.path(), id)).unwrap();
        }
        let batch = Batch::new("build", Share::default(), vec![ids.to_vec()]);
        let folder = batch.write(root.path()).unwrap();
        let stop = AtomicBool::new(false);
        run(&folder, 0, &mut Overtaken::default(), &stop).unwrap();
        assert!(ids.iter().all(|id| !folder_of(root.path(), id).exists()));
    }
}
