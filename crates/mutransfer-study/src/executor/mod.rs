//! Where trials are run.

pub mod local;

use std::io;
use std::path::Path;
use std::time::Duration;

/// Something that runs trials, several at a time.
///
/// A trial is a folder that is ready for a worker, and goes by a number that the one who submits it
/// chooses. Its result is in the folder once it has ended.
pub trait Executor {
    /// Whether another trial would be run at once.
    fn has_room(&self) -> bool;

    /// Begins a trial.
    ///
    /// # Errors
    /// When no worker can be started.
    fn submit(&mut self, number: usize, folder: &Path) -> io::Result<()>;

    /// The next trial to end, if one does in time.
    ///
    /// # Errors
    /// When nothing can be learnt about a worker.
    fn next(&mut self, patience: Duration) -> io::Result<Option<End>>;

    /// Ends all workers. Their trials still have to be waited for.
    fn cancel(&mut self);
}

/// A worker has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Which trial it was.
    pub number: usize,
    /// What to say of it where it has left no result.
    pub last_words: String,
}
