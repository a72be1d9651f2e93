//! Which points are next, from the runs so far.

use super::belief::Belief;
use super::evidence::Evidence;
use super::first::{downhill, spread};
use super::process::Process;
use super::random::{Draws, Purpose};
use super::region::{Region, anywhere, moves, near};

/// Distance of candidates along a single axis, in octaves.
const FINE: f64 = 0.125;

/// How far candidates along a single axis go beyond the runs around the best one, in octaves.
const BEYOND: f64 = 1.0;

/// How far lower on the first axis it is tried again where all of the first points diverged.
const RETREAT: f64 = 3.0;

/// Points of each kind that the lowest mean along several axes is looked for in, and how often.
const POOL: usize = 50;
const DESCENTS: usize = 3;

/// Candidates along several axes: anywhere in the box, near the lowest mean, and off it on few
/// axes.
const ANYWHERE: usize = 40;
const NEAR: usize = 80;
const MOVES: usize = 40;

/// What distinguishes one axis from several.
pub(super) struct Manner {
    /// Standard deviations that count against a point.
    pub(super) caution: f64,
    /// What the regret of the draws is multiplied by, on average and at its 95 % quantile: they are
    /// drawn at few points, of a process that is itself a guess.
    pub(super) inflation: f64,
    pub(super) quantile_inflation: f64,
    /// Draws among whose minima the next run is chosen.
    pub(super) thompson: usize,
    /// Runs before it may stop.
    pub(super) fewest: usize,
}

impl Manner {
    pub(super) fn of(axes: usize) -> Self {
        let (caution, inflation, quantile_inflation, thompson, fewest) = match axes {
            1 => (0.5, 1.2, 1.7, 24, 4),
            _ => (1.5, 2.0, 2.0, 4, 2 * axes + 2),
        };
        Self {
            caution,
            inflation,
            quantile_inflation,
            thompson,
            fewest,
        }
    }
}

/// What there is to go on.
pub(super) struct Situation<'a> {
    pub(super) start: Vec<f64>,
    pub(super) limits: Vec<(f64, f64)>,
    pub(super) evidence: Evidence,
    pub(super) region: &'a Region,
    pub(super) seed: u64,
}

impl Situation<'_> {
    /// Points that need no belief, until there is a valley to believe in.
    pub(super) fn first(&self, at_once: usize) -> Vec<Vec<f64>> {
        if self.start.len() == 1 {
            let mut points = self.walk();
            points.truncate(at_once);
            return points;
        }
        if self.evidence.best().is_finite() {
            return Vec::new();
        }
        let mut start = self.start.clone();
        let tried = self.evidence.points.iter().map(|point| point[0]);
        let lowest = tried.fold(f64::INFINITY, f64::min);
        if lowest.is_finite() {
            start[0] = (lowest - RETREAT / 2.0).max(self.limits[0].0);
        }
        spread(&start, &self.limits, self.seed)
    }

    fn walk(&self) -> Vec<Vec<f64>> {
        if self.evidence.points.is_empty() {
            let sides = downhill(&[(self.start[0], 0.0)], self.limits[0]);
            let all = std::iter::once(self.start[0]).chain(sides);
            return all.map(|at| vec![at]).collect();
        }
        let places = self.evidence.points.iter().map(|point| point[0]);
        let losses = self.evidence.losses.iter().copied();
        let runs: Vec<(f64, f64)> = places.zip(losses).collect();
        let next = downhill(&runs, self.limits[0]).into_iter();
        next.map(|at| vec![at]).collect()
    }

    /// What is believed where the next run may be; none where no run finished.
    pub(super) fn belief(&self) -> Option<Belief> {
        if !self.evidence.best().is_finite() {
            return None;
        }
        let processes = self.evidence.processes();
        let points = match self.start.len() {
            1 => self.line(),
            _ => self.cloud(&processes.first()?.1),
        };
        let caution = Manner::of(self.start.len()).caution;
        let may = |point: &[f64]| self.is_safe(point);
        let mut draws = self.draws(Purpose::Functions);
        Some(Belief::of(&processes, points, may, caution, &mut draws))
    }

    /// The points of the next runs: of the minima of some draws the one that says most about the
    /// chosen point, and for each further worker another, as if those before it were done.
    pub(super) fn picks(&self, belief: &mut Belief, count: usize) -> Vec<Vec<f64>> {
        let manner = Manner::of(self.start.len());
        let minima: Vec<usize> = belief.minima().collect();
        let noise = self.evidence.noise.unwrap_or(self.evidence.tolerance);
        let mut picks: Vec<Vec<f64>> = Vec::new();
        for group in minima.chunks(manner.thompson).take(count) {
            let most = group
                .iter()
                .max_by(|a, b| belief.doubt(**a).total_cmp(&belief.doubt(**b)));
            let pick = *most.unwrap_or(&belief.chosen);
            belief.suppose(pick, noise);
            if !picks.contains(&belief.points[pick]) {
                picks.push(belief.points[pick].clone());
            }
        }
        picks
    }

    fn draws(&self, purpose: Purpose) -> Draws {
        Draws::of(self.seed, self.evidence.points.len(), purpose)
    }

    /// Whether the run next to a point did not diverge.
    fn is_safe(&self, point: &[f64]) -> bool {
        let distance =
            |run: &[f64]| -> f64 { run.iter().zip(point).map(|(a, b)| (a - b).powi(2)).sum() };
        let runs = self.evidence.points.iter().zip(&self.evidence.losses);
        runs.min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)))
            .is_some_and(|(_, loss)| loss.is_finite())
    }

    /// Points of a single axis: between the runs around the best one, and a little beyond.
    fn line(&self) -> Vec<Vec<f64>> {
        let at = self.evidence.points[self.evidence.best_run()][0];
        let places = || self.evidence.points.iter().map(|point| point[0]);
        let below = places().filter(|place| *place < at).reduce(f64::max);
        let above = places().filter(|place| *place > at).reduce(f64::min);
        let (least, most) = self.limits[0];
        let low = (below.unwrap_or(at) - BEYOND).max(least);
        let high = (above.unwrap_or(at) + BEYOND).min(most);
        let steps = ((high - low) / FINE).ceil();
        (0..=steps as usize)
            .map(|step| vec![low + (high - low) * step as f64 / steps])
            .collect()
    }

    /// Points of several axes: in the box around the run with the best mean, and around the best
    /// among them.
    fn cloud(&self, process: &Process<'_>) -> Vec<Vec<f64>> {
        let runs = &self.evidence.points;
        let (mean, spread) = process.posterior(runs);
        let height = |run: usize| mean[run] + spread[(run, run)].max(0.0).sqrt();
        let center = (0..runs.len())
            .min_by(|a, b| height(*a).total_cmp(&height(*b)))
            .unwrap_or_default();
        let sides = self.region.around(&runs[center], &self.limits);
        let mut draws = self.draws(Purpose::Candidates);
        let mut best = runs[center].clone();
        for _ in 0..DESCENTS {
            let mut pool = near(&best, &sides, POOL, &mut draws);
            pool.extend(moves(&best, &sides, POOL, &mut draws));
            pool.push(best);
            let (mean, _) = process.means(&pool);
            best = pool.swap_remove(mean.argmin().0);
        }
        let mut points = anywhere(&sides, ANYWHERE, &mut draws);
        points.extend(near(&best, &sides, NEAR, &mut draws));
        points.extend(moves(&best, &sides, MOVES, &mut draws));
        let is_inside = |run: &&Vec<f64>| {
            let mut pairs = run.iter().zip(&sides);
            pairs.all(|(at, (low, high))| low <= at && at <= high)
        };
        points.extend(runs.iter().filter(is_inside).cloned());
        points.push(best);
        points
    }
}
