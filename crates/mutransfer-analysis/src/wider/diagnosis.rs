//! Why wider is not always better, in a sentence.

use crate::statistics::estimate::Estimate;
use crate::verdict::Verdict;
use crate::wider::along::Along;
use crate::wider::pair::{Diverged, Pair, Window};

/// The worst that was found; none where everything passes.
pub(crate) fn diagnose(
    along: Along,
    pairs: &[Pair],
    diverged: &[Diverged],
    tolerance: f64,
) -> Option<String> {
    if let Some(Diverged { at, seed, step }) = diverged.first() {
        return Some(format!(
            "{along} {at}, seed {seed} diverged: its loss at step {step} is not finite"
        ));
    }
    worse(along, pairs)
        .or_else(|| one_seed(along, pairs))
        .or_else(|| unsettled(along, pairs, tolerance))
        .or_else(|| incomplete(along, pairs))
}

fn worse(along: Along, pairs: &[Pair]) -> Option<String> {
    let (Pair { narrow, wide, .. }, window) = first(pairs, Verdict::Fail)?;
    let (span, loss) = (span(window), signed(-window.gain.mean, &window.gain));
    let p = window.p.unwrap_or_default();
    Some(format!(
        "{along} {wide} is worse than {narrow} at {span}, by {loss} nats (p = {p:.1e})"
    ))
}

fn one_seed(along: Along, pairs: &[Pair]) -> Option<String> {
    let Pair { narrow, wide, .. } = pairs.iter().find(|pair| pair.seeds < 2)?;
    Some(format!(
        "{along}s {narrow} and {wide} share one seed only, so the noise is unknown"
    ))
}

fn unsettled(along: Along, pairs: &[Pair], tolerance: f64) -> Option<String> {
    let (Pair { narrow, wide, .. }, window) = first(pairs, Verdict::Undetermined)?;
    let (span, gain) = (span(window), signed(window.gain.mean, &window.gain));
    let windows = pairs.iter().flat_map(|pair| &pair.windows);
    let needed = windows.filter_map(|window| window.seeds_to_decide).max();
    let decide = needed.map_or(String::new(), |needed| {
        format!("; {needed} would decide all windows if the numbers stay")
    });
    Some(format!(
        "at {span} {along} {wide} gains {gain} nats on {narrow}, which may be worse by more than \
         {tolerance}{decide}"
    ))
}

fn incomplete(along: Along, pairs: &[Pair]) -> Option<String> {
    let pair = pairs.iter().find(|pair| pair.verdict != Verdict::Pass)?;
    let Pair { narrow, wide, .. } = pair;
    Some(match pair.windows.last() {
        Some(last) if !pair.complete => format!(
            "{along}s {narrow} and {wide} have no common step after {}",
            last.steps.1
        ),
        _ => format!("{along}s {narrow} and {wide} have too few common steps"),
    })
}

/// The first window of this verdict, with its pair.
fn first(pairs: &[Pair], verdict: Verdict) -> Option<(&Pair, &Window)> {
    let windows = pairs
        .iter()
        .flat_map(|pair| pair.windows.iter().map(move |window| (pair, window)));
    windows
        .into_iter()
        .find(|(_, window)| window.verdict == Some(verdict))
}

fn span(window: &Window) -> String {
    format!("steps {} to {}", window.steps.0, window.steps.1)
}

fn signed(mean: f64, gain: &Estimate) -> String {
    gain.margin.map_or(format!("{mean:.3}"), |margin| {
        format!("{mean:.3} ± {margin:.3}")
    })
}
