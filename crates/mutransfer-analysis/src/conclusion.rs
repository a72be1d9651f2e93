//! The outcome in a few sentences per rule, for a reader who knows neither the method nor the code.
//!
//! Every sentence states what was measured and nothing else, so it stays true when the rule one
//! hoped for loses.

use super::judgement::{Analysis, Carried, RuleAnalysis, Transfers};
use super::measured::{Measured, Number, with_unit};
use super::{Speed, display_name};

/// One paragraph per rule, the reference first: whether transfer works and what it costs, how far
/// the optimum moved.
pub fn conclusion(analysis: &Analysis) -> Vec<String> {
    let paragraph = |(name, rule): (&str, &RuleAnalysis)| {
        let sentences = [
            Some(transfer(analysis, name, rule)),
            drift(analysis, name, rule),
            speed(analysis, name, rule),
        ];
        sentences
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    };
    analysis
        .ordered_rules()
        .into_iter()
        .map(paragraph)
        .collect()
}

fn transfer(analysis: &Analysis, name: &str, rule: &RuleAnalysis) -> String {
    let Analysis {
        axis, tolerance, ..
    } = analysis;
    let subject = match analysis.reference.as_deref() == Some(name) {
        true => format!(
            "{}, the baseline, {}",
            display_name(name),
            verdict(rule.verdict)
        ),
        false => format!("{} {}", display_name(name), verdict(rule.verdict)),
    };
    let Some(carried) = &rule.carried else {
        return format!("{subject}: there is no optimum at a smaller {axis} to copy.");
    };
    let copying = format!(
        "copying the best {} from {axis} {} to {}",
        analysis.sweep_name(),
        carried.from,
        carried.to
    );
    let limit = match rule.verdict {
        _ if carried.diverged => String::new(),
        Transfers::Transfers => format!(", within the tolerance of {tolerance}"),
        Transfers::Fails => format!(", more than the tolerance of {tolerance}"),
        Transfers::Undetermined => format!("; the tolerance is {tolerance}"),
    };
    format!("{subject}: {copying} {}{limit}.", cost(rule, carried))
}

fn verdict(verdict: Transfers) -> &'static str {
    match verdict {
        Transfers::Transfers => "transfers",
        Transfers::Fails => "fails",
        Transfers::Undetermined => "is undetermined",
    }
}

fn cost(rule: &RuleAnalysis, carried: &Carried) -> String {
    let unsure = |regret: &Measured| match regret.interval {
        Some(_) => "",
        None => ", and nothing tells how surely",
    };
    match rule.numbers.get(&Number::Regret) {
        _ if carried.diverged => "makes training diverge".to_owned(),
        None => "costs what this table cannot tell".to_owned(),
        Some(regret) if carried.measured => {
            format!("costs {}{}", with_unit(regret, 4, " nats"), unsure(regret))
        }
        Some(regret) => {
            format!(
                "should cost {}, though {} was not run",
                with_unit(regret, 4, " nats"),
                carried.to
            )
        }
    }
}

fn drift(analysis: &Analysis, name: &str, rule: &RuleAnalysis) -> Option<String> {
    let (axis, sweep, name) = (&analysis.axis, analysis.sweep_name(), display_name(name));
    let fitted: Vec<f64> = rule
        .optima
        .iter()
        .filter(|best| best.fitted)
        .map(|best| best.at)
        .collect();
    let (first, last) = (fitted.first()?, fitted.last()?);
    let Some(drift) = rule.numbers.get(&Number::Drift) else {
        return Some(format!(
            "Under {name} only {axis} {first} has an optimum, so its shift is unknown."
        ));
    };
    let certain = drift
        .interval
        .is_none_or(|[low, high]| low > 0.0 || high < 0.0);
    let moved = match (certain, drift.value < 0.0) {
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
