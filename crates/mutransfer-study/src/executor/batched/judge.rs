//! What is lost, by what the queue says, and what becomes of it.

use std::time::Instant;

use super::open::Place;
use super::{Batched, LOSSES};
use crate::executor::batch;
use crate::executor::queue::{Stage, State, States};
use crate::executor::words::error_in;
use crate::store::{folder_of, write_record};
use crate::trial::Outcome;

/// How an element ended in which trials have no result.
struct Loss {
    /// What to say of it.
    how: String,
    /// Whether there was anything to lose: the queue had taken it.
    was_there: bool,
    /// What it counts: nothing where trials of it ended before.
    charge: u32,
    /// Whether its trials would fail again.
    is_own_fault: bool,
}

impl Batched {
    /// Finds what is lost, by what the queue says of these batches.
    pub(super) fn judge(&mut self, names: &[String], states: &States) {
        self.hear();
        self.collect();
        let places = self.open.places().into_iter();
        for place in places.filter(|place| names.contains(&place.0)) {
            let state = states.get(&place);
            match state.map(|state| &state.stage) {
                Some(Stage::Alive) => self.is_there(&place),
                Some(Stage::Held(why)) => {
                    self.is_there(&place);
                    self.hold(&place, why);
                }
                Some(Stage::Ended { .. }) | None => self.miss_element(&place, state),
            }
        }
    }

    fn is_there(&mut self, place: &Place) {
        self.gone.remove(place);
        if let Some(known) = self.batches.get_mut(&place.0) {
            known.is_certain = true;
        }
    }

    fn hold(&mut self, place: &Place, why: &str) {
        if self.held.insert(place.clone()) {
            let (queue, name) = (self.queue.name(), &place.0);
            let told = format!("{queue} holds a task of {name} until it is released: {why}");
            self.tell(told);
        }
    }

    /// An element has ended, and some of its results are not seen yet.
    fn miss_element(&mut self, place: &Place, state: Option<&State>) {
        let since = *self.gone.entry(place.clone()).or_insert_with(Instant::now);
        if since.elapsed() < self.grace {
            self.pace.quicken();
            return;
        }
        self.gone.remove(place);
        let ids = self.open.at(place);
        let loss = self.loss(place, ids.len(), state);
        let has_begun = |id: &String| folder_of(&self.root, id).join("log").exists();
        // Where one was at it, the others behind it are not to blame.
        let begun: Vec<bool> = ids.iter().map(has_begun).collect();
        let nobody_began = !begun.contains(&true);
        let mut again: Vec<String> = Vec::new();
        for (id, has_begun) in ids.into_iter().zip(begun) {
            let Some((losses, number)) = self.open.charge(&id, loss.charge) else {
                continue;
            };
            let is_to_blame = loss.is_own_fault && (has_begun || nobody_began);
            if is_to_blame || losses > LOSSES {
                self.fail(place, &id, number, &loss.how);
            } else {
                again.push(id);
            }
        }
        self.queue_again(again, &loss);
    }

    fn loss(&self, place: &Place, missing: usize, state: Option<&State>) -> Loss {
        let known = self.batches.get(&place.0);
        let all = known.map_or(0, |known| known.batch.elements[place.1].len());
        let has_progressed = missing < all;
        let was_there = state.is_some() || known.is_some_and(|known| known.is_certain);
        let folder = batch::folder(&self.root, &place.0);
        let was_stopped = batch::stopped(&folder, place.1).exists();
        let (job, how, is_own_fault) = match state {
            Some(State {
                job,
                stage: Stage::Ended { how, is_own_fault },
            }) => (job.as_str(), how.as_str(), *is_own_fault),
            _ => (place.0.as_str(), "unknown to the queue", false),
        };
        Loss {
            how: format!("its job {job} of {} ended as {how}", self.queue.name()),
            was_there,
            charge: u32::from(was_there && !has_progressed),
            is_own_fault: is_own_fault && !has_progressed && !was_stopped,
        }
    }

    fn fail(&mut self, place: &Place, id: &str, number: usize, how: &str) {
        if let Some(known) = self.batches.get_mut(&place.0) {
            known.has_failed = true;
        }
        let own = folder_of(&self.root, id).join("log");
        let element = batch::folder(&self.root, &place.0).join(format!("{}.log", place.1));
        let log = if own.exists() { own } else { element };
        let said = error_in(&log);
        let last_words = format!("{how}{said} (log: {})", log.display());
        // So that no later process takes it for one that is still coming.
        let error = last_words.clone();
        let folder = folder_of(&self.root, id);
        let _ = write_record(&folder, id, Outcome::Failed { error }, 0.0, &self.build);
        self.end(id, number, last_words);
    }

    fn queue_again(&mut self, ids: Vec<String>, loss: &Loss) {
        if ids.is_empty() {
            return;
        }
        if loss.was_there {
            let Loss { how, .. } = loss;
            self.tell(format!(
                "trials are queued again, {} of them: {how}",
                ids.len()
            ));
        }
        for id in &ids {
            self.open.place(id, None);
        }
        self.outbox.extend(ids);
        self.pace.quicken();
    }
}
