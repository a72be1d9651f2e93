//! Trials run as they are asked for, each once.

use std::collections::BTreeMap;

use super::bench::Workbench;
use crate::axis::Rung;
use crate::engine::Engine;
use crate::error::RunError;
use crate::event::Event;
use crate::trial::{Outcome, Trial};

/// Operations on a parameter for a token: two forward, four backward.
const OPERATIONS: f64 = 6.0;

/// What was run so far.
pub(super) struct Desk<'a> {
    engine: Engine<'a>,
    trials: Vec<Trial>,
    outcomes: BTreeMap<String, Outcome>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(engine: Engine<'a>) -> Self {
        Self {
            engine,
            trials: Vec::new(),
            outcomes: BTreeMap::new(),
        }
    }

    /// How these trials end, in their order; those that are asked for again are not run again.
    pub(super) fn run(
        &mut self,
        bench: &Workbench,
        trials: &[Trial],
        what: &str,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<Vec<Outcome>, RunError> {
        let is_new = |trial: &&Trial| !self.outcomes.contains_key(&trial.id());
        let new: Vec<Trial> = trials.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            self.trials.extend_from_slice(&new);
            bench.records().list(&self.trials)?;
            observe(&Event::Round { what, trials: &new });
            let ended = self.engine.run(new, observe);
            observe(&Event::Done);
            let ended = ended?.iter();
            let outcomes = ended.map(|(trial, outcome)| (trial.id(), outcome.clone()));
            self.outcomes.extend(outcomes);
        }
        let outcomes = trials
            .iter()
            .map(|trial| self.outcomes[&trial.id()].clone());
        Ok(outcomes.collect())
    }

    /// Operations of all trainings so far, of those that diverged too as if they had not.
    pub(super) fn operations(&self, bench: &Workbench) -> f64 {
        let trials = self.trials.iter();
        trials.map(|trial| cost(bench, &trial.rung())).sum()
    }
}

/// Operations of a training.
pub(super) fn cost(bench: &Workbench, rung: &Rung) -> f64 {
    let runs = crate::cost::runs(bench.subject.as_ref(), rung, 1.0);
    OPERATIONS * runs.parameters * runs.tokens
}
