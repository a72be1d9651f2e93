//! The analysis in plain sentences: the conclusion, and the reasons to doubt it.

use std::collections::BTreeMap;

use super::judgement::{Analysis, Best, RuleAnalysis};
use super::{Flag, conclusion, display_name};

/// Targets this many times wider than what was fitted are worth a warning.
const FAR: f64 = 4.0;

/// Seeds below which noise is poorly known.
const FEW_SEEDS: usize = 3;

/// Flags of a whole rule, worst first.
const OF_RULE: [Flag; 4] = [
    Flag::TooFewWidths,
    Flag::Pinned,
    Flag::Unreliable,
    Flag::AtNoiseFloor,
];

/// What the table says about each rule, and what to doubt.
pub fn findings(analysis: &Analysis) -> Vec<String> {
    let doubts = doubts(analysis);
    let with_care = doubts
        .iter()
        .map(|(name, doubts)| format!("Read {name} with care: {}.", doubts.join("; ")));
    conclusion(analysis)
        .into_iter()
        .chain(with_care)
        .chain(of_rows(analysis))
        .collect()
}

/// Reasons for care by displayed name of the rule, worst first; clauses without a full stop.
pub fn doubts(analysis: &Analysis) -> Vec<(String, Vec<String>)> {
    let rules = analysis.ordered_rules().into_iter();
    let named = rules.map(|(name, rule)| (display_name(name).to_owned(), of_rule(analysis, rule)));
    named.filter(|(_, doubts)| !doubts.is_empty()).collect()
}

fn of_rule(analysis: &Analysis, rule: &RuleAnalysis) -> Vec<String> {
    let explain = |flag: &Flag| flag.explanation(&analysis.axis, analysis.sweep_name());
    let axis = &analysis.axis;
    let held = OF_RULE
        .iter()
        .filter(|flag| rule.flags.contains(flag))
        .map(explain);
    let far = rule
        .prediction
        .as_ref()
        .filter(|prediction| prediction.extrapolation > FAR);
    let far = far.map(|far| {
        format!(
            "{axis} {} is {:.0} times the largest that was fitted",
            far.target, far.extrapolation
        )
    });
    of_optima(analysis, &rule.optima)
        .into_iter()
        .chain(few_seeds(&rule.optima))
        .chain(held)
        .chain(far)
        .collect()
}

/// Each flag once, with all places where it was raised.
fn of_optima(analysis: &Analysis, optima: &[Best]) -> Vec<String> {
    let mut places: BTreeMap<Flag, Vec<String>> = BTreeMap::new();
    for best in optima {
        for flag in best
            .optimum
            .flags
            .iter()
            .filter(|flag| **flag != Flag::FewSeeds)
        {
            places.entry(*flag).or_default().push(best.at.to_string());
        }
    }
    let (axis, sweep) = (&analysis.axis, analysis.sweep_name());
    places
        .into_iter()
        .map(|(flag, at)| {
            format!(
                "{axis} {}: {}",
                at.join(", "),
                flag.explanation(axis, sweep)
            )
        })
        .collect()
}

fn few_seeds(optima: &[Best]) -> Option<String> {
    let seeds = optima
        .iter()
        .map(|best| best.seeds)
        .min()
        .filter(|seeds| *seeds < FEW_SEEDS)?;
    let noun = if seeds == 1 { "seed" } else { "seeds" };
    Some(format!("{seeds} {noun} only, so the noise is poorly known"))
}

/// What became of the rows.
pub fn of_rows(analysis: &Analysis) -> Vec<String> {
    let (rows, along) = (analysis.rows, &analysis.along);
    let share = 100.0 * rows.diverged as f64 / (rows.read - rows.failed).max(1) as f64;
    let share = if share < 1.0 {
        "less than 1".to_owned()
    } else {
        format!("{share:.0}")
    };
    let notes = [
        (rows.failed > 0).then(|| format!("Runs that failed and were left out: {}.", rows.failed)),
        (rows.diverged > 0)
            .then(|| format!("Runs that diverged: {}, {share}% of all.", rows.diverged)),
        (rows.repeated > 0).then(|| {
            format!(
                "Rows that repeat others and were counted once: {}.",
                rows.repeated
            )
        }),
        (!along.is_empty()).then(|| {
            let (axis, columns) = (&analysis.axis, along.join(", "));
            format!("Along with {axis} also change: {columns}; the exponents are of all together.")
        }),
    ];
    notes.into_iter().flatten().collect()
}
