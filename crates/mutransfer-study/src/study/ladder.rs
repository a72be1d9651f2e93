//! The sizes of a study: of its base, its proxies and its target, along any axes.

use std::path::Path;

use super::file::StudyFile;
use super::rung::{Base, Keys};
use crate::axis::{Axis, Rung};
use crate::error::ReadError;
use crate::trial::Budget;

/// Sizes that make sense together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ladder {
    /// Smallest first, each once.
    pub(super) proxies: Vec<Rung>,
    pub(super) target: Rung,
    /// Along which they differ; none where all are the same.
    pub(super) grows: Vec<Axis>,
    /// That one, or the one that combines them.
    pub(super) axis: Axis,
}

impl Ladder {
    /// The sizes that a study has; `budget` is that of its base.
    pub(super) fn of(file: &StudyFile, budget: &Budget, path: &Path) -> Result<Self, ReadError> {
        file.check_forms(path)?;
        let base = Base::of(file, budget, path)?;
        let sizes = file.proxy_sizes().into_iter();
        let proxies = sizes.map(|own| base.rung(&own, Keys::of_proxies(file), path));
        let mut proxies = proxies.collect::<Result<Vec<_>, _>>()?;
        let target = base.rung(&file.target_size(), Keys::of_target(file), path)?;
        let all = [&proxies[..], &[target]].concat();
        let (grows, axis) = (Axis::growing(&all), Axis::of(&all));
        proxies.sort_by_key(|rung| axis.at(rung));
        proxies.dedup();
        let ladder = Self {
            proxies,
            target,
            grows,
            axis,
        };
        ladder.check(path)?;
        Ok(ladder)
    }

    /// Proxies and target, smallest first, each once.
    pub(super) fn all(&self) -> Vec<Rung> {
        let mut all = [&self.proxies[..], &[self.target]].concat();
        all.sort_by_key(|rung| self.axis.at(rung));
        all.dedup();
        all
    }

    /// Where several sizes grow, only what contains the other is surely the larger one.
    fn check(&self, path: &Path) -> Result<(), ReadError> {
        let all = self.all();
        let is_unordered = |pair: &&[Rung]| {
            !pair[1].contains(&pair[0]) || self.axis.at(&pair[0]) == self.axis.at(&pair[1])
        };
        let Some([one, other]) = all.windows(2).find(is_unordered) else {
            return Ok(());
        };
        let [one, other] = [one, other].map(|rung| rung.along(&self.grows));
        let problem = format!(
            "and `target` have {one} and {other}, of which neither is the larger model and \
             training along every axis; let all sizes grow together"
        );
        Err(ReadError::value(path, "proxies", problem))
    }
}
