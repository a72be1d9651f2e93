//! The outcome in a few sentences per rule, for a reader who knows neither the method nor the code.
//!
//! Every sentence states what was measured and nothing else, so it stays true when the rule one
//! hoped for loses.

use crate::names::display_name;
use crate::statistics::measured::{Measured, with_unit};
use crate::transfer::analysis::{Analysis, Carried, RuleAnalysis, Transfers};
use crate::transfer::gap::Speed;
use crate::transfer::number::Number;

/// One paragraph per rule, the reference first: whether transfer works and what it costs, how far
/// the optimum moved.
pub fn conclusion(analysis: &Analysis) -> Vec<String> {
    let mut paragraphs = Vec::new();
    for (name, rule) in analysis.ordered_rules() {
        let mut sentences = vec![transfer(analysis, name, rule)];
        sentences.extend(drift(analysis, name, rule));
        sentences.extend(speed(analysis, name, rule));
        paragraphs.push(sentences.join(" "));
    }
    paragraphs
}

fn transfer(analysis: &Analysis, name: &str, rule: &RuleAnalysis) -> String {
    let (axis, tolerance) = (&analysis.axis, analysis.tolerance);
    let (shown, verdict) = (display_name(name), verdict(rule.verdict));
    let subject = if analysis.reference.as_deref() == Some(name) {
        format!("{shown}, the baseline, {verdict}")
    } else {
        format!("{shown} {verdict}")
    };
    let Some(carried) = &rule.carried else {
        return format!("{subject}: there is no optimum at a smaller {axis} to copy.");
    };
    let limit = match rule.verdict {
        _ if carried.diverged => String::new(),
        Transfers::Transfers => format!(", within the tolerance of {tolerance}"),
        Transfers::Fails => format!(", more than the tolerance of {tolerance}"),
        Transfers::Undetermined => format!("; the tolerance is {tolerance}{}", open(rule)),
    };
    format!(
        "{subject}: copying the best {} from {axis} {} to {} {}{limit}.",
        analysis.sweep_name(),
        carried.from,
        carried.to,
        cost(rule, carried)
    )
}

/// What would decide a verdict, or why nothing does.
fn open(rule: &RuleAnalysis) -> String {
    let regret = rule.numbers.get(&Number::Regret);
    match rule.seeds_to_decide {
        Some(needed) => format!(", and {needed} would decide if the numbers stay"),
        None if regret.is_some_and(Measured::is_unreliable) => {
            ", and an interval that is unreliable decides nothing".to_owned()
        }
        None => String::new(),
    }
}

fn verdict(verdict: Transfers) -> &'static str {
    match verdict {
        Transfers::Transfers => "transfers",
        Transfers::Fails => "fails",
        Transfers::Undetermined => "is undetermined",
    }
}

fn cost(rule: &RuleAnalysis, carried: &Carried) -> String {
    if carried.diverged {
        return "makes training diverge".to_owned();
    }
    let Some(regret) = rule.numbers.get(&Number::Regret) else {
        return "costs what this table cannot tell".to_owned();
    };
    let nats = with_unit(regret, 4, " nats");
    match (carried.measured, regret.interval) {
        (true, Some(_)) => format!("costs {nats}"),
        (true, None) => format!("costs {nats}, and nothing tells how surely"),
        (false, _) => format!("should cost {nats}, though {} was not run", carried.to),
    }
}

fn drift(analysis: &Analysis, name: &str, rule: &RuleAnalysis) -> Option<String> {
    let (axis, sweep, name) = (&analysis.axis, analysis.sweep_name(), display_name(name));
    let mut fitted = rule.optima.iter().filter(|best| best.fitted);
    let first = fitted.next()?.at;
    let last = fitted.next_back().map_or(first, |best| best.at);
    let Some(drift) = rule.numbers.get(&Number::Drift) else {
        return Some(format!(
            "Under {name} only {axis} {first} has an optimum, so its shift is unknown."
        ));
    };
    let is_certain = drift
        .interval
        .is_none_or(|[low, high]| low > 0.0 || high < 0.0);
    let moved = match (is_certain, drift.value < 0.0) {
        (false, _) => "did not move by more than the noise",
        (true, true) => "fell",
        (true, false) => "rose",
    };
    let octaves = with_unit(drift, 2, " octaves");
    Some(format!(
        "Under {name} the best {sweep} {moved} from {axis} {first} to {last}: {octaves}."
    ))
}

fn speed(analysis: &Analysis, name: &str, rule: &RuleAnalysis) -> Option<String> {
    let sweep = analysis.sweep_name();
    let says = match rule.fast {
        Speed::Fast => format!(
            "the best {sweep} converges faster than the root of the loss gap, so tuning small pays"
        ),
        Speed::Slow => {
            format!("the best {sweep} does not converge faster than the root of the loss gap")
        }
        Speed::Converged => format!("no shift of the best {sweep} is larger than its noise"),
        Speed::Undetermined => return None,
    };
    Some(format!("Under {} {says}.", display_name(name)))
}
