//! What to keep in mind: everything that limits trust in the conclusion, the conclusion's own
//! doubts first.

use minijinja::{Value, context};

use crate::names::display_name;
use crate::tell::findings::{doubts, of_rows};
use crate::tell::report::parts::{Models, Report};

/// Proxies smaller than this are below published advice (2203.03466 and later): width, blocks,
/// batch, sequence, steps.
const SMALLEST: [usize; 5] = [256, 4, 32, 128, 5000];

/// True of every study of this kind, however well it went.
const SCOPE: &str = "This is one task, one optimizer and one training length. What transfers here \
                     need not transfer when any of them changes.";

/// Doubts by rule, then those of all.
pub(super) fn caveats(report: &Report) -> Value {
    let mut all = of_rows(&report.analysis);
    if let Some(models) = &report.models {
        all.extend(too_small(models));
        all.extend(base_too_small(models));
    }
    all.push(SCOPE.to_owned());
    let rules = of_rules(report).into_iter();
    context! {
        rules => rules
            .map(|(rule, doubts)| context! { rule, doubts })
            .collect::<Vec<Value>>(),
        all,
    }
}

/// Doubts by displayed name of the rule; after them what such tables can be expected to show.
fn of_rules(report: &Report) -> Vec<(String, Vec<String>)> {
    let mut all = doubts(&report.analysis);
    for (name, power) in &report.power {
        let (shown, clause) = (display_name(name), power.to_string());
        match all.iter_mut().find(|(rule, _)| rule == shown) {
            Some((_, doubts)) => doubts.push(clause),
            None => all.push((shown.to_owned(), vec![clause])),
        }
    }
    all
}

fn too_small(models: &Models) -> Option<String> {
    let [widths, depths, batches, contexts, lengths] = SMALLEST;
    let context = models.context.unwrap_or(contexts);
    let sizes = [
        ("width", models.width, widths),
        ("number of blocks", models.depth, depths),
        ("batch", models.batch, batches),
        ("sequence", context, contexts),
        ("number of steps", models.steps, lengths),
    ];
    let small: Vec<String> = sizes
        .iter()
        .filter(|(_, size, least)| size < least)
        .map(|(name, size, least)| format!("{name} {size} instead of {least}"))
        .collect();
    if small.is_empty() {
        return None;
    }
    Some(format!(
        "Smaller than published advice for a proxy: {}. The best hyperparameters of very small \
         models move for reasons that no parametrization corrects.",
        small.join(", ")
    ))
}

fn base_too_small(models: &Models) -> Option<String> {
    let (base, least) = (models.base_width, SMALLEST[0]);
    if base >= least {
        return None;
    }
    Some(format!(
        "The base width, at which all rules are the same, is {base}, below the published least of \
         {least}. Ratios to so small a model carry its finite-size effects to every other width."
    ))
}
