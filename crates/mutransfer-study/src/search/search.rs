//! Ask and tell.

use super::axis::{Axis, Settings, check};
use super::belief::Belief;
use super::error::SearchError;
use super::evidence::Evidence;
use super::next::{Manner, Situation};
use super::region::Region;
use super::report::Report;
use super::space::Space;

/// A search for the point with the lowest loss.
///
/// Runs are asked for in rounds, and the next round depends on those before it alone: neither on
/// the order in which its runs end nor on how many are run at a time. A search that is asked and
/// told the same again is the same to the last bit, so it is kept by keeping its losses.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    axes: Vec<Axis>,
    settings: Settings,
    /// All points, where they are given and not searched for.
    plan: Vec<Vec<f64>>,
    runs: Vec<Run>,
    region: Region,
    is_over: bool,
}

/// A run that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its number, from 0 in the order of asking.
    pub number: usize,
    /// Its coordinate on each axis, in octaves.
    pub point: Vec<f64>,
    losses: Option<Vec<f64>>,
}

impl Run {
    /// Its loss for each seed, once it is told.
    pub fn losses(&self) -> Option<&[f64]> {
        self.losses.as_deref()
    }
}

impl Search {
    /// A search along axes, the first of which is the learning rate if that is among them: what
    /// diverges is tried again lower on it.
    ///
    /// # Errors
    /// Without axes, with more than 12, with two of one name, and where a start, a range or a
    /// number of the settings makes no sense.
    pub fn new(axes: Vec<Axis>, settings: Settings) -> Result<Self, SearchError> {
        check(&axes, &settings)?;
        Ok(Self {
            region: Region::of(axes.len()),
            axes,
            settings,
            plan: Vec::new(),
            runs: Vec::new(),
            is_over: false,
        })
    }

    /// A search of a space, which asks for every point where that is a grid.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn of(space: &Space, settings: Settings) -> Result<Self, SearchError> {
        Ok(Self {
            plan: space.grid(),
            ..Self::new(space.axes(), settings)?
        })
    }

    /// What is searched.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// How it goes about it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All runs that were asked for.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The runs without a loss, the next round of them if all others have one. None are left when
    /// the search is over.
    pub fn ask(&mut self) -> Vec<&Run> {
        if !self.is_over && self.runs.iter().all(|run| run.losses.is_some()) {
            let points = self.round();
            self.is_over = points.is_empty();
            for point in points {
                self.runs.push(Run {
                    number: self.runs.len(),
                    point,
                    losses: None,
                });
            }
        }
        let is_open = |run: &&Run| run.losses.is_none();
        self.runs.iter().filter(is_open).collect()
    }

    /// Takes the losses of a run, one for each seed in their order, the same seeds for all runs.
    /// One that is not finite says that it diverged. Telling the same again changes nothing.
    ///
    /// # Errors
    /// For a run that was not asked for, was told otherwise before or has not as many losses as the
    /// others.
    pub fn tell(&mut self, number: usize, losses: &[f64]) -> Result<(), SearchError> {
        let asked = self.runs.len();
        let mut told = self.runs.iter().filter_map(|run| run.losses.as_ref());
        let before = told.next().map_or(losses.len().max(1), Vec::len);
        let Some(run) = self.runs.get_mut(number) else {
            return Err(SearchError::Unasked { number, asked });
        };
        if losses.len() != before {
            let count = losses.len();
            return Err(SearchError::Seeds {
                number,
                count,
                before,
            });
        }
        let bits = |losses: &[f64]| -> Vec<u64> {
            losses.iter().map(|loss| finite(*loss).to_bits()).collect()
        };
        match &run.losses {
            Some(known) if bits(known) != bits(losses) => Err(SearchError::Told { number }),
            Some(_) => Ok(()),
            None => {
                run.losses = Some(losses.iter().map(|loss| finite(*loss)).collect());
                self.learn();
                Ok(())
            }
        }
    }

    /// What was found; none while no run has finished.
    pub fn report(&self) -> Option<Report> {
        let situation = self.situation();
        let belief = situation.belief()?;
        Some(Report::of(self, &situation.evidence, &belief))
    }

    /// Whether its points are given.
    pub(super) fn is_planned(&self) -> bool {
        !self.plan.is_empty()
    }

    pub(super) fn limits(&self) -> Vec<(f64, f64)> {
        self.axes.iter().map(Axis::limits).collect()
    }

    fn evidence(&self) -> Evidence {
        let told = self.runs.iter().filter_map(|run| {
            let losses = run.losses.as_deref()?;
            Some((&run.point[..], losses))
        });
        Evidence::of(&told.collect::<Vec<_>>(), self.settings.tolerance)
    }

    fn situation(&self) -> Situation<'_> {
        Situation {
            start: self.axes.iter().map(|axis| axis.start).collect(),
            limits: self.limits(),
            evidence: self.evidence(),
            region: &self.region,
            seed: self.settings.seed,
        }
    }

    /// The points of the next round; none where it is over.
    fn round(&self) -> Vec<Vec<f64>> {
        if self.is_planned() {
            return self.plan[self.runs.len()..].to_vec();
        }
        let left = self.settings.budget.saturating_sub(self.runs.len());
        if left == 0 {
            return Vec::new();
        }
        let (situation, at_once) = (self.situation(), self.settings.at_once);
        let mut points = situation.first(at_once);
        if points.is_empty()
            && let Some(mut belief) = situation.belief()
            && !self.is_enough(&belief)
        {
            points = situation.picks(&mut belief, at_once);
        }
        points.truncate(left);
        points
    }

    fn is_enough(&self, belief: &Belief) -> bool {
        let manner = Manner::of(self.axes.len());
        let expected = manner.inflation * mean(&belief.regrets());
        self.runs.len() >= manner.fewest && expected < self.settings.tolerance
    }

    /// Fits the region to a round that is complete, run by run.
    fn learn(&mut self) {
        if self.runs.iter().any(|run| run.losses.is_none()) {
            return;
        }
        let mut region = Region::of(self.axes.len());
        let evidence = self.evidence();
        let first = 2 * self.axes.len() + 1;
        let mut best = f64::INFINITY;
        for (number, loss) in evidence.losses.iter().enumerate() {
            if number >= first && best.is_finite() {
                region.learn(*loss < best);
            }
            best = best.min(*loss);
        }
        self.region = region;
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn finite(loss: f64) -> f64 {
    if loss.is_finite() {
        loss
    } else {
        f64::INFINITY
    }
}
