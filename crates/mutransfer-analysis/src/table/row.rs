//! One row of a table of runs, cell by cell.

use csv::StringRecord;

use crate::table::columns::{Numbers, Places};
use crate::table::error::{Spot, TableError};
use crate::table::run::End;

/// A row and where it is.
pub(crate) struct Row<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: u64,
    pub(crate) header: &'a StringRecord,
    pub(crate) cells: &'a StringRecord,
}

impl Row<'_> {
    /// A cell that cannot be used; `fix` says what would be right.
    pub(crate) fn wrong(&self, column: usize, problem: String, fix: &'static str) -> TableError {
        TableError::Cell {
            spot: Box::new(Spot {
                file: self.file.to_owned(),
                line: self.line,
                column: self.header[column].to_owned(),
            }),
            problem,
            fix,
        }
    }

    fn number(&self, column: usize) -> Result<f64, TableError> {
        const FIX: &str = "write a number such as 0.001 or 1e-3";
        let text = &self.cells[column];
        if text.is_empty() {
            return Err(self.wrong(column, "empty".to_owned(), FIX));
        }
        text.parse()
            .map_err(|_| self.wrong(column, format!("`{text}` is not a number"), FIX))
    }

    /// A number that has a logarithm.
    pub(crate) fn positive(&self, numbers: Numbers) -> Result<f64, TableError> {
        const FIX: &str = "it must be finite and above zero, because its logarithm is used; \
                           --log2 COLUMN says that a column holds logarithms";
        let column = numbers.column;
        let written = self.number(column)?;
        let number = if numbers.is_log2 {
            written.exp2()
        } else {
            written
        };
        if number.is_finite() && number > 0.0 {
            Ok(number)
        } else {
            Err(self.wrong(column, format!("the value is {written}"), FIX))
        }
    }

    /// Other programs write whole numbers as `3.0` too.
    pub(crate) fn seed(&self, column: usize) -> Result<u64, TableError> {
        let text = &self.cells[column];
        if let Ok(seed) = text.parse() {
            return Ok(seed);
        }
        match text.parse::<f64>() {
            Ok(number) if number.fract() == 0.0 && (0.0..9e15).contains(&number) => {
                Ok(number as u64)
            }
            _ => {
                let problem = format!("`{text}` is not a whole number");
                Err(self.wrong(column, problem, "number the seeds: 0, 1, 2"))
            }
        }
    }

    /// How the run ended. It diverged by its own account, by a loss that is not finite, or by one
    /// above the first.
    pub(crate) fn end(&self, places: &Places) -> Result<End, TableError> {
        match self.status(places)? {
            Status::Failed => Ok(End::Failed),
            Status::Diverged => Ok(End::Diverged),
            Status::Ok => self.loss(places),
        }
    }

    fn status(&self, places: &Places) -> Result<Status, TableError> {
        let Some(column) = places.status else {
            return Ok(Status::Ok);
        };
        let text = &self.cells[column];
        let known = STATUSES
            .iter()
            .find(|(_, names)| names.iter().any(|name| text.eq_ignore_ascii_case(name)));
        known.map(|(status, _)| *status).ok_or_else(|| {
            let problem = format!("unknown status `{text}`");
            self.wrong(column, problem, "write ok, diverged or failed")
        })
    }

    /// A run without a final loss has come to no end, and one that is not finite is a divergence.
    fn loss(&self, places: &Places) -> Result<End, TableError> {
        if MISSING
            .iter()
            .any(|missing| self.cells[places.loss].eq_ignore_ascii_case(missing))
        {
            return Ok(End::Failed);
        }
        let loss = self.number(places.loss)?;
        let mut has_risen = false;
        if let Some(column) = places.first_loss
            && !self.cells[column].is_empty()
        {
            has_risen = loss > self.number(column)?;
        }
        if loss.is_finite() && !has_risen {
            Ok(End::Loss(loss))
        } else {
            Ok(End::Diverged)
        }
    }
}

/// What a row says of its run.
#[derive(Clone, Copy)]
enum Status {
    Ok,
    Diverged,
    Failed,
}

/// What programs call the three: this one, W&B, Optuna, Ray Tune, Slurm. A run that was pruned or
/// is still running has no final loss, and one that crashed none to trust.
const STATUSES: [(Status, &[&str]); 3] = [
    (
        Status::Ok,
        &[
            "",
            "ok",
            "finished",
            "complete",
            "completed",
            "terminated",
            "success",
            "done",
        ],
    ),
    (Status::Diverged, &["diverged", "nan"]),
    (
        Status::Failed,
        &[
            "failed",
            "fail",
            "crashed",
            "killed",
            "error",
            "running",
            "pending",
            "waiting",
            "paused",
            "pruned",
            "preempted",
            "preempting",
            "cancelled",
            "timeout",
        ],
    ),
];

/// What stands for a loss that is not there.
const MISSING: [&str; 7] = ["", "none", "null", "n/a", "na", "-", "<na>"];
