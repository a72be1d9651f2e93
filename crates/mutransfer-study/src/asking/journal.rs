//! What was told, line by line, and the search that it makes.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use super::written::Written;
use crate::error::{ReadError, StoreError, Verb};
use crate::search::{Search, SearchError};

/// The file of what was told.
const JOURNAL: &str = "told.jsonl";

/// A run and its losses, one for each seed. None says that it diverged, as JSON has no infinity.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Of the search that it was told to.
    search: String,
    run: usize,
    losses: Vec<Option<f64>>,
}

/// Why a search cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// What is searched is written wrongly.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The folder cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was told makes no sense.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The file says another search than the one that has losses.
    #[error("{path} has losses of another search: {written} has changed since")]
    Changed {
        /// The journal.
        path: PathBuf,
        /// The file of the search.
        written: PathBuf,
    },
}

/// A search and its journal. Several processes may tell: a line is written at once, and one that is
/// torn by a crash was not told.
#[derive(Debug)]
pub struct Asking {
    written: Written,
    search: Search,
    journal: PathBuf,
    fingerprint: String,
}

impl Asking {
    /// The search of a file with what is told in a folder, which need not exist yet.
    ///
    /// # Errors
    /// When the file is wrong, or the journal is unreadable or of another search.
    pub fn open(path: &Path, folder: &Path) -> Result<Self, AskError> {
        let written = Written::read(path)?;
        let journal = folder.join(JOURNAL);
        let search = Search::of(&written.space, written.settings)?;
        // What is fixed is told to no axis, and is part of what losses are of. A larger budget is
        // not: the search then goes on.
        let mut settings = written.settings;
        settings.budget = 0;
        let what = (&written.fixed, written.space.parameters(), settings);
        let canonical = json!(what).to_string();
        let mut asking = Self {
            fingerprint: blake3::hash(canonical.as_bytes()).to_hex()[..16].to_owned(),
            written,
            search,
            journal,
        };
        asking.replay(path)?;
        Ok(asking)
    }

    fn replay(&mut self, path: &Path) -> Result<(), AskError> {
        let text = match fs::read_to_string(&self.journal) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            text => text.map_err(StoreError::of(Verb::Read, &self.journal))?,
        };
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let mut lines: Vec<Line> = lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        if lines.iter().any(|line| line.search != self.fingerprint) {
            return Err(AskError::Changed {
                path: self.journal.clone(),
                written: path.to_owned(),
            });
        }
        // Runs are asked for in the order of their numbers, whatever the order in which they ended.
        lines.sort_by_key(|line| line.run);
        for line in lines {
            self.search.ask();
            let losses = line.losses.iter().map(|loss| loss.unwrap_or(f64::INFINITY));
            match self.search.tell(line.run, &losses.collect::<Vec<_>>()) {
                // Two that told one run at the same time: the first line counts.
                Ok(()) | Err(SearchError::Told { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The search.
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// What is searched.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// The runs that wait for a loss, each with its number and the value of each hyperparameter, of
    /// the fixed ones too; none when the search is over.
    pub fn ask(&mut self) -> Vec<(usize, serde_json::Map<String, serde_json::Value>)> {
        let runs: Vec<(usize, Vec<f64>)> = self
            .search
            .ask()
            .into_iter()
            .map(|run| (run.number, run.point.clone()))
            .collect();
        runs.into_iter()
            .map(|(number, point)| (number, self.values(&point)))
            .collect()
    }

    /// The value of each hyperparameter at a point.
    pub fn values(&self, point: &[f64]) -> serde_json::Map<String, serde_json::Value> {
        let space = &self.written.space;
        let found = space.parameters().iter().zip(space.values(point));
        let found = found.map(|(parameter, value)| (parameter.name.clone(), value.into()));
        let fixed = self.written.fixed.iter();
        let fixed = fixed.map(|(name, value)| (name.clone(), json!(value)));
        found.chain(fixed).collect()
    }

    /// Takes the losses of a run, one for each seed, and writes them down.
    ///
    /// # Errors
    /// When it was not asked for or was told otherwise, or the journal cannot be written.
    pub fn tell(&mut self, run: usize, losses: &[f64]) -> Result<(), AskError> {
        self.search.ask();
        self.search.tell(run, losses)?;
        let finite = |loss: &f64| Some(*loss).filter(|loss| loss.is_finite());
        let line = Line {
            search: self.fingerprint.clone(),
            run,
            losses: losses.iter().map(finite).collect(),
        };
        self.append(&json!(line).to_string())
            .map_err(StoreError::of(Verb::Write, &self.journal))?;
        Ok(())
    }

    /// Begins on a line of its own even where the last one is torn.
    fn append(&self, text: &str) -> std::io::Result<()> {
        if let Some(folder) = self.journal.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.journal)?;
        let is_torn = fs::read(&self.journal)?
            .last()
            .is_some_and(|last| *last != b'\n');
        let begin = if is_torn { "\n" } else { "" };
        file.write_all(format!("{begin}{text}\n").as_bytes())?;
        file.sync_all()
    }
}
