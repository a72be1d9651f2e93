//! What is asked of a cluster's queue.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::batch::Batch;

/// A queue of jobs that outlive this process. It knows a batch by its name, and its elements by
/// their numbers.
pub trait Queue: Send + Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Queues a batch whose folder is ready.
    ///
    /// # Errors
    /// When the queue is away, so that it may have taken the batch or not, or refuses it.
    fn submit(&self, batch: &Batch, folder: &Path) -> Result<(), Trouble>;

    /// What it knows of the elements of batches. Those of which it knows nothing have ended, or
    /// were never queued.
    ///
    /// # Errors
    /// When the queue is away.
    fn states(&self, names: &[String]) -> Result<States, Trouble>;

    /// Ends batches.
    ///
    /// # Errors
    /// When the queue is away.
    fn cancel(&self, names: &[String]) -> Result<(), Trouble>;

    /// The command that ends batches.
    fn how_to_cancel(&self, names: &[String]) -> String;
}

/// Elements of batches, by the names of the batches and their numbers there.
pub type States = BTreeMap<(String, usize), State>;

/// What a queue knows of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What the queue calls it.
    pub job: String,
    /// How far it is.
    pub stage: Stage,
}

/// How far an element is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits, runs, or will run again by itself.
    Alive,
    /// It waits for somebody to release it.
    Held(String),
    /// It has ended.
    Ended {
        /// How, in the queue's words.
        how: String,
        /// Whether it would end so again.
        is_own_fault: bool,
    },
}

/// Why a queue has not done what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It does not answer, or has no room; later it may.
    Away(String),
    /// It will not.
    Refused(String),
}

/// How an element is run, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// The program of the workers, on a disk that all machines share.
    pub program: PathBuf,
    /// Where it is started.
    pub place: PathBuf,
    /// How many trials of an element run at a time.
    pub jobs: usize,
}

impl Runner {
    /// How many GPUs the workers of an element need at a time; none where they need none.
    pub(super) fn gpus(&self, batch: &Batch) -> Option<usize> {
        let gpus = batch.share.gpus * self.jobs;
        (gpus > 0).then_some(gpus)
    }

    /// Lines of bash that run the element of the number that a variable has.
    pub(super) fn body(&self, setup: &[String], folder: &Path, variable: &str) -> String {
        let place = format!("cd {}", quoted(&self.place));
        let run = self.line(folder, variable);
        let before = ["set -e".to_owned(), place];
        let lines = before.iter().chain(setup).chain([&run]);
        lines.map(|line| format!("{line}\n")).collect()
    }

    fn line(&self, folder: &Path, variable: &str) -> String {
        format!(
            "exec {} run-trial --jobs {} --batch {} --element \"${variable}\"",
            quoted(&self.program),
            self.jobs,
            quoted(folder)
        )
    }
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// What a command prints.
pub(super) fn output(command: &mut Command, is_away: fn(&str) -> bool) -> Result<String, Trouble> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| Trouble::Refused(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if is_away(&words) {
        return Err(Trouble::Away(words));
    }
    let status = output.status;
    Err(Trouble::Refused(format!("{program}: {status}: {words}")))
}
