//! What a search has found, in octaves and units of the loss.

use serde::{Deserialize, Serialize};

use super::belief::Belief;
use super::evidence::Evidence;
use super::next::Manner;
use super::process::Process;
use super::search::{Search, mean};
use super::space::Space;

/// How close to a limit the chosen point is at it, in octaves.
const AT_LIMIT: f64 = 0.125;

/// How far the points that confirm the choice are from it on either side, in octaves.
const NEIGHBOUR: f64 = 0.5;

/// How far from the chosen point the curvature and the shares are measured, in octaves.
const WINDOW: f64 = 1.0;

/// How far a slice reaches at most to either side, in octaves.
const REACH: f64 = 4.0;

/// Noise over the tolerance from which on more seeds are what is missing.
const NOISY: f64 = 2.5;

/// What should be known about a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Flag {
    /// The best point is at a limit of its range: there may be better ones beyond.
    Edge,
    /// More than half of the runs diverged or are so bad that they only say where not to look.
    Censored,
    /// Runs scatter by more than what should be told apart: more seeds are needed.
    Noise,
    /// The runs were used up before the expected regret was below the tolerance.
    Budget,
    /// The points of a grid are too far apart for an expected regret below the tolerance.
    Coarse,
}

/// What was found along one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The axis.
    pub name: String,
    /// Its recommended coordinate, in octaves.
    pub at: f64,
    /// Where the optimum is with 95 % probability.
    pub interval: (f64, f64),
    /// Second derivative of the loss by octaves.
    pub curvature: f64,
    /// Its part in what the loss varies within an octave of the optimum, from 0 to 1.
    pub share: f64,
    /// The loss along it, the others as recommended.
    pub slice: Vec<Believed>,
}

/// The two axes that hang together most, as the best place on the one moves with that on the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The two, the one that matters more first.
    pub axes: [usize; 2],
    /// Octaves by which the best place on the second moves with an octave of the first; none where
    /// the loss has no valley along the second.
    pub slope: Option<f64>,
    /// Places on each, in octaves.
    pub places: [Vec<f64>; 2],
    /// The loss that is believed at these, the others as recommended: a row for each place on the
    /// second.
    pub losses: Vec<Vec<f64>>,
}

/// What is believed of the loss at a place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Believed {
    /// The place, in octaves.
    pub at: f64,
    /// The mean of the loss there.
    pub loss: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// A run that was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Its coordinates, in octaves.
    pub point: Vec<f64>,
    /// Its loss, the mean over its seeds; none if it diverged.
    pub loss: Option<f64>,
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was found along each axis.
    pub findings: Vec<Finding>,
    /// What hangs together most; none of a single axis.
    pub pair: Option<Pair>,
    /// The loss that is expected there.
    pub loss: f64,
    /// How far that is above the best there is, on average.
    pub expected_regret: f64,
    /// And at most, with 95 % probability.
    pub regret_bound: f64,
    /// Standard deviation of a run, the mean of its seeds.
    pub noise: f64,
    /// Runs that it took.
    pub runs: usize,
    /// Those of them that diverged.
    pub diverged: usize,
    /// Points of an octave grid over what was searched.
    pub octave_grid: usize,
    /// What should be known about it.
    pub flags: Vec<Flag>,
    /// The recommended point and its neighbours on the first axis, to be run with shared seeds.
    pub confirm: Vec<Vec<f64>>,
    /// All runs, in the order of asking.
    pub tried: Vec<Tried>,
}

impl Report {
    pub(super) fn of(search: &Search, evidence: &Evidence, belief: &Belief) -> Self {
        let regrets = belief.regrets();
        let manner = Manner::of(search.axes().len());
        let processes = evidence.processes();
        let noise: f64 = processes
            .iter()
            .map(|(share, process)| share * process.shape().noise)
            .sum();
        let at = &belief.points[belief.chosen];
        let findings = findings(search, evidence, &processes, belief);
        let mut report = Self {
            pair: pair(&processes, at, &findings),
            findings,
            loss: belief.mean[belief.chosen],
            expected_regret: manner.inflation * mean(&regrets),
            regret_bound: manner.quantile_inflation * quantile(&regrets, 0.95),
            noise,
            runs: evidence.losses.len(),
            diverged: evidence
                .losses
                .iter()
                .filter(|loss| loss.is_infinite())
                .count(),
            octave_grid: octave_grid(evidence),
            flags: Vec::new(),
            confirm: neighbours(at, search.limits()[0]),
            tried: tried(evidence),
        };
        report.flags = report.flags(search, evidence);
        report
    }

    /// With the flag of an edge where a value is at the end of its range, which a search does not
    /// see whose coordinate depends on other hyperparameters.
    #[must_use]
    pub fn with_edges(mut self, space: &Space) -> Self {
        let point = self.point();
        if space.is_at_edge(&point, AT_LIMIT) && !self.flags.contains(&Flag::Edge) {
            self.flags.insert(0, Flag::Edge);
        }
        self
    }

    /// The recommended point.
    pub fn point(&self) -> Vec<f64> {
        self.findings.iter().map(|finding| finding.at).collect()
    }

    fn flags(&self, search: &Search, evidence: &Evidence) -> Vec<Flag> {
        let point = self.point();
        let is_near = |at: f64, limit: f64| (at - limit).abs() <= AT_LIMIT;
        let mut limits = point.iter().zip(search.limits());
        let ceiling = evidence.ceiling(self.noise);
        let cut = evidence
            .losses
            .iter()
            .filter(|loss| **loss > ceiling)
            .count();
        let settings = search.settings();
        let is_open = self.expected_regret >= settings.tolerance;
        let table = [
            (
                Flag::Edge,
                limits.any(|(at, (low, high))| is_near(*at, low) || is_near(*at, high)),
            ),
            (Flag::Censored, 2 * cut > self.runs),
            (Flag::Noise, self.noise > NOISY * settings.tolerance),
            (Flag::Budget, is_open && !search.is_planned()),
            (Flag::Coarse, is_open && search.is_planned()),
        ];
        let raised = table.into_iter().filter(|(_, is_raised)| *is_raised);
        raised.map(|(flag, _)| flag).collect()
    }
}

/// Processes with shares of belief in them.
type Processes<'a> = [(f64, Process<'a>)];

/// The mean that is believed at points.
fn means(processes: &Processes, points: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; points.len()];
    for (share, process) in processes {
        let (own, _) = process.means(points);
        let both = mean.iter_mut().zip(own.iter());
        both.for_each(|(mean, own)| *mean += share * own);
    }
    mean
}

/// A point with other places on some axes.
fn moved(point: &[f64], places: &[(usize, f64)]) -> Vec<f64> {
    let mut moved = point.to_vec();
    for (axis, place) in places {
        moved[*axis] = *place;
    }
    moved
}

/// The two axes whose second derivative is the largest.
fn pair(processes: &Processes, point: &[f64], findings: &[Finding]) -> Option<Pair> {
    let axes = 0..point.len();
    let pairs = axes.flat_map(|one| (one + 1..point.len()).map(move |other| [one, other]));
    let mixed = |[one, other]: [usize; 2]| {
        let corner = |up: f64, across: f64| {
            let places = [(one, up), (other, across)];
            moved(
                point,
                &places.map(|(axis, by)| (axis, point[axis] + by * WINDOW)),
            )
        };
        let corners = [(1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0)];
        let losses = means(processes, &corners.map(|(up, across)| corner(up, across)));
        (losses[0] + losses[1] - losses[2] - losses[3]) / (4.0 * WINDOW.powi(2))
    };
    let found = pairs.map(|pair| (pair, mixed(pair)));
    let (axes, mixed) = found.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    let [first, second] = if findings[axes[0]].share >= findings[axes[1]].share {
        axes
    } else {
        [axes[1], axes[0]]
    };
    let curvature = findings[second].curvature;
    let places = [first, second].map(|axis| {
        let slice = findings[axis].slice.iter().step_by(2);
        slice.map(|place| place.at).collect::<Vec<f64>>()
    });
    let row = |up: &f64| {
        let at = |across: &f64| moved(point, &[(first, *across), (second, *up)]);
        means(processes, &places[0].iter().map(at).collect::<Vec<_>>())
    };
    Some(Pair {
        axes: [first, second],
        slope: (curvature > 0.0).then(|| -mixed / curvature),
        losses: places[1].iter().map(row).collect(),
        places,
    })
}

fn findings(
    search: &Search,
    evidence: &Evidence,
    processes: &Processes,
    belief: &Belief,
) -> Vec<Finding> {
    let point = &belief.points[belief.chosen];
    let around = slices(processes, point);
    let total: f64 = around.iter().map(|(_, variance)| variance).sum();
    let axes = search.axes().iter().enumerate();
    axes.map(|(axis, of)| {
        let mut places: Vec<f64> = belief
            .minima()
            .map(|index| belief.points[index][axis])
            .collect();
        places.sort_by(f64::total_cmp);
        let (curvature, variance) = around[axis];
        Finding {
            name: of.name.clone(),
            at: point[axis],
            interval: (quantile(&places, 0.025), quantile(&places, 0.975)),
            curvature,
            share: if total > 0.0 { variance / total } else { 0.0 },
            slice: slice(evidence, processes, point, axis),
        }
    })
    .collect()
}

/// Curvature and variance of the mean along each axis through a point.
fn slices(processes: &Processes, point: &[f64]) -> Vec<(f64, f64)> {
    const STEPS: i32 = 4;
    let slice = |axis: usize| {
        let at = |step: i32| point[axis] + WINDOW * f64::from(step) / f64::from(STEPS);
        let points = (-STEPS..=STEPS).map(|step| moved(point, &[(axis, at(step))]));
        let losses = means(processes, &points.collect::<Vec<_>>());
        let (first, middle, last) = (losses[0], losses[STEPS as usize], losses[losses.len() - 1]);
        let level = mean(&losses);
        let squares: Vec<f64> = losses.iter().map(|loss| (loss - level).powi(2)).collect();
        (
            (first + last - 2.0 * middle) / WINDOW.powi(2),
            mean(&squares),
        )
    };
    (0..point.len()).map(slice).collect()
}

fn tried(evidence: &Evidence) -> Vec<Tried> {
    let runs = evidence.points.iter().zip(&evidence.losses);
    let tried = runs.map(|(point, loss)| Tried {
        point: point.clone(),
        loss: loss.is_finite().then_some(*loss),
    });
    tried.collect()
}

/// The loss along an axis through a point, as far as there are runs and within some octaves.
fn slice(evidence: &Evidence, processes: &Processes, point: &[f64], axis: usize) -> Vec<Believed> {
    const STEPS: usize = 48;
    let told = || evidence.points.iter().map(|run| run[axis]);
    let low = told()
        .fold(f64::INFINITY, f64::min)
        .max(point[axis] - REACH);
    let high = told()
        .fold(f64::NEG_INFINITY, f64::max)
        .min(point[axis] + REACH);
    let places: Vec<f64> = (0..=STEPS)
        .map(|step| low + (high - low) * step as f64 / STEPS as f64)
        .collect();
    let points = places.iter().map(|at| moved(point, &[(axis, *at)]));
    let points: Vec<Vec<f64>> = points.collect();
    let (mut means, mut squares) = (vec![0.0; points.len()], vec![0.0; points.len()]);
    for (share, process) in processes {
        let (mean, covariance) = process.posterior(&points);
        for place in 0..points.len() {
            let own = mean[place];
            means[place] += share * own;
            squares[place] += share * (covariance[(place, place)].max(0.0) + own * own);
        }
    }
    let believed = places.into_iter().zip(means).zip(squares);
    let believed = believed.map(|((at, loss), square)| Believed {
        at,
        loss,
        deviation: (square - loss * loss).max(0.0).sqrt(),
    });
    believed.collect()
}

/// The value below which a share of ascending ones lies.
fn quantile(values: &[f64], share: f64) -> f64 {
    let index = (share * values.len() as f64) as usize;
    values
        .get(index.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// Points of a grid of one octave over the runs.
fn octave_grid(evidence: &Evidence) -> usize {
    let axes = 0..evidence.points[0].len();
    let span = |axis: usize| {
        let places = || evidence.points.iter().map(|point| point[axis]);
        let (low, high) = (
            places().fold(f64::INFINITY, f64::min),
            places().fold(f64::NEG_INFINITY, f64::max),
        );
        (high - low).ceil() as usize + 1
    };
    axes.map(span).fold(1, usize::saturating_mul)
}

fn neighbours(at: &[f64], (low, high): (f64, f64)) -> Vec<Vec<f64>> {
    let mut points: Vec<Vec<f64>> = vec![at.to_vec()];
    for side in [-NEIGHBOUR, NEIGHBOUR] {
        let mut point = at.to_vec();
        point[0] = (point[0] + side).clamp(low, high);
        if point[0] != at[0] {
            points.push(point);
        }
    }
    points
}
