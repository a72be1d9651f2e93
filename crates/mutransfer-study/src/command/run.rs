//! One run of a program: what it is told, and the files that it is told by.

use std::fs;
use std::path::Path;

use mutransfer::{Hyper, Optimizer, Plan};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::CommandError;
use crate::store::all_settings;
use crate::subject::ModelSizes;
use crate::trial::{Budget, Trial};

/// The files of a run, by what placeholders call them.
pub(super) const FILES: [(&str, &str); 3] = [
    ("trial", "trial.json"),
    ("plan", PLAN),
    ("metrics", METRICS),
];
pub(super) const PLAN: &str = "plan.json";
pub(super) const METRICS: &str = "metrics.jsonl";

/// What to train, or to measure.
pub(super) struct Run<'a> {
    pub(super) rule: &'a str,
    pub(super) optimizer: Optimizer,
    pub(super) sizes: &'a ModelSizes,
    pub(super) hyper: Hyper,
    pub(super) budget: Budget,
    pub(super) seed: u64,
    /// Updates whose coordinates are to be measured, on one and the same batch.
    pub(super) coordinates: Option<usize>,
}

impl<'a> Run<'a> {
    /// Fails where the batch grew too much for a beta.
    pub(super) fn of_trial(trial: &'a Trial) -> Result<Self, mutransfer::Error> {
        Ok(Self {
            rule: trial.rule.name(),
            optimizer: trial.optimizer,
            sizes: &trial.sizes,
            hyper: trial.trains_with()?,
            budget: trial.budget,
            seed: trial.seed,
            coordinates: None,
        })
    }

    /// Makes a folder for the files of the run, with its plan.
    pub(super) fn prepare(&self, folder: &Path, plan: &Plan) -> Result<(), CommandError> {
        match fs::remove_dir_all(folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                let path = folder.to_owned();
                return Err(CommandError::Write { path, source });
            }
            _ => {}
        }
        fs::create_dir_all(folder).map_err(|source| CommandError::Write {
            path: folder.to_owned(),
            source,
        })?;
        write(folder, PLAN, &plan.document(&self.hyper))
    }

    /// Writes what to do, where it is done: the folder may have another path there.
    pub(super) fn write(&self, folder: &Path) -> Result<(), CommandError> {
        write(folder, "trial.json", &self.task(folder))
    }

    fn task(&self, folder: &Path) -> Value {
        let mut hyper = Map::new();
        hyper.insert("lr".to_owned(), self.hyper.learning_rate.into());
        let settings = all_settings(&self.hyper).into_iter();
        hyper.extend(settings.map(|(name, value)| (name, value.into())));
        json!({
            "rule": self.rule,
            "optimizer": self.optimizer.to_string(),
            "sizes": self.sizes,
            "hyper": hyper,
            "budget": self.budget,
            "seed": self.seed,
            "coordinates": self.coordinates.map(|steps| json!({ "steps": steps })),
            "plan": folder.join(PLAN),
            "metrics": folder.join(METRICS),
            "out": folder,
        })
    }
}

fn write(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), CommandError> {
    let path = folder.join(name);
    let text = serde_json::to_vec_pretty(value).expect("plain data");
    fs::write(&path, text).map_err(|source| CommandError::Write { path, source })
}
