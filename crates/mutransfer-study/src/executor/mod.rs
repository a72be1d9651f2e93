//! Where trials are run.
//!
//! Whatever runs them, a trial is a folder in which a worker leaves a result. The result is the
//! truth; what an engine says of its jobs only tells the lost from the alive.

pub mod batch;
pub mod batched;
pub mod devices;
pub mod element;
pub mod hyperqueue;
pub mod local;
pub mod manifest;
pub mod queue;
pub mod settings;
pub mod slurm;
mod watch;
mod words;

use std::io;
use std::path::Path;
use std::time::Duration;

/// Something that runs trials, several at a time.
///
/// A trial is a folder that is ready for a worker, and goes by a number that the one who submits it
/// chooses. Its result is in the folder once it has ended.
pub trait Executor {
    /// Whether another trial would be taken at once.
    fn has_room(&self) -> bool;

    /// Takes up a trial that an earlier process has begun and that may still be run, and says
    /// whether there is such a one. Its folder must be left as it is.
    fn adopt(&mut self, number: usize, folder: &Path) -> bool;

    /// Begins a trial.
    ///
    /// # Errors
    /// When no worker can be started.
    fn submit(&mut self, number: usize, folder: &Path) -> io::Result<()>;

    /// What happens next, if anything does in time.
    ///
    /// # Errors
    /// When nothing can be learnt about a worker, or none can be started.
    fn next(&mut self, patience: Duration) -> io::Result<Option<News>>;

    /// Ends the workers of this machine, and lets those of others go on for a later process. Their
    /// trials still have to be waited for. Those that have not ended by the next call but some are
    /// ended at once.
    fn cancel(&mut self);
}

/// What an executor has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A worker has ended.
    Ended(End),
    /// Something to be told to whoever waits.
    Notice(String),
}

/// A worker has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Which trial it was.
    pub number: usize,
    /// What to say of it where it has left no result.
    pub last_words: String,
}
