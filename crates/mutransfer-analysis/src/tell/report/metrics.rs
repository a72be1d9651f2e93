//! The table of metrics: what each of them means, which direction is good, and its value under
//! every rule.

use minijinja::{Value, context};

use crate::names::display_name;
use crate::tell::report::tables::measured;
use crate::tell::report::text::ABSENT;
use crate::transfer::analysis::{Analysis, RuleAnalysis};
use crate::transfer::flag::Flag;
use crate::transfer::number::Number;

/// Symbol, decimals, meaning and what is good.
type Metric = (Number, &'static str, usize, &'static str, &'static str);

/// In the order in which they build on each other. Sources: Kalra and Barkeshli (arXiv 2605.21486)
/// for all but the last.
const METRICS: [Metric; 9] = [
    (
        Number::Beta,
        "beta",
        3,
        "The best value goes as size^−beta.",
        "Near 0 is good: nothing to correct.",
    ),
    (
        Number::Alpha,
        "alpha",
        3,
        "The loss falls towards its limit as size^−alpha.",
        "Larger is good.",
    ),
    (
        Number::S,
        "s",
        3,
        "The curvature of the valley, per octave of the value, goes as size^s.",
        "Small is good: the valley stays wide.",
    ),
    (
        Number::Gamma,
        "gamma",
        3,
        "The same in the value itself, s + 2 beta.",
        "Only a part of kappa.",
    ),
    (
        Number::Kappa,
        "kappa",
        3,
        "What a relative error of the value costs, against the loss still to be won, goes as \
         size^kappa; alpha + s.",
        "Negative is good: errors matter less and less.",
    ),
    (
        Number::Error,
        "E",
        5,
        "Error in nats of one law for all losses together; compare within this program only.",
        "Small is good: the sizes follow one law.",
    ),
    (
        Number::Limit,
        "L_inf",
        4,
        "The loss at infinite size, in nats.",
        "Small is good.",
    ),
    (
        Number::LimitGap,
        "R_inf",
        4,
        "L_inf minus that of the baseline, in nats.",
        "Small is good; negative beats the baseline.",
    ),
    (
        Number::GapMargin,
        "b − alpha/2",
        3,
        "How much faster the best value converges than the root of the loss gap (arXiv \
         2512.22768).",
        "Positive is good: transfer is fast, and tuning small pays.",
    ),
];

/// Numbers that mean little where the limit of the loss is at its bound.
const PINNED: [Number; 5] = [
    Number::Alpha,
    Number::Kappa,
    Number::Limit,
    Number::LimitGap,
    Number::GapMargin,
];

/// The names of the rules and a row per metric that any of them has; none if there is no such
/// metric.
pub(crate) fn metrics(analysis: &Analysis) -> Option<Value> {
    let rules = analysis.ordered_rules();
    let mut rows = Vec::new();
    for metric in &METRICS {
        if rules
            .iter()
            .any(|(_, rule)| rule.numbers.contains_key(&metric.0))
        {
            rows.push(row(metric, &rules));
        }
    }
    if rows.is_empty() {
        return None;
    }
    let (mut names, mut fast, mut all_flags) = (Vec::new(), Vec::new(), Vec::new());
    for (name, rule) in rules {
        names.push(display_name(name).to_owned());
        fast.push(rule.fast.to_string());
        all_flags.push(flags(rule));
    }
    Some(context! { names, rows, fast, flags => all_flags })
}

fn row(
    &(number, symbol, decimals, meaning, good): &Metric,
    rules: &[(&str, &RuleAnalysis)],
) -> Value {
    let mut cells = Vec::new();
    for (_, rule) in rules {
        let value = rule.numbers.get(&number);
        let is_pinned = PINNED.contains(&number) && rule.flags.contains(&Flag::Pinned);
        let bound = if value.is_some() && is_pinned {
            ", at its bound"
        } else {
            ""
        };
        cells.push(measured(value, decimals) + bound);
    }
    context! { symbol, meaning, good, cells }
}

fn flags(rule: &RuleAnalysis) -> String {
    if rule.flags.is_empty() {
        return ABSENT.to_owned();
    }
    let names: Vec<String> = rule.flags.iter().map(Flag::to_string).collect();
    names.join(", ")
}
