//! The runs so far, and the processes that they speak for.

use super::process::{Process, Shape};

/// Lengths to choose from along a single axis, in octaves.
const LENGTHS_OF_ONE: [f64; 2] = [1.5, 3.0];

/// And along several, all alike at first.
const LENGTHS: [f64; 3] = [2.0, 3.0, 4.5];

/// What the length of one of several axes is then multiplied by.
const STRETCHES: [f64; 4] = [0.7, 1.0, 2.0, 4.0];

/// How long it may become.
const STRETCHED: std::ops::RangeInclusive<f64> = 1.0..=12.0;

/// What evidence another length of one axis must add.
const STRETCH_DOUBT: f64 = 1.0;

/// Amplitudes to choose from, over the tolerance: published valleys rise by 7 to 60 thousandths of
/// a nat within two octaves. Smaller ones would take a noisy valley for a plain.
const AMPLITUDES: [f64; 3] = [15.0, 50.0, 150.0];

/// Noise to choose from where seeds do not tell it, over the tolerance, and the evidence that each
/// step beyond the first must add.
const NOISES: [f64; 3] = [1.0, 3.0, 10.0];
const NOISE_DOUBT: f64 = 4.0;

/// Losses further above the best than this, over the tolerance, are as good as diverged.
const CEILING: f64 = 30.0;

/// And than this, over the noise.
const NOISE_CEILING: f64 = 6.0;

/// Standard deviation of the loss that a diverged run would have had, over that room: it may stand
/// on a cliff beside a good one.
const VAGUE: f64 = 0.6;

/// Degrees of freedom with which the tolerance stands in for the noise.
const PRIOR_FREEDOM: f64 = 1.0;

/// Runs whose seeds are always looked at.
const FEW: usize = 3;

/// Logarithm of the evidence below that of the best process, from which on one is left out.
const NEGLIGIBLE: f64 = 3.0;

/// Runs to learn from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Evidence {
    /// Where each was.
    pub(super) points: Vec<Vec<f64>>,
    /// The mean over its seeds; infinite if it diverged.
    pub(super) losses: Vec<f64>,
    /// What is as good as the best, in units of the loss.
    pub(super) tolerance: f64,
    /// Standard deviation of a mean, where there are seeds to tell.
    pub(super) noise: Option<f64>,
}

impl Evidence {
    /// What runs with a loss for each of their seeds tell.
    pub(super) fn of(runs: &[(&[f64], &[f64])], tolerance: f64) -> Self {
        let finite = |loss: f64| {
            if loss.is_finite() {
                loss
            } else {
                f64::INFINITY
            }
        };
        Self {
            points: runs.iter().map(|run| run.0.to_vec()).collect(),
            losses: runs.iter().map(|run| finite(mean(run.1))).collect(),
            tolerance,
            noise: noise(runs, tolerance),
        }
    }

    /// The lowest loss; infinite if all diverged.
    pub(super) fn best(&self) -> f64 {
        self.losses.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The number of the run with it.
    pub(super) fn best_run(&self) -> usize {
        (0..self.losses.len())
            .min_by(|a, b| self.losses[*a].total_cmp(&self.losses[*b]))
            .unwrap_or_default()
    }

    /// The loss above which all are alike.
    pub(super) fn ceiling(&self, noise: f64) -> f64 {
        self.best() + (CEILING * self.tolerance).max(NOISE_CEILING * noise)
    }

    /// The processes that the runs speak for, most of all the first, and shares of belief in them.
    pub(super) fn processes(&self) -> Vec<(f64, Process<'_>)> {
        let given = self.noise.map(|noise| [noise]);
        let tolerated = NOISES.map(|noise| noise * self.tolerance);
        let noises = given.as_ref().map_or(&tolerated[..], |given| &given[..]);
        let mut fits: Vec<(f64, Process<'_>)> = Vec::new();
        for (step, noise) in noises.iter().enumerate() {
            let found = match self.points[0].len() {
                1 => self.alike(&LENGTHS_OF_ONE, *noise),
                _ => self.stretched(*noise).into_iter().collect(),
            };
            let doubt = NOISE_DOUBT * step as f64;
            fits.extend(
                found
                    .into_iter()
                    .map(|(fit, process)| (fit - doubt, process)),
            );
        }
        fits.sort_by(|a, b| b.0.total_cmp(&a.0));
        let most = fits.first().map_or(0.0, |fit| fit.0);
        fits.retain(|fit| fit.0 > most - NEGLIGIBLE);
        let sum: f64 = fits.iter().map(|fit| (fit.0 - most).exp()).sum();
        fits.into_iter()
            .map(|(fit, process)| ((fit - most).exp() / sum, process))
            .collect()
    }

    /// Processes as long along one axis as along the others, with the logarithm of their evidence.
    fn alike(&self, lengths: &[f64], noise: f64) -> Vec<(f64, Process<'_>)> {
        let axes = self.points[0].len();
        let shapes = lengths.iter().flat_map(|length| {
            AMPLITUDES.map(|amplitude| Shape {
                lengths: vec![*length; axes],
                amplitude: amplitude * self.tolerance,
                noise,
            })
        });
        shapes.filter_map(|shape| self.fit(shape)).collect()
    }

    /// The best of those, with the lengths that more speaks for, axis by axis.
    fn stretched(&self, noise: f64) -> Option<(f64, Process<'_>)> {
        let fits = self.alike(&LENGTHS, noise).into_iter();
        let mut best = fits.max_by(|a, b| a.0.total_cmp(&b.0))?;
        let axes = self.points[0].len();
        for axis in (0..axes).chain(0..axes) {
            let current = best.1.shape().clone();
            for stretch in STRETCHES {
                let mut shape = current.clone();
                shape.lengths[axis] *= stretch;
                if !STRETCHED.contains(&shape.lengths[axis]) {
                    continue;
                }
                match self.fit(shape) {
                    Some((fit, process)) if fit - STRETCH_DOUBT > best.0 => {
                        best = (fit - STRETCH_DOUBT, process);
                    }
                    _ => {}
                }
            }
        }
        Some(best)
    }

    fn fit(&self, shape: Shape) -> Option<(f64, Process<'_>)> {
        let ceiling = self.ceiling(shape.noise);
        let losses: Vec<f64> = self.losses.iter().map(|loss| loss.min(ceiling)).collect();
        let variance = (VAGUE * (ceiling - self.best())).powi(2);
        let of_run = |loss: &f64| if loss.is_finite() { 0.0 } else { variance };
        let vague: Vec<f64> = self.losses.iter().map(of_run).collect();
        let process = Process::of(shape, &self.points, &losses, &vague)?;
        Some((process.evidence(), process))
    }
}

/// Noise of the mean of a run's seeds. All runs share seeds, and what differs between seeds alike
/// at all points moves no optimum. Few seeds are helped by the tolerance; runs far above the best,
/// whose losses jump about, tell nothing of the valley.
fn noise(runs: &[(&[f64], &[f64])], tolerance: f64) -> Option<f64> {
    let finite = |run: &&(&[f64], &[f64])| run.1.iter().all(|loss| loss.is_finite());
    let mut finished: Vec<&[f64]> = runs.iter().filter(finite).map(|run| run.1).collect();
    finished.sort_by(|a, b| mean(a).total_cmp(&mean(b)));
    let ceiling = mean(finished.first()?) + CEILING * tolerance;
    let near = finished.iter().filter(|run| mean(run) <= ceiling).count();
    finished.truncate(near.max(FEW));
    let (points, seeds) = (finished.len(), finished[0].len());
    if points < 2 || seeds < 2 {
        return None;
    }
    let level_of = |seed: usize| finished.iter().map(|run| run[seed]).sum::<f64>() / points as f64;
    let levels: Vec<f64> = (0..seeds).map(level_of).collect();
    let (level, mut squares) = (mean(&levels), 0.0);
    for run in &finished {
        let own = mean(run) - level;
        let rest = run
            .iter()
            .zip(&levels)
            .map(|(loss, level)| loss - level - own);
        squares += rest.map(|rest| rest.powi(2)).sum::<f64>();
    }
    let freedom = ((points - 1) * (seeds - 1)) as f64;
    let prior = PRIOR_FREEDOM * tolerance.powi(2);
    let variance = (prior + squares) / (PRIOR_FREEDOM + freedom);
    Some((variance / seeds as f64).sqrt())
}

fn mean(losses: &[f64]) -> f64 {
    losses.iter().sum::<f64>() / losses.len() as f64
}
