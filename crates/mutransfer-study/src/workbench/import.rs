//! Trials that ended elsewhere.

use std::collections::BTreeMap;

use mutransfer_analysis::{End, Run, is_same};
use serde::Deserialize;
use serde_json::Value;

use super::bench::Workbench;
use crate::axis::Axis;
use crate::error::RunError;
use crate::store::{Brought, Record};
use crate::trial::{Outcome, Trial};

/// What was imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Trials that count as ended now.
    pub taken: usize,
    /// Those that had ended before, and stay as they were.
    pub known: usize,
}

/// A line of the export of a study.
#[derive(Deserialize)]
struct Line {
    id: String,
    trial: Trial,
    record: Record,
    curve: Vec<Value>,
}

impl Workbench {
    /// Takes in runs as the ends of the study's trials of the same rule, size, learning rate and
    /// seed. Their loss stands for the training loss too, and they have no curve.
    ///
    /// # Errors
    /// When a run is none of the study, of which then none is taken in, or the folder cannot be
    /// read or written.
    pub fn import(&self, runs: &[Run]) -> Result<Imported, RunError> {
        let sweep = self.list()?;
        let mut places: BTreeMap<_, Vec<&Trial>> = BTreeMap::new();
        for trial in &sweep {
            let at = self.study.at(&trial.rung()).get();
            let key = (trial.rule.name(), at.to_bits(), trial.seed);
            places.entry(key).or_default().push(trial);
        }
        let mut brought = Vec::new();
        for run in runs {
            let key = (run.rule.as_str(), run.at.to_bits(), run.seed);
            let trials = places.get(&key).map_or(&[][..], Vec::as_slice);
            let found = trials.iter().find(|trial| {
                let lr = trial.hyper.learning_rate;
                is_same(lr.log2(), run.value.log2())
            });
            let trial = (*found.ok_or_else(|| none(run, self.study.axis()))?).clone();
            if let Some(outcome) = outcome(run) {
                let record = Record::imported(&trial.id(), outcome);
                brought.push(Brought {
                    trial,
                    record,
                    curve: Vec::new(),
                });
            }
        }
        self.bring(brought)
    }

    /// Takes in the lines of the export of a study, of this one or another: what is not of this one
    /// is kept and not judged.
    ///
    /// # Errors
    /// When a line holds no trial, or one whose record does not fit it, of which then none is taken
    /// in, or the folder cannot be read or written.
    pub fn import_lines(&self, text: &str) -> Result<Imported, RunError> {
        self.list()?;
        let lines = text.lines().enumerate();
        let brought = lines.map(|(index, line)| {
            read(line).map_err(|problem| RunError::Line {
                line: index + 1,
                problem,
            })
        });
        self.bring(brought.collect::<Result<_, _>>()?)
    }

    fn list(&self) -> Result<Vec<Trial>, RunError> {
        self.records().take_all()?;
        let sweep = self.study.sweep(self.subject.as_ref())?;
        self.records().list(&sweep)?;
        Ok(sweep)
    }

    fn bring(&self, mut brought: Vec<Brought>) -> Result<Imported, RunError> {
        let all = brought.len();
        let known = self.records().all()?;
        brought.retain(|ended| !known.contains_key(&ended.trial.id()));
        self.records().bring(&brought)?;
        Ok(Imported {
            taken: brought.len(),
            known: all - brought.len(),
        })
    }
}

fn none(run: &Run, axis: Axis) -> RunError {
    RunError::NoTrial {
        rule: run.rule.clone(),
        axis,
        at: run.at,
        lr: run.value,
        seed: run.seed,
    }
}

fn outcome(run: &Run) -> Option<Outcome> {
    match run.end {
        End::Loss(loss) => Some(Outcome::Finished {
            train_loss: loss,
            loss,
        }),
        End::Diverged => Some(Outcome::Diverged { step: 0 }),
        End::Failed => None,
    }
}

fn read(line: &str) -> Result<Brought, String> {
    let Line {
        id,
        trial,
        record,
        curve,
    } = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if trial.id() != id {
        return Err(format!("its trial is not {id}"));
    }
    let curve: String = curve.iter().map(|step| format!("{step}\n")).collect();
    record.check(&id, curve.as_bytes())?;
    Ok(Brought {
        trial,
        record,
        curve: curve.into_bytes(),
    })
}
