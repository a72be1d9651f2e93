//! Trials that have been submitted and have not ended.

use std::collections::{BTreeMap, BTreeSet};

/// An element: the name of its batch, and its number there.
pub(super) type Place = (String, usize);

/// Trials, by their names.
#[derive(Debug, Default)]
pub(super) struct Opened(BTreeMap<String, Open>);

#[derive(Debug)]
struct Open {
    number: usize,
    /// In how many tasks it was lost.
    losses: u32,
    /// Where it is queued, if it is.
    place: Option<Place>,
}

impl Opened {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn begin(&mut self, id: String, number: usize, place: Option<Place>) {
        let losses = 0;
        self.0.insert(
            id,
            Open {
                number,
                losses,
                place,
            },
        );
    }

    /// Notes where a trial is queued now.
    pub(super) fn place(&mut self, id: &str, place: Option<Place>) {
        if let Some(open) = self.0.get_mut(id) {
            open.place = place;
        }
    }

    /// Adds to the losses of a trial, and gives their sum and its number.
    pub(super) fn charge(&mut self, id: &str, losses: u32) -> Option<(u32, usize)> {
        let open = self.0.get_mut(id)?;
        open.losses += losses;
        Some((open.losses, open.number))
    }

    /// A trial has ended; gives where it was queued.
    pub(super) fn close(&mut self, id: &str) -> Option<Place> {
        self.0.remove(id)?.place
    }

    /// All trials have ended; gives their numbers.
    pub(super) fn close_all(&mut self) -> Vec<usize> {
        let all = std::mem::take(&mut self.0);
        all.into_values().map(|open| open.number).collect()
    }

    /// Names and numbers of the trials that are queued.
    pub(super) fn queued(&self) -> Vec<(String, usize)> {
        let queued = self.0.iter().filter(|(_, open)| open.place.is_some());
        queued.map(|(id, open)| (id.clone(), open.number)).collect()
    }

    /// Elements that trials are queued in.
    pub(super) fn places(&self) -> BTreeSet<Place> {
        let places = self.0.values().filter_map(|open| open.place.clone());
        places.collect()
    }

    /// Batches that trials are queued in.
    pub(super) fn batches(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.places().into_iter().map(|place| place.0).collect();
        names.into_iter().collect()
    }

    /// Whether trials are queued in a batch.
    pub(super) fn has(&self, batch: &str) -> bool {
        let mut places = self.0.values().filter_map(|open| open.place.as_ref());
        places.any(|(name, _)| name == batch)
    }

    /// The trials that are queued in an element.
    pub(super) fn at(&self, place: &Place) -> Vec<String> {
        let here = self
            .0
            .iter()
            .filter(|(_, open)| open.place.as_ref() == Some(place));
        here.map(|(id, _)| id.clone()).collect()
    }
}
