//! Rows of the tables of verdicts, optima and transfers.

use minijinja::{Value, context};

use crate::names::display_name;
use crate::statistics::measured::{Measured, with_interval};
use crate::tell::report::text::{ABSENT, minus, number, three_digits};
use crate::transfer::analysis::{Analysis, Best, RuleAnalysis, Transfers};
use crate::transfer::number::Number;

/// What everyone wants to know first, a row per rule.
pub(crate) fn verdicts(analysis: &Analysis) -> Vec<Value> {
    let rules = analysis.ordered_rules().into_iter();
    rules
        .map(|(name, rule)| {
            let prediction = rule.prediction.as_ref();
            context! {
                rule => display_name(name),
                is_reference => analysis.reference.as_deref() == Some(name),
                verdict => rule.verdict.to_string(),
                mark => mark(rule.verdict),
                regret => regret(rule),
                drift => measured(rule.numbers.get(&Number::Drift), 2),
                extrapolation => prediction
                    .map_or(ABSENT.to_owned(), |found| times(found.extrapolation)),
                seeds => rule.optima.iter().map(|best| best.seeds).min().unwrap_or(0),
            }
        })
        .collect()
}

/// So that a verdict is seen without colour too.
fn mark(verdict: Transfers) -> &'static str {
    match verdict {
        Transfers::Transfers => "✓",
        Transfers::Fails => "✗",
        Transfers::Undetermined => "?",
    }
}

fn regret(rule: &RuleAnalysis) -> String {
    match &rule.carried {
        Some(carried) if carried.diverged => "diverges".to_owned(),
        _ => measured(rule.numbers.get(&Number::Regret), 4),
    }
}

fn times(ratio: f64) -> String {
    format!("{} ×", (ratio * 10.0).round() / 10.0)
}

/// A row per rule and value of the axis.
pub(crate) fn optima(analysis: &Analysis) -> Vec<Value> {
    let rules = analysis.ordered_rules().into_iter();
    rules
        .flat_map(|(name, rule)| {
            rule.optima
                .iter()
                .map(move |best| optimum(analysis, name, best))
        })
        .collect()
}

fn optimum(analysis: &Analysis, rule: &str, best: &Best) -> Value {
    let tried = match best.diverged {
        0 => best.tried.to_string(),
        diverged => format!("{}, {diverged} diverged", best.tried),
    };
    let notes: Vec<String> = best
        .flags
        .iter()
        .map(|flag| analysis.explain(*flag))
        .collect();
    context! {
        rule => display_name(rule),
        at => best.at.to_string(),
        log2 => measured(best.log2.as_ref(), 2),
        plain => best.value.map_or(ABSENT.to_owned(), three_digits),
        loss => measured(best.loss.as_ref(), 4),
        tried,
        seeds => best.seeds,
        note => notes.join("; "),
    }
}

/// What was carried where, a row per rule.
pub(crate) fn transfers(analysis: &Analysis, floor: Option<f64>) -> Vec<Value> {
    let rules = analysis.ordered_rules().into_iter();
    rules
        .filter_map(|(name, rule)| transfer(name, rule, floor))
        .collect()
}

fn transfer(name: &str, rule: &RuleAnalysis, floor: Option<f64>) -> Option<Value> {
    let carried = rule.carried.as_ref()?;
    let there = rule.at(carried.to);
    Some(context! {
        rule => display_name(name),
        from => carried.from.to_string(),
        to => carried.to.to_string(),
        carried => number(carried.log2, 2),
        loss => number(carried.loss, 4),
        best => measured(there.and_then(|best| best.log2.as_ref()), 2),
        best_loss => measured(there.and_then(|best| best.loss.as_ref()), 4),
        lowest => number(there.and_then(|best| best.raw_loss), 4),
        predicted => measured(rule.prediction.as_ref().map(|found| &found.log2), 2),
        regret => regret(rule),
        share => measured(rule.numbers.get(&Number::RelativeRegret), 3),
        above_floor => number(carried.loss.zip(floor).map(|(loss, floor)| loss - floor), 4),
    })
}

pub(crate) fn measured(value: Option<&Measured>, decimals: usize) -> String {
    value.map_or(ABSENT.to_owned(), |value| {
        minus(&with_interval(value, decimals))
    })
}
