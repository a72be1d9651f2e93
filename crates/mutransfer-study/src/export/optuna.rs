//! Optuna's journal, which `optuna.storages.JournalStorage` and its dashboard open.
//!
//! Operations and their numbers are those of `optuna/storages/journal/_storage.py` (5.0.0).

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use crate::axis::{At, Axis};
use crate::curves::{Metric, metrics};
use crate::error::StoreError;
use crate::store::{Part, Recorded, rungs, visit};
use crate::trial::{Loss, Outcome};
use mutransfer_analysis::End;

/// What stands for the process that wrote a line.
const WORKER: &str = "mutransfer";

/// `TrialState` of Optuna. A loss that is no number is a failure there.
const COMPLETE: u8 = 1;
const FAILED: u8 = 3;

/// Gives `sink` the lines of a journal: a study `NAME/RULE/SIZE`, to be minimised, for every rule
/// and size along the axis of the study, and in it the trials that ended, each with its learning
/// rate, its loss at every step and its validation loss. Days and times are not recorded, so every
/// trial begins at the beginning of 1970; how long it took is true.
///
/// # Errors
/// When there is no study, it cannot be read or is damaged, or the sink fails.
pub fn optuna<E: From<StoreError>>(
    root: &Path,
    name: &str,
    mut sink: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let mut journal = Journal::over(root)?;
    visit(root, Part::Curve, |recorded| {
        for line in journal.trial(root, name, &recorded)? {
            sink(&line.to_string())?;
        }
        Ok(())
    })
}

/// What has been numbered so far.
struct Journal {
    /// What grows.
    axis: Axis,
    /// Studies by rule and size.
    studies: BTreeMap<(String, At), usize>,
    trials: usize,
    /// The smallest and the largest learning rate of all.
    rates: [f64; 2],
}

impl Journal {
    fn over(root: &Path) -> Result<Self, StoreError> {
        let mut rates = [f64::INFINITY, 0.0];
        visit(root, Part::End, |recorded| {
            let lr = recorded.trial.hyper.learning_rate;
            rates = [rates[0].min(lr), rates[1].max(lr)];
            Ok::<(), StoreError>(())
        })?;
        Ok(Self {
            axis: Axis::of(&rungs(root)?),
            studies: BTreeMap::new(),
            trials: 0,
            rates,
        })
    }

    /// The lines of a trial; none if it has not ended.
    fn trial(
        &mut self,
        root: &Path,
        name: &str,
        recorded: &Recorded,
    ) -> Result<Vec<Value>, StoreError> {
        let Some(record) = &recorded.record else {
            return Ok(Vec::new());
        };
        let mut lines = Vec::new();
        let study = self.study(name, recorded, &mut lines);
        let id = self.trials;
        self.trials += 1;
        lines.push(line(
            4,
            json!({ "study_id": study, "datetime_start": time(0.0) }),
        ));
        lines.push(self.learning_rate(id, recorded.trial.hyper.learning_rate));
        for attribute in attributes(recorded, self.axis) {
            lines.push(line(8, json!({ "trial_id": id, "user_attr": attribute })));
        }
        for Metric { step, loss } in metrics(root, &recorded.curve)? {
            if let Some(loss) = loss {
                let value = json!({ "trial_id": id, "step": step, "intermediate_value": loss });
                lines.push(line(7, value));
            }
        }
        let (state, values) = match record.outcome.end(Loss::Validation) {
            End::Loss(loss) => (COMPLETE, json!([loss])),
            End::Diverged | End::Failed => (FAILED, Value::Null),
        };
        lines.push(line(
            6,
            json!({
                "trial_id": id, "state": state, "values": values,
                "datetime_complete": time(record.seconds.unwrap_or(0.0)),
            }),
        ));
        Ok(lines)
    }

    /// The line with the learning rate of a trial, and the range of those of all.
    fn learning_rate(&self, trial: usize, rate: f64) -> Value {
        let [low, high] = self.rates;
        let distribution = json!({
            "name": "FloatDistribution",
            "attributes": { "step": null, "low": low, "high": high, "log": true },
        });
        line(
            5,
            json!({
                "trial_id": trial, "param_name": "lr", "param_value_internal": rate,
                "distribution": distribution.to_string(),
            }),
        )
    }

    /// The study of a trial, which is made with its first one.
    fn study(&mut self, name: &str, recorded: &Recorded, lines: &mut Vec<Value>) -> usize {
        let rule = recorded.trial.rule.name();
        let at = self.axis.at(&recorded.trial.rung());
        let next = self.studies.len();
        let study = self.studies.entry((rule.to_owned(), at)).or_insert(next);
        if *study == next {
            let name = format!("{name}/{rule}/{at}");
            lines.push(line(0, json!({ "study_name": name, "directions": [1] })));
        }
        *study
    }
}

fn attributes(recorded: &Recorded, axis: Axis) -> Vec<Value> {
    let mut all = vec![
        json!({ "id": recorded.id }),
        json!({ "rule": recorded.trial.rule.name() }),
        json!({ "width": recorded.trial.sizes.width }),
        json!({ "seed": recorded.trial.seed }),
    ];
    if axis != Axis::Width {
        all.push(json!({ axis.name(): axis.at(&recorded.trial.rung()).get() }));
    }
    let outcome = recorded.record.as_ref().map(|record| &record.outcome);
    if let Some(Outcome::Diverged { step }) = outcome {
        all.push(json!({ "diverged_at_step": step }));
    }
    all
}

fn line(code: u8, mut fields: Value) -> Value {
    fields["op_code"] = code.into();
    fields["worker_id"] = WORKER.into();
    fields
}

/// So many seconds after the beginning of 1970, as Optuna writes a time.
fn time(seconds: f64) -> String {
    let after = TimeDelta::microseconds((seconds * 1e6) as i64);
    let time = DateTime::UNIX_EPOCH + after;
    time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}
