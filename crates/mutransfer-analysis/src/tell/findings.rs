//! The analysis in plain sentences: the conclusion, and the reasons to doubt it.

use std::collections::BTreeMap;

use crate::names::display_name;
use crate::table::sweep::Rows;
use crate::tell::conclusion::conclusion;
use crate::transfer::analysis::{Analysis, Best, RuleAnalysis, Seeds, Transfers};
use crate::transfer::flag::Flag;

/// Targets this many times wider than what was fitted are worth a warning.
const FAR: f64 = 4.0;

/// Seeds below which noise is poorly known.
const FEW_SEEDS: usize = 3;

/// Correlations over seeds above which they share their noise, and below which they do not: with
/// few seeds a correlation is off by a few tenths.
const SHARED: f64 = 0.5;
const APART: f64 = 0.2;

/// Flags of a whole rule, worst first.
const OF_RULE: [Flag; 4] = [
    Flag::TooFewWidths,
    Flag::Pinned,
    Flag::Unreliable,
    Flag::AtNoiseFloor,
];

/// What the table says about each rule, and what to doubt.
pub fn findings(analysis: &Analysis) -> Vec<String> {
    let mut sentences = conclusion(analysis);
    for (name, doubts) in doubts(analysis) {
        sentences.push(format!("Read {name} with care: {}.", doubts.join("; ")));
    }
    sentences.extend(of_rows(analysis));
    sentences
}

/// Reasons for care by displayed name of the rule, worst first; clauses without a full stop.
pub fn doubts(analysis: &Analysis) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for (name, rule) in analysis.ordered_rules() {
        let doubts = of_rule(analysis, rule);
        if !doubts.is_empty() {
            all.push((display_name(name).to_owned(), doubts));
        }
    }
    all
}

fn of_rule(analysis: &Analysis, rule: &RuleAnalysis) -> Vec<String> {
    let mut doubts = of_optima(analysis, &rule.optima);
    doubts.extend(few_seeds(&rule.optima));
    doubts.extend(sharing(analysis, rule));
    let held = OF_RULE.iter().filter(|flag| rule.flags.contains(flag));
    doubts.extend(held.map(|flag| analysis.explain(*flag)));
    if let Some(far) = &rule.prediction
        && far.extrapolation > FAR
    {
        doubts.push(format!(
            "{} {} is {:.0} times the largest that was fitted",
            analysis.axis, far.at, far.extrapolation
        ));
    }
    doubts
}

/// Each flag once, with all places where it was raised.
fn of_optima(analysis: &Analysis, optima: &[Best]) -> Vec<String> {
    let mut places: BTreeMap<Flag, Vec<String>> = BTreeMap::new();
    for best in optima {
        for flag in best.flags.iter().filter(|flag| **flag != Flag::FewSeeds) {
            places.entry(*flag).or_default().push(best.at.to_string());
        }
    }
    let mut doubts = Vec::new();
    for (flag, at) in places {
        let why = analysis.explain(flag);
        doubts.push(format!("{} {}: {why}", analysis.axis, at.join(", ")));
    }
    doubts
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

/// Where the runs contradict what seeds are taken to mean, and it matters.
fn sharing(analysis: &Analysis, rule: &RuleAnalysis) -> Option<String> {
    let correlation = rule.sharing.values?;
    let found = format!(
        "losses of one seed at neighbouring values of the {} correlate by {correlation:.2} over \
         seeds",
        analysis.sweep_name()
    );
    match analysis.seeds {
        Seeds::Independent if correlation > SHARED => Some(format!(
            "{found}, so that seeds are not independent: intervals of losses are too short, those \
             of shifts and regrets too long"
        )),
        Seeds::Shared if correlation < APART && rule.verdict == Transfers::Undetermined => {
            Some(format!(
                "{found}; if seeds mean nothing here, take them for independent, and intervals are \
                 shorter"
            ))
        }
        _ => None,
    }
}

/// What became of the rows.
pub fn of_rows(analysis: &Analysis) -> Vec<String> {
    let (rows, along) = (&analysis.rows, &analysis.along);
    let mut notes = Vec::new();
    if rows.failed > 0 {
        notes.push(format!(
            "Runs that failed and were left out: {}.",
            rows.failed
        ));
    }
    if rows.diverged > 0 {
        notes.push(format!(
            "Runs that diverged: {}, {}% of all.",
            rows.diverged,
            share_diverged(rows)
        ));
    }
    if rows.repeated > 0 {
        notes.push(format!(
            "Rows that repeat others and were counted once: {}.",
            rows.repeated
        ));
    }
    if !along.is_empty() {
        let (axis, columns) = (&analysis.axis, along.join(", "));
        notes.push(format!(
            "Along with {axis} also change: {columns}; the exponents are of all together."
        ));
    }
    notes
}

/// In percent of the runs that ended.
fn share_diverged(rows: &Rows) -> String {
    let share = 100.0 * rows.diverged as f64 / (rows.read - rows.failed).max(1) as f64;
    if share < 1.0 {
        "less than 1".to_owned()
    } else {
        format!("{share:.0}")
    }
}
