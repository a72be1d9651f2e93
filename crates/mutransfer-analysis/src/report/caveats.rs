//! What to keep in mind: everything that limits trust in the conclusion, the conclusion's own
//! doubts first.

use minijinja::{Value, context};

use super::{Models, Report};
use crate::{doubts, of_rows};

/// Proxies smaller than this are below published advice (2203.03466 and later): width, blocks,
/// batch, sequence, steps.
const SMALLEST: [usize; 5] = [256, 4, 32, 128, 5000];

/// True of every study of this kind, however well it went.
const SCOPE: &str = "This is one task, one optimizer and one training length. What transfers here need not transfer when any \
    of them changes.";

/// Doubts by rule, then those of all.
pub(super) fn caveats(report: &Report) -> Value {
    let rules = doubts(&report.analysis)
        .into_iter()
        .map(|(rule, doubts)| context! { rule, doubts });
    let sizes = report
        .models
        .as_ref()
        .map(|models| sizes(report, models))
        .unwrap_or_default();
    let all = of_rows(&report.analysis)
        .into_iter()
        .chain(sizes)
        .chain([SCOPE.to_owned()]);
    context! { rules => rules.collect::<Vec<Value>>(), all => all.collect::<Vec<String>>() }
}

fn sizes(report: &Report, models: &Models) -> Vec<String> {
    [too_small(narrowest(report), models), base_too_small(models)]
        .into_iter()
        .flatten()
        .collect()
}

fn narrowest(report: &Report) -> usize {
    let optima = report.analysis.rules.values().flat_map(|rule| &rule.optima);
    optima.map(|best| best.at).fold(f64::INFINITY, f64::min) as usize
}

fn too_small(width: usize, models: &Models) -> Option<String> {
    let Models {
        depth,
        batch,
        context,
        steps,
        ..
    } = *models;
    let [widths, depths, batches, contexts, lengths] = SMALLEST;
    let sizes = [
        ("width", width, widths),
        ("number of blocks", depth, depths),
        ("batch", batch, batches),
        ("sequence", context.unwrap_or(contexts), contexts),
        ("number of steps", steps, lengths),
    ];
    let small: Vec<String> = sizes
        .iter()
        .filter(|(_, size, least)| size < least)
        .map(|(name, size, least)| format!("{name} {size} instead of {least}"))
        .collect();
    (!small.is_empty()).then(|| {
        format!(
            "Smaller than published advice for a proxy: {}. The best hyperparameters of very small models move for \
             reasons that no parametrization corrects.",
            small.join(", ")
        )
    })
}

fn base_too_small(models: &Models) -> Option<String> {
    (models.base_width < SMALLEST[0]).then(|| {
        format!(
            "The base width, at which all rules are the same, is {}, below the published least of {}. Ratios to so small a \
             model carry its finite-size effects to every other width.",
            models.base_width, SMALLEST[0]
        )
    })
}
