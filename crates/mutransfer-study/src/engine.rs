//! What of a study is missing, and in what order it is run.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::RunError;
use crate::event::Event;
use crate::executor::{End, Executor, News};
use crate::store::{Columns, Ended, IMPORTED, Record, Records, Store};
use crate::subject::Subject;
use crate::trial::{Outcome, Trial};

/// How long to wait for a worker before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// After how many trials that have moved on their memory is given back, so that a hundred thousand
/// are not there twice.
const BLOCK: usize = 4096;

/// Runs trials, each once.
pub struct Engine<'a> {
    store: &'a Store,
    records: &'a Records,
    subject: &'a dyn Subject,
    executor: &'a mut dyn Executor,
    builds: Builds,
    stop: &'a AtomicBool,
    ended: Vec<Ended>,
}

/// Of which builds of the program results count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builds {
    /// Fingerprint of this one.
    pub own: String,
    /// Whether any other will do.
    pub accepts_others: bool,
}

impl<'a> Engine<'a> {
    /// An engine that has run nothing. Setting `stop` ends the workers; what has finished by then
    /// is kept.
    pub fn new(
        store: &'a Store,
        records: &'a Records,
        subject: &'a dyn Subject,
        executor: &'a mut dyn Executor,
        builds: Builds,
        stop: &'a AtomicBool,
    ) -> Self {
        Self {
            store,
            records,
            subject,
            executor,
            builds,
            stop,
            ended: Vec::new(),
        }
    }

    /// The results of all trials that this engine has run.
    pub fn into_ended(self) -> Vec<Ended> {
        self.ended
    }

    /// Runs every trial that has no result yet, and gives the results of all that this engine has
    /// run. `results.csv` is brought up to date after every trial.
    ///
    /// # Errors
    /// When the folder cannot be written, a record is damaged, no worker can be started, a trial
    /// came to nothing, or it was asked to stop.
    pub fn run(
        &mut self,
        trials: Vec<Trial>,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<&[Ended], RunError> {
        let columns = self.columns(&trials);
        let waiting = self.missing(trials, observe)?;
        self.store.write_results(&columns, &self.ended)?;
        let done = self.work(waiting, &columns, observe);
        if done.is_err() {
            self.executor.cancel();
        }
        let lost = done?;
        self.store.write_results(&columns, &self.ended)?;
        self.settle(&lost)
    }

    /// Makes the folders of all trials that have no result yet, and gives the names of these
    /// trials.
    ///
    /// # Errors
    /// When the folder cannot be written, or a record is damaged.
    pub fn prepare(
        &mut self,
        trials: Vec<Trial>,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<Vec<String>, RunError> {
        let missing = self.missing(trials, observe)?;
        let prepared = missing.into_iter().map(|(_, trial)| {
            self.prepare_trial(&trial)?;
            Ok(trial.id())
        });
        prepared.collect()
    }

    fn prepare_trial(&self, trial: &Trial) -> Result<PathBuf, RunError> {
        let folder = self.store.prepare(trial, &self.builds.own)?;
        let prepared = self.subject.prepare(trial, &folder);
        prepared.map_err(RunError::Subject)?;
        Ok(folder)
    }

    fn columns(&self, trials: &[Trial]) -> Columns {
        let earlier = self.ended.iter().map(|(trial, _)| trial);
        Columns::of(earlier.chain(trials))
    }

    /// The trials without a result that counts, with their numbers; notes the others.
    fn missing(
        &mut self,
        mut trials: Vec<Trial>,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<VecDeque<(usize, Trial)>, RunError> {
        let mut waiting = VecDeque::new();
        let mut count = 0;
        let mut known = self.records.all()?;
        trials.reverse();
        let mut numbers = 0..;
        while let (Some(trial), Some(number)) = (trials.pop(), numbers.next()) {
            if trials.len().is_multiple_of(BLOCK) {
                trials.shrink_to_fit();
            }
            let record = known.remove(&trial.id());
            count += usize::from(
                record
                    .as_ref()
                    .is_some_and(|record| self.is_foreign(record)),
            );
            match record.filter(|record| self.counts(record)) {
                None => waiting.push_back((number, trial)),
                Some(record) => {
                    observe(&Event::Ended(&trial, &record.outcome));
                    self.ended.push((trial, record.outcome));
                }
            }
        }
        if count > 0 {
            let is_accepted = self.builds.accepts_others;
            observe(&Event::OtherBuild { count, is_accepted });
        }
        Ok(waiting)
    }

    fn is_foreign(&self, record: &Record) -> bool {
        record.build != self.builds.own && record.build != IMPORTED
    }

    fn counts(&self, record: &Record) -> bool {
        self.builds.accepts_others || !self.is_foreign(record)
    }

    /// Runs what is waiting, to the end or until asked to stop; gives what became of the trials
    /// without a result.
    fn work(
        &mut self,
        mut waiting: VecDeque<(usize, Trial)>,
        columns: &Columns,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<Vec<String>, RunError> {
        let mut running = BTreeMap::new();
        let mut lost = Vec::new();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                waiting.clear();
                self.executor.cancel();
            }
            while self.executor.has_room()
                && let Some((number, trial)) = waiting.pop_front()
            {
                self.begin(number, &trial)?;
                observe(&Event::Started(&trial));
                running.insert(number, trial);
            }
            if running.is_empty() {
                return Ok(lost);
            }
            let Some(end) = self.next(observe)? else {
                continue;
            };
            let Some(trial) = running.remove(&end.number) else {
                continue;
            };
            let outcome = self.outcome(&trial, end)?;
            observe(&Event::Ended(&trial, &outcome));
            self.store.append_result(columns, &trial, &outcome)?;
            if let Outcome::Failed { error } = outcome {
                lost.push(format!("trial {}: {error}", trial.id()));
            } else if outcome.is_final() {
                self.ended.push((trial, outcome));
            }
        }
    }

    /// The next end, if there is one in time; tells whatever else the executor has to say.
    fn next(&mut self, observe: &mut dyn FnMut(&Event)) -> Result<Option<End>, RunError> {
        match self.executor.next(PATIENCE).map_err(RunError::Spawn)? {
            Some(News::Ended(end)) => return Ok(Some(end)),
            Some(News::Notice(text)) => observe(&Event::Notice(&text)),
            None => observe(&Event::Waiting),
        }
        Ok(None)
    }

    fn begin(&mut self, number: usize, trial: &Trial) -> Result<(), RunError> {
        if self.executor.adopt(number, &self.store.folder(trial)) {
            return Ok(());
        }
        let folder = self.prepare_trial(trial)?;
        self.executor
            .submit(number, &folder)
            .map_err(RunError::Spawn)
    }

    /// What a worker has left behind.
    fn outcome(&self, trial: &Trial, end: End) -> Result<Outcome, RunError> {
        let record = self.records.take(trial)?;
        let own = record.filter(|record| !self.is_foreign(record));
        Ok(match own {
            Some(record) => record.outcome,
            None if self.stop.load(Ordering::Relaxed) => Outcome::Stopped,
            None => Outcome::Failed {
                error: end.last_words,
            },
        })
    }

    fn settle(&self, lost: &[String]) -> Result<&[Ended], RunError> {
        let finished = self.ended.len();
        if self.stop.load(Ordering::Relaxed) {
            let path = self.store.path("results.csv");
            return Err(RunError::Interrupted { finished, path });
        }
        match lost.first() {
            None => Ok(&self.ended),
            Some(first) => Err(RunError::Failed {
                failed: lost.len(),
                finished,
                first: first.lines().next().unwrap_or_default().to_owned(),
            }),
        }
    }
}
