//! A cell while it is being judged.

use crate::coordinates::cell::Cell;
use crate::coordinates::family::{agree, families};
use crate::coordinates::fit::{Fit, Promise};
use crate::coordinates::looks::{Chances, Looks};
use crate::coordinates::sizes::Sizes;
use crate::verdict::Verdict;

/// A cell, what is promised of it, and what decides.
pub(crate) struct Case {
    pub(crate) cell: Cell,
    /// None where it is not judged.
    pub(crate) promise: Option<Promise>,
    /// None where it is settled without a slope: all zero, or not finite.
    pub(crate) sizes: Option<Sizes>,
}

/// Judges the cells of a rule, look by look. What one look decides stays decided.
pub(crate) fn decide(cases: &mut [Case], looks: &Looks) {
    let families = families(cases);
    let judged = cases.iter().filter(|case| case.promise.is_some()).count();
    let chances = looks.chances(judged + families.len());
    let seeds = cases.iter().filter_map(|case| case.sizes.as_ref());
    let seeds = seeds.map(Sizes::seeds).max().unwrap_or(0);
    for look in looks.taken(seeds) {
        for case in cases.iter_mut().filter(|case| case.is_open()) {
            case.look(look, chances);
        }
        for family in &families {
            family.look(cases, look, chances);
        }
    }
}

impl Case {
    /// Whether more seeds could decide it.
    pub(crate) fn is_open(&self) -> bool {
        let is_open = matches!(self.cell.verdict, None | Some(Verdict::Undetermined));
        self.sizes.is_some() && is_open
    }

    /// Judges it by itself, after so many seeds.
    fn look(&mut self, seeds: usize, chances: Chances) {
        let sizes = self.sizes.as_ref().map(|sizes| sizes.first(seeds));
        let Some(fit) = sizes.and_then(|sizes| Fit::through(&sizes)) else {
            return;
        };
        self.cell.fit = Some(fit);
        let verdict = self.promise.map(|promise| fit.against(promise, chances));
        self.settle(verdict, fit, chances);
    }

    /// Judges it by its family, where it agrees with that.
    pub(crate) fn join(&mut self, fit: Fit, verdict: Verdict, promise: Promise, chances: Chances) {
        let agrees = self
            .cell
            .fit
            .is_some_and(|own| agree(&own, &fit, verdict, promise));
        if agrees && verdict != Verdict::Undetermined {
            self.cell.pooled = Some(fit);
            self.settle(Some(verdict), fit, chances);
        }
    }

    fn settle(&mut self, verdict: Option<Verdict>, fit: Fit, chances: Chances) {
        let is_open = verdict == Some(Verdict::Undetermined);
        let promise = self.promise.filter(|_| is_open);
        self.cell.verdict = verdict;
        self.cell.enough_seeds = promise.and_then(|promise| fit.enough_seeds(promise, chances));
    }
}
