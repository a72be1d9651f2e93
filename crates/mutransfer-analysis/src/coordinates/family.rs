//! Cells of one kind, which are judged together where they agree.
//!
//! Blocks are alike, and so are later updates of one module: what scatters in one cell may be
//! settled by all of them. A cell that is wrong alone does not agree, and shows alone.

use std::collections::BTreeMap;

use mutransfer::theory::Quantity;

use crate::coordinates::case::Case;
use crate::coordinates::fit::{Fit, Promise, TOLERANCE};
use crate::coordinates::looks::Chances;
use crate::coordinates::sizes::Sizes;
use crate::verdict::Verdict;

/// Chance of leaving out the truth up to which an interval of a cell speaks of agreement.
const AGREEMENT: f64 = 0.05;

/// Places of the cells of one kind.
pub(crate) struct Family {
    members: Vec<usize>,
    promise: Promise,
}

/// A module without its numbers, a quantity, and whether anything was learned yet.
type Kind = (String, Quantity, bool);

/// The families of more than one cell of which the rule promises the same.
pub(crate) fn families(cases: &[Case]) -> Vec<Family> {
    let mut kinds: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
    for (place, case) in cases
        .iter()
        .enumerate()
        .filter(|(_, case)| case.sizes.is_some())
    {
        kinds.entry(kind(case)).or_default().push(place);
    }
    let family = |members: Vec<usize>| {
        let promise = cases[members[0]].promise?;
        let is_same = |place: &usize| cases[*place].promise == Some(promise);
        let is_family = members.len() > 1 && members.iter().all(is_same);
        is_family.then_some(Family { members, promise })
    };
    kinds.into_values().filter_map(family).collect()
}

fn kind(case: &Case) -> Kind {
    let cell = &case.cell;
    let part = |part: &str| {
        let is_number = part.chars().all(|c| c.is_ascii_digit());
        if is_number {
            "*".to_owned()
        } else {
            part.to_owned()
        }
    };
    let module: Vec<String> = cell.module.split('.').map(part).collect();
    (module.join("."), cell.quantity, cell.step > 0)
}

impl Family {
    /// Decides open cells by what all of them show after so many seeds.
    pub(crate) fn look(&self, cases: &mut [Case], seeds: usize, chances: Chances) {
        let open = |cases: &[Case], place: &usize| cases[*place].is_open();
        if !self.members.iter().any(|place| open(cases, place)) {
            return;
        }
        let sizes: Vec<Sizes> = self
            .members
            .iter()
            .filter_map(|place| Some(cases[*place].sizes.as_ref()?.first(seeds)))
            .collect();
        let mean = Sizes::mean(&sizes.iter().collect::<Vec<_>>());
        let Some(fit) = mean.and_then(|mean| Fit::through(&mean)) else {
            return;
        };
        let verdict = fit.against(self.promise, chances);
        for place in &self.members {
            if open(cases, place) {
                cases[*place].join(fit, verdict, self.promise, chances);
            }
        }
    }
}

/// Whether a cell may be judged by its family: the family's slope lies in the cell's own interval,
/// the cell's own slope on the same side of the tolerance, and a bend is one of all.
pub(crate) fn agree(own: &Fit, family: &Fit, verdict: Verdict, promise: Promise) -> bool {
    let is_near = (own.slope - family.slope).abs() <= own.margin(AGREEMENT);
    let is_inside = promise.excess(own.slope) <= TOLERANCE;
    let is_bent_alike = own.lag.is_none() || family.lag.is_some();
    is_near && is_bent_alike && is_inside == (verdict == Verdict::Pass)
}
