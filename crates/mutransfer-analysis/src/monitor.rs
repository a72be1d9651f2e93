//! Wider is always better: whether, under one rule, each wider model has the lower training loss
//! all along.
//!
//! Under μP a wider model should have the lower loss at every step of training, at the same
//! hyperparameters; under SP it does not (TP5, arXiv 2203.03466, section 8 and figure 8). So curves
//! that cross are a sign, long before training ends, that the parametrization is wrong or the
//! learning rate is too large.

mod table;

use std::collections::BTreeMap;

use serde::Serialize;

use super::coordinate::Verdict;
use super::display_name;
use super::slope::Estimate;
use super::student::two_sided_p;
use crate::record::LossRow;

use table::{Curves, Pairing};
pub use table::{MonitorError, curves_from_csv};

/// Nats by which a wider model may be worse: the published tolerance on what a transfer costs.
pub const LOSS_TOLERANCE: f64 = 0.01;

/// Windows that the common steps of two widths are cut into, to smooth the noise of the batches.
pub const WINDOWS: usize = 10;

/// The first window is warm-up, in which all models only leave their start: it is shown and not
/// judged.
const WARM_UP: usize = 1;

/// Chance of a false alarm per rule, on both sides; [`Window::p`] has half of it on the side that
/// counts.
const LEVEL: f64 = 0.05;

/// One stretch of training of two neighbouring widths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    /// First and last of the steps compared.
    pub steps: (usize, usize),
    /// Loss of the narrower minus loss of the wider model in nats, averaged over the window: above
    /// zero, wider is better. The mean and its 95% interval are over seeds.
    pub gain: Estimate,
    /// How likely it would be by chance that the wider is worse by more than the tolerance, after
    /// Holm's correction over all judged windows and pairs of the rule; none with one seed or in
    /// the warm-up.
    pub p: Option<f64>,
    /// What that shows; none in the warm-up.
    pub verdict: Option<Verdict>,
}

/// Two neighbouring widths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The smaller width.
    pub narrow: usize,
    /// The larger width.
    pub wide: usize,
    /// Seeds run at both.
    pub seeds: usize,
    /// Whether the common steps reach over nine tenths of the longer of the curves.
    pub complete: bool,
    /// Fail if any window fails or a curve diverges, pass if all windows pass and the curves are
    /// complete.
    pub verdict: Verdict,
    /// First steps of the windows in which the wider becomes worse, by more than the tolerance,
    /// after it was not. By the mean over seeds, whether significant or not.
    pub crossings: Vec<usize>,
    /// The windows, first steps first; empty where a curve diverged at once.
    pub windows: Vec<Window>,
}

/// A training curve with a loss that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Diverged {
    /// Width of the model.
    pub width: usize,
    /// Seed of the run.
    pub seed: u64,
    /// The first such step.
    pub step: usize,
}

/// The judgement of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Monitor {
    /// Name of the parametrization, or of the table.
    pub rule: String,
    /// Fail if any pair fails, pass if all pass.
    pub verdict: Verdict,
    /// Why it does not pass; none if it does.
    pub diagnosis: Option<String>,
    /// Curves that did not stay finite.
    pub diverged: Vec<Diverged>,
    /// Neighbouring widths, narrowest first.
    pub pairs: Vec<Pair>,
}

impl std::fmt::Display for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", display_name(&self.rule), self.verdict)?;
        self.diagnosis
            .as_ref()
            .map_or(Ok(()), |why| write!(f, "; {why}"))
    }
}

/// Judges, rule by rule, whether wider is better all along, up to `tolerance` nats.
///
/// Each pair of neighbouring widths is compared on the steps and seeds that both have. The steps
/// are cut into ten windows of equal length, in which the difference of the two losses is averaged:
/// that is the smoothing. The same seed is taken to mean the same data in the same order, so the
/// difference is made seed by seed, and the noise of the batches, which both widths see, drops out.
/// Over seeds, a window has a mean difference and a Student t interval.
///
/// # Verdict
///
/// A window passes if the 95% interval lies above minus the tolerance, that is, if the seeds rule
/// out that the wider is noticeably worse. It fails if the wider is worse by more than the
/// tolerance, and significantly so after Holm's correction over all windows and pairs of the rule:
/// there are dozens, and one of them will always look bad. Otherwise it is undetermined, as every
/// window is with one seed. No correction is needed to pass, because all windows must.
///
/// The first window is not judged: warm-up and the way out of the initialisation say little about
/// the rule. A pair fails if any of its windows fails or any curve of it is not finite somewhere.
/// It passes if all windows pass and the common steps cover nine tenths of the longer curve, so
/// that a run that stopped early proves nothing.
///
/// # Errors
/// When there are no rows, a rule has a single width, two widths share no seed or no step, or a
/// step is listed twice with different losses.
pub fn monitor(rows: &[LossRow], tolerance: f64) -> Result<Vec<Monitor>, MonitorError> {
    table::by_rule(rows)?
        .into_iter()
        .map(|(rule, curves)| of_rule(rule, &curves, tolerance))
        .collect()
}

fn of_rule(rule: &str, curves: &Curves, tolerance: f64) -> Result<Monitor, MonitorError> {
    let widths: Vec<usize> = curves.keys().copied().collect();
    if let [width] = widths[..] {
        return Err(MonitorError::OneWidth {
            rule: rule.to_owned(),
            width,
        });
    }
    let diverged = table::diverged(curves);
    let pairings = widths
        .windows(2)
        .map(|pair| table::pairing(rule, curves, pair[0], pair[1]));
    let mut pairs: Vec<Pair> = pairings
        .map(|pairing| pairing.map(|pairing| compare(&pairing)))
        .collect::<Result<_, _>>()?;
    correct(&mut pairs, tolerance);
    for pair in &mut pairs {
        conclude(pair, &diverged, tolerance);
    }
    let verdict = pairs
        .iter()
        .map(|pair| pair.verdict)
        .max()
        .unwrap_or(Verdict::Undetermined);
    let diagnosis = diagnose(&pairs, &diverged, tolerance);
    Ok(Monitor {
        rule: rule.to_owned(),
        verdict,
        diagnosis,
        diverged,
        pairs,
    })
}

/// The differences of two widths, smoothed, not yet judged.
fn compare(pairing: &Pairing) -> Pair {
    let mut cut: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &step in &pairing.steps {
        cut.entry(window_of(step, &pairing.steps))
            .or_default()
            .push(step);
    }
    let window = |steps: &Vec<usize>| Window {
        steps: (steps[0], steps[steps.len() - 1]),
        gain: Estimate::of(&pairing.gains(steps)),
        p: None,
        verdict: None,
    };
    Pair {
        narrow: pairing.narrow,
        wide: pairing.wide,
        seeds: pairing.seeds(),
        complete: pairing.complete,
        verdict: Verdict::Undetermined,
        crossings: Vec::new(),
        windows: cut.values().map(window).collect(),
    }
}

/// Windows have equal lengths in steps, however often a program logs.
fn window_of(step: usize, steps: &[usize]) -> usize {
    let (first, last) = (steps[0] as f64, steps[steps.len() - 1] as f64);
    let fraction = (step as f64 - first) / (last - first).max(1.0);
    ((fraction * WINDOWS as f64) as usize).min(WINDOWS - 1)
}

/// Sets the p-values of all judged windows of a rule, after Holm's correction: the smallest is
/// multiplied by their number, the next by one less, and none may fall below the one before.
fn correct(pairs: &mut [Pair], tolerance: f64) {
    let mut windows: Vec<(&mut Window, f64)> = Vec::new();
    for pair in pairs {
        let seeds = pair.seeds;
        let judged = pair.windows.iter_mut().skip(WARM_UP);
        windows.extend(
            judged.filter_map(|window| chance(&window.gain, seeds, tolerance).map(|p| (window, p))),
        );
    }
    windows.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (count, mut floor) = (windows.len(), 0.0_f64);
    for (rank, (window, p)) in windows.into_iter().enumerate() {
        floor = floor.max((p * (count - rank) as f64).min(1.0));
        window.p = Some(floor);
    }
}

/// Probability of a mean this far below minus the tolerance; 1 where it is not below.
fn chance(gain: &Estimate, seeds: usize, tolerance: f64) -> Option<f64> {
    let error = gain.standard_error(seeds)?;
    let below = gain.mean + tolerance;
    Some(if below < 0.0 {
        two_sided_p(below / error, (seeds - 1) as f64)
    } else {
        1.0
    })
}

fn conclude(pair: &mut Pair, diverged: &[Diverged], tolerance: f64) {
    for window in pair.windows.iter_mut().skip(WARM_UP) {
        window.verdict = Some(judge(window, tolerance));
    }
    let worse: Vec<bool> = pair
        .windows
        .iter()
        .map(|window| window.gain.mean < -tolerance)
        .collect();
    let crosses = |index: &usize| worse[*index] && !worse[*index - 1];
    pair.crossings = (1..worse.len())
        .filter(crosses)
        .map(|index| pair.windows[index].steps.0)
        .collect();
    let lost = diverged
        .iter()
        .any(|lost| [pair.narrow, pair.wide].contains(&lost.width));
    let windows = pair
        .windows
        .iter()
        .filter_map(|window| window.verdict)
        .max()
        .unwrap_or(Verdict::Undetermined);
    pair.verdict = match windows {
        _ if lost => Verdict::Fail,
        Verdict::Pass if !pair.complete => Verdict::Undetermined,
        windows => windows,
    };
}

fn judge(window: &Window, tolerance: f64) -> Verdict {
    match (window.p, window.gain.interval().0) {
        (None, _) => Verdict::Undetermined,
        (Some(p), _) if p < LEVEL => Verdict::Fail,
        (Some(_), low) if low >= -tolerance => Verdict::Pass,
        _ => Verdict::Undetermined,
    }
}

/// The worst that was found, in a sentence.
fn diagnose(pairs: &[Pair], diverged: &[Diverged], tolerance: f64) -> Option<String> {
    if let Some(Diverged { width, seed, step }) = diverged.first() {
        return Some(format!(
            "width {width}, seed {seed} diverged: its loss at step {step} is not finite"
        ));
    }
    let windows = || {
        pairs
            .iter()
            .flat_map(|pair| pair.windows.iter().map(move |window| (pair, window)))
    };
    let first = |verdict| windows().find(|(_, window)| window.verdict == Some(verdict));
    let gain = |window: &Window| format!("steps {} to {}", window.steps.0, window.steps.1);
    if let Some((Pair { narrow, wide, .. }, window)) = first(Verdict::Fail) {
        let (loss, span, p) = (
            signed(-window.gain.mean, &window.gain),
            gain(window),
            window.p.unwrap_or_default(),
        );
        return Some(format!(
            "width {wide} is worse than {narrow} at {span}, by {loss} nats (p = {p:.1e})"
        ));
    }
    if let Some(pair) = pairs.iter().find(|pair| pair.seeds < 2) {
        let Pair { narrow, wide, .. } = pair;
        return Some(format!(
            "widths {narrow} and {wide} share one seed only, so the noise is unknown"
        ));
    }
    if let Some((Pair { narrow, wide, .. }, window)) = first(Verdict::Undetermined) {
        let (gain, span) = (signed(window.gain.mean, &window.gain), gain(window));
        return Some(format!(
            "at {span} width {wide} gains {gain} nats on {narrow}, which may be worse by more than {tolerance}"
        ));
    }
    let pair = pairs.iter().find(|pair| pair.verdict != Verdict::Pass)?;
    let Pair { narrow, wide, .. } = pair;
    Some(match pair.windows.last() {
        Some(last) if !pair.complete => {
            format!(
                "widths {narrow} and {wide} have no common step after {}",
                last.steps.1
            )
        }
        _ => format!("widths {narrow} and {wide} have too few common steps"),
    })
}

fn signed(mean: f64, gain: &Estimate) -> String {
    gain.margin.map_or(format!("{mean:.3}"), |margin| {
        format!("{mean:.3} ± {margin:.3}")
    })
}
