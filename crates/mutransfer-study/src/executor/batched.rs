//! Runs trials by the queue of a cluster.
//!
//! Its jobs outlive this process. What is queued is in the output folder, so that a later process
//! takes it up ([`Executor::adopt`]). Whether a trial has ended is said by the file in its folder;
//! the queue is only asked whether those without are still coming.

mod judge;
mod known;
mod open;
mod pace;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::batch::{self, Batch, Share};
use super::queue::{Queue, States, Trouble};
use super::{End, Executor, News};
use crate::error::StoreError;
use crate::store::{folder_of, is_shared, read_record, remove_if_there};
use crate::trial::Outcome;
use known::Known;
use open::{Opened, Place};
use pace::Pace;

/// Most elements of a batch, as of an array of Slurm where nothing else is configured.
const ELEMENTS: usize = 1000;
/// How often a trial may be lost, by no fault of its own, before it counts as failed.
const LOSSES: u32 = 3;
/// After which the queue is asked again, where something has happened.
const SOON: Duration = Duration::from_secs(1);
/// For how long after its task a result may come to be seen, where other machines share the disk
/// and on one of this machine.
const GRACE: [Duration; 2] = [Duration::from_mins(1), Duration::from_secs(2)];

/// The trials of a study in a queue.
pub struct Batched {
    queue: Arc<dyn Queue>,
    root: PathBuf,
    build: String,
    trials_per_task: usize,
    share: Share,
    grace: Duration,
    batches: BTreeMap<String, Known>,
    open: Opened,
    /// Whether more trials are taken until it is full.
    is_filling: bool,
    outbox: Vec<String>,
    news: VecDeque<News>,
    question: Option<Question>,
    pace: Pace,
    /// When it was last looked for results.
    collected: Option<Instant>,
    /// Whether the queue was away when it was last asked.
    is_away: bool,
    /// Since when elements are gone from the queue.
    gone: BTreeMap<Place, Instant>,
    /// Elements of which was said that they are held.
    held: BTreeSet<Place>,
}

/// Something that the queue was asked.
struct Question {
    names: Vec<String>,
    answer: Receiver<Result<States, Trouble>>,
}

impl Batched {
    /// The trials of the study in `root`, `trials_per_task` of them in each task of the queue,
    /// whose
    /// workers get their share. What an earlier process of the same build has queued is known; what
    /// one of another build has is ended.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(
        queue: Arc<dyn Queue>,
        root: &Path,
        build: &str,
        trials_per_task: usize,
        share: Share,
    ) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        let batches = known::earlier(queue.as_ref(), &root, build)?;
        Ok(Self {
            queue,
            build: build.to_owned(),
            trials_per_task,
            share,
            grace: GRACE[usize::from(!is_shared(&root))],
            batches,
            root,
            open: Opened::default(),
            is_filling: true,
            outbox: Vec::new(),
            news: VecDeque::new(),
            question: None,
            pace: Pace::new(SOON),
            collected: None,
            is_away: false,
            gone: BTreeMap::new(),
            held: BTreeSet::new(),
        })
    }

    /// The element in which an earlier process has queued a trial that has not ended.
    fn earlier(&self, id: &str) -> Option<Place> {
        if self.has_result(id) {
            return None;
        }
        self.batches.iter().find_map(|(name, known)| {
            let mut elements = known.batch.elements.iter();
            let element = elements.position(|ids| ids.iter().any(|own| own == id))?;
            Some((name.clone(), element))
        })
    }

    /// How many trials may be queued.
    fn room(&self) -> usize {
        ELEMENTS * self.trials_per_task
    }

    fn has_result(&self, id: &str) -> bool {
        let record = read_record(&folder_of(&self.root, id), id);
        !matches!(record, Ok(None))
    }

    /// Queues what has been submitted.
    fn flush(&mut self) -> io::Result<()> {
        let is_asked = !self.open.batches().is_empty();
        // Where nothing is queued that could be asked for, queueing is how to ask.
        let is_away = self.is_away && (is_asked || !self.pace.is_due());
        if is_away || self.outbox.is_empty() {
            return Ok(());
        }
        let ids = std::mem::take(&mut self.outbox);
        for id in &ids {
            // It would tell of another attempt.
            remove_if_there(&folder_of(&self.root, id).join("log")).map_err(io::Error::other)?;
        }
        let elements: Vec<Vec<String>> = ids
            .chunks(self.trials_per_task)
            .map(<[String]>::to_vec)
            .collect();
        for elements in elements.chunks(ELEMENTS) {
            self.queue_batch(Batch::new(&self.build, self.share, elements.to_vec()))?;
        }
        Ok(())
    }

    fn queue_batch(&mut self, batch: Batch) -> io::Result<()> {
        self.withdraw(&batch).map_err(io::Error::other)?;
        let folder = batch.write(&self.root).map_err(io::Error::other)?;
        let is_certain = match self.queue.submit(&batch, &folder) {
            Ok(()) => {
                self.hear();
                true
            }
            Err(Trouble::Away(words)) => {
                self.miss(&words);
                false
            }
            Err(Trouble::Refused(words)) => {
                batch::forget(&self.root, &batch.name)?;
                return Err(io::Error::other(words));
            }
        };
        for (element, ids) in batch.elements.iter().enumerate() {
            for id in ids {
                self.open.place(id, Some((batch.name.clone(), element)));
            }
        }
        let known = Known {
            is_certain,
            ..batch.into()
        };
        self.batches.insert(known.batch.name.clone(), known);
        self.pace.quicken();
        Ok(())
    }

    /// Takes the trials of a batch out of all others, which may still be queued.
    fn withdraw(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let ids: BTreeSet<&String> = batch.elements.iter().flatten().collect();
        let is_moved = |id: &String| ids.contains(id);
        for Known { batch, .. } in self.batches.values_mut() {
            if batch.elements.iter().flatten().any(is_moved) {
                for element in &mut batch.elements {
                    element.retain(|id| !is_moved(id));
                }
                batch.write(&self.root)?;
            }
        }
        let is_empty = |known: &Known| known.batch.elements.iter().all(Vec::is_empty);
        self.batches.retain(|name, known| {
            if is_empty(known) && !known.has_failed {
                // It is only in the way, and goes when the study is opened again.
                let _ = batch::forget(&self.root, name);
            }
            !is_empty(known)
        });
        Ok(())
    }

    /// The queue answers.
    fn hear(&mut self) {
        if std::mem::take(&mut self.is_away) {
            let name = self.queue.name();
            self.tell(format!("{name} answers again"));
        }
    }

    /// The queue does not answer: it is said once.
    fn miss(&mut self, words: &str) {
        if !self.is_away {
            let name = self.queue.name();
            self.tell(format!(
                "{name} does not answer, and is asked until it does: {words}"
            ));
        }
        self.is_away = true;
    }

    fn tell(&mut self, notice: String) {
        self.news.push_back(News::Notice(notice));
    }

    /// Asks the queue, in a thread of its own, as it may take minutes to find that nobody is there.
    fn ask(&mut self) -> io::Result<()> {
        let names = self.open.batches();
        if self.question.is_some() || names.is_empty() || !self.pace.is_due() {
            return Ok(());
        }
        let (sender, answer) = channel();
        let (queue, asked) = (Arc::clone(&self.queue), names.clone());
        std::thread::Builder::new().spawn(move || {
            // Nobody listens any more if the study has ended.
            let _ = sender.send(queue.states(&asked));
        })?;
        self.question = Some(Question { names, answer });
        Ok(())
    }

    /// Waits for what the queue says.
    fn answer(&mut self, patience: Duration) -> Option<(Vec<String>, Result<States, Trouble>)> {
        let Some(question) = &self.question else {
            std::thread::sleep(patience);
            return None;
        };
        match question.answer.recv_timeout(patience) {
            Ok(answer) => Some((self.question.take()?.names, answer)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.question = None;
                None
            }
        }
    }

    /// Takes note of trials that have left a result.
    fn collect(&mut self) {
        self.collected = Some(Instant::now());
        for (id, number) in self.open.queued() {
            let last_words = match read_record(&folder_of(&self.root, &id), &id) {
                Ok(None) => continue,
                Ok(Some(record)) => match record.outcome {
                    Outcome::Failed { error } => error,
                    _ => String::new(),
                },
                Err(damaged) => damaged.to_string(),
            };
            self.end(&id, number, last_words);
        }
    }

    fn end(&mut self, id: &str, number: usize, last_words: String) {
        self.news.push_back(News::Ended(End { number, last_words }));
        self.pace.quicken();
        let Some((name, _)) = self.open.close(id) else {
            return;
        };
        if self.open.has(&name) {
            return;
        }
        if let Some(known) = self.batches.remove(&name)
            && !known.has_failed
        {
            // It is only in the way, and goes when the study is opened again.
            let _ = batch::forget(&self.root, &name);
        }
    }
}

impl Executor for Batched {
    fn has_room(&self) -> bool {
        self.is_filling && self.open.len() < self.room()
    }

    fn adopt(&mut self, number: usize, folder: &Path) -> bool {
        let id = id(folder);
        let place = self.earlier(&id);
        let is_found = place.is_some();
        if is_found {
            self.open.begin(id, number, place);
        }
        is_found
    }

    fn submit(&mut self, number: usize, folder: &Path) -> io::Result<()> {
        let id = id(folder);
        self.open.begin(id.clone(), number, None);
        self.outbox.push(id);
        Ok(())
    }

    fn next(&mut self, patience: Duration) -> io::Result<Option<News>> {
        // Trials are queued many at a time: none is taken until half of them have ended.
        self.is_filling = 2 * self.open.len() <= self.room();
        if let Some(news) = self.news.pop_front() {
            return Ok(Some(news));
        }
        self.flush()?;
        self.ask()?;
        match self.answer(patience) {
            None => {}
            Some((names, Ok(states))) => self.judge(&names, &states),
            Some((_, Err(Trouble::Away(words)))) => self.miss(&words),
            Some((_, Err(Trouble::Refused(words)))) => return Err(io::Error::other(words)),
        }
        let is_due = |at: Instant| at.elapsed() >= self.pace.soon;
        if self.collected.is_none_or(is_due) {
            self.collect();
        }
        Ok(self.news.pop_front())
    }

    fn cancel(&mut self) {
        let names = self.open.batches();
        if !names.is_empty() {
            let (queue, how) = (self.queue.name(), self.queue.how_to_cancel(&names));
            self.tell(format!(
                "what is queued in {queue} goes on, and the same command finds it again; to end \
                 it: {how}"
            ));
        }
        self.outbox.clear();
        for number in self.open.close_all() {
            let last_words = format!("it is left to {}", self.queue.name());
            self.news.push_back(News::Ended(End { number, last_words }));
        }
    }
}

/// The name of the trial in a folder.
fn id(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
