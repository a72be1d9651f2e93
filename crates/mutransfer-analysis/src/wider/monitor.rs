//! The verdict on every pair of widths, and on a rule.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::names::display_name;
use crate::statistics::distribution::{student, two_sided_p};
use crate::statistics::estimate::Estimate;
use crate::statistics::needed::Needed;
use crate::verdict::Verdict;
use crate::wider::along::Along;
use crate::wider::diagnosis::diagnose;
use crate::wider::error::MonitorError;
use crate::wider::loss::LossRow;
use crate::wider::pair::{Diverged, Pair, Window};
use crate::wider::pairing::{self, Curves, Pairing};

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

/// The judgement of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Monitor {
    /// Name of the parametrization, or of the table.
    pub rule: String,
    /// What grows.
    pub axis: Along,
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

/// Judges, rule by rule, whether wider, or what else is larger, is better all along, up to
/// `tolerance` nats.
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
pub fn monitor(
    rows: &[LossRow],
    axis: Along,
    tolerance: f64,
) -> Result<Vec<Monitor>, MonitorError> {
    pairing::by_rule(rows, axis)?
        .into_iter()
        .map(|(rule, curves)| of_rule(rule, axis, &curves, tolerance))
        .collect()
}

fn of_rule(
    rule: &str,
    axis: Along,
    curves: &Curves,
    tolerance: f64,
) -> Result<Monitor, MonitorError> {
    let widths: Vec<usize> = curves.keys().copied().collect();
    if let [at] = widths[..] {
        return Err(MonitorError::OneWidth {
            rule: rule.to_owned(),
            along: axis,
            at,
        });
    }
    let diverged = pairing::diverged(curves);
    let mut pairs = Vec::new();
    for pair in widths.windows(2) {
        let pairing = pairing::pairing(rule, curves, pair[0], pair[1], axis)?;
        pairs.push(compare(&pairing));
    }
    judge_pairs(&mut pairs, &diverged, tolerance);
    let verdicts = pairs.iter().map(|pair| pair.verdict);
    Ok(Monitor {
        rule: rule.to_owned(),
        axis,
        verdict: verdicts.max().unwrap_or(Verdict::Undetermined),
        diagnosis: diagnose(axis, &pairs, &diverged, tolerance),
        diverged,
        pairs,
    })
}

/// The verdicts of all pairs, each at its share of the error, and the seeds that would decide.
fn judge_pairs(pairs: &mut [Pair], diverged: &[Diverged], tolerance: f64) {
    correct(pairs, tolerance);
    let judged = pairs
        .iter()
        .map(|pair| pair.windows.len().saturating_sub(WARM_UP))
        .sum();
    for pair in pairs {
        conclude(pair, diverged, tolerance);
        for window in &mut pair.windows {
            window.seeds_to_decide = needed(window, pair.seeds, judged, tolerance);
        }
    }
}

/// The differences of two widths, smoothed, not yet judged.
fn compare(pairing: &Pairing) -> Pair {
    let mut cut: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &step in &pairing.steps {
        let window = window_of(step, &pairing.steps);
        cut.entry(window).or_default().push(step);
    }
    let windows = cut.values().map(|steps| Window {
        steps: (steps[0], steps[steps.len() - 1]),
        gain: Estimate::of(&pairing.gains(steps)),
        p: None,
        verdict: None,
        seeds_to_decide: None,
    });
    Pair {
        narrow: pairing.narrow,
        wide: pairing.wide,
        seeds: pairing.seeds(),
        complete: pairing.complete,
        verdict: Verdict::Undetermined,
        crossings: Vec::new(),
        windows: windows.collect(),
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
        for window in pair.windows.iter_mut().skip(WARM_UP) {
            if let Some(p) = chance(&window.gain, pair.seeds, tolerance) {
                windows.push((window, p));
            }
        }
    }
    windows.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (count, mut floor) = (windows.len(), 0.0_f64);
    for (rank, (window, p)) in windows.into_iter().enumerate() {
        floor = floor.max((p * (count - rank) as f64).min(1.0));
        window.p = Some(floor);
    }
}

fn chance(gain: &Estimate, seeds: usize, tolerance: f64) -> Option<f64> {
    let error = gain.standard_error(seeds)?;
    Some(chance_below(gain.mean + tolerance, error, seeds))
}

/// Probability of a mean this far below zero; 1 where it is not below.
fn chance_below(mean: f64, error: f64, seeds: usize) -> f64 {
    if mean < 0.0 {
        two_sided_p(mean / error, (seeds - 1) as f64)
    } else {
        1.0
    }
}

/// How many seeds would decide an undetermined window of so many that are judged: the interval
/// shrinks as Student's t over the root of the seeds, and the p-value with it, which is corrected
/// as the smallest of all would be.
fn needed(window: &Window, seeds: usize, judged: usize, tolerance: f64) -> Option<Needed> {
    let error = window.gain.standard_error(seeds)?;
    if window.verdict != Some(Verdict::Undetermined) {
        return None;
    }
    let mean = window.gain.mean + tolerance;
    Some(Needed::above(seeds, |more| {
        let error = error * (seeds as f64 / more as f64).sqrt();
        let passes = mean >= student(more - 1) * error;
        passes || chance_below(mean, error, more) * (judged as f64) < LEVEL
    }))
}

fn conclude(pair: &mut Pair, diverged: &[Diverged], tolerance: f64) {
    for window in pair.windows.iter_mut().skip(WARM_UP) {
        window.verdict = Some(judge(window, tolerance));
    }
    pair.crossings = crossings(&pair.windows, tolerance);
    let is_lost = diverged
        .iter()
        .any(|lost| [pair.narrow, pair.wide].contains(&lost.at));
    let verdicts = pair.windows.iter().filter_map(|window| window.verdict);
    pair.verdict = match verdicts.max().unwrap_or(Verdict::Undetermined) {
        _ if is_lost => Verdict::Fail,
        Verdict::Pass if !pair.complete => Verdict::Undetermined,
        windows => windows,
    };
}

/// First steps of the windows in which the wider becomes noticeably worse, after it was not.
fn crossings(windows: &[Window], tolerance: f64) -> Vec<usize> {
    windows
        .windows(2)
        .filter(|pair| pair[0].gain.mean >= -tolerance && pair[1].gain.mean < -tolerance)
        .map(|pair| pair[1].steps.0)
        .collect()
}

fn judge(window: &Window, tolerance: f64) -> Verdict {
    match (window.p, window.gain.interval().0) {
        (None, _) => Verdict::Undetermined,
        (Some(p), _) if p < LEVEL => Verdict::Fail,
        (Some(_), low) if low >= -tolerance => Verdict::Pass,
        _ => Verdict::Undetermined,
    }
}
