//! The analysis in plain sentences, each of them something that was measured or a reason to doubt it.

use super::conclusion::sentence;
use super::judgement::{Analysis, RuleAnalysis, Transfers};
use super::measured::{Measured, Number};
use super::{Flag, Speed, display_name};

/// Targets this many times wider than what was fitted are worth a warning.
const FAR: f64 = 4.0;

/// Seeds below which noise is poorly known.
const FEW_SEEDS: usize = 3;

/// What the table says about each rule, and what to doubt.
pub fn findings(analysis: &Analysis) -> Vec<String> {
    let rules = analysis.ordered_rules();
    let about = rules.iter().flat_map(|(name, rule)| {
        [drift(analysis, name, rule), transfer(analysis, name, rule), speed(analysis, name, rule)]
    });
    about.flatten().chain(doubts(analysis)).chain(table(analysis)).collect()
}

fn drift(analysis: &Analysis, name: &str, rule: &RuleAnalysis) -> Option<String> {
    let Analysis { axis, sweep, .. } = analysis;
    let name = display_name(name);
    let fitted: Vec<f64> = rule.optima.iter().filter(|best| best.fitted).map(|best| best.at).collect();
    let (first, last) = (fitted.first()?, fitted.last()?);
    let Some(drift) = rule.numbers.get(&Number::Drift) else {
        return Some(format!("Under {name} only {axis} {first} has an optimum, so its shift is unknown."));
    };
    let certain = drift.interval.is_none_or(|[low, high]| low > 0.0 || high < 0.0);
    let moved = match (certain, drift.value < 0.0) {
        (false, _) => "did not move by more than the noise",
        (true, true) => "fell",
        (true, false) => "rose",
    };
    let octaves = with_interval(&Measured { value: drift.value, ..*drift }, 2);
    Some(format!("Under {name} the best {sweep} {moved} from {axis} {first} to {last}: {octaves} octaves."))
}

fn transfer(analysis: &Analysis, name: &str, rule: &RuleAnalysis) -> Option<String> {
    let Analysis { axis, sweep, tolerance, .. } = analysis;
    let carried = rule.carried.as_ref()?;
    let start = format!("copying the best {sweep} from {axis} {} to {}", carried.from, carried.to);
    let cost = match rule.numbers.get(&Number::Regret) {
        _ if carried.diverged => "makes training diverge".to_owned(),
        None => "costs what this table cannot tell".to_owned(),
        Some(regret) if carried.measured => format!("costs {} nats", with_interval(regret, 4)),
        Some(regret) => format!("should cost {} nats, though {} was not run", with_interval(regret, 4), carried.to),
    };
    let verdict = match rule.verdict {
        Transfers::Transfers => format!("it transfers within the tolerance of {tolerance} nats"),
        Transfers::Fails => format!("it fails the tolerance of {tolerance} nats"),
        Transfers::Undetermined => format!("whether that is within the tolerance of {tolerance} nats is undetermined"),
    };
    Some(sentence(&format!("under {} {start} {cost}; {verdict}", display_name(name))))
}

fn speed(analysis: &Analysis, name: &str, rule: &RuleAnalysis) -> Option<String> {
    let sweep = &analysis.sweep;
    let says = match rule.fast {
        Speed::Fast => format!("the best {sweep} converges faster than the root of the loss gap, so tuning small pays"),
        Speed::Slow => format!("the best {sweep} does not converge faster than the root of the loss gap"),
        Speed::Converged => format!("no shift of the best {sweep} is larger than its noise"),
        Speed::Undetermined => return None,
    };
    Some(format!("Under {} {says}.", display_name(name)))
}

/// Reasons for care, worst first.
fn doubts(analysis: &Analysis) -> Vec<String> {
    let axis = &analysis.axis;
    analysis
        .ordered_rules()
        .into_iter()
        .filter_map(|(name, rule)| {
            let at = |best: &super::Best| {
                let flags = best.optimum.flags.iter().filter(|flag| **flag != Flag::FewSeeds);
                flags.map(|flag| format!("{axis} {}: {}", best.at, flag.explanation())).collect::<Vec<_>>()
            };
            let mut doubts: Vec<String> = rule.optima.iter().flat_map(at).collect();
            let seeds = rule.optima.iter().map(|best| best.seeds).min().unwrap_or(0);
            doubts.extend((seeds < FEW_SEEDS).then(|| {
                format!("{seeds} {} only, so the noise is poorly known", if seeds == 1 { "seed" } else { "seeds" })
            }));
            let of_rule = [Flag::TooFewWidths, Flag::Pinned, Flag::Unreliable];
            doubts.extend(
                of_rule.iter().filter(|flag| rule.flags.contains(flag)).map(|flag| flag.explanation().to_owned()),
            );
            let far = rule.prediction.as_ref().filter(|prediction| prediction.extrapolation > FAR);
            doubts.extend(far.map(|far| {
                format!("{axis} {} is {:.0} times the largest that was fitted", far.target, far.extrapolation)
            }));
            (!doubts.is_empty()).then(|| format!("Read {} with care: {}.", display_name(name), doubts.join("; ")))
        })
        .collect()
}

/// What became of the rows.
fn table(analysis: &Analysis) -> Vec<String> {
    let rows = analysis.rows;
    let along = &analysis.along;
    let notes = [
        (rows.failed > 0).then(|| format!("{} failed runs were left out.", rows.failed)),
        (rows.diverged > 0).then(|| format!("{} runs diverged.", rows.diverged)),
        (rows.repeated > 0).then(|| format!("{} rows repeat others and were counted once.", rows.repeated)),
        (!along.is_empty()).then(|| {
            format!(
                "Along with {} also change: {}; the exponents are of all together.",
                analysis.axis,
                along.join(", ")
            )
        }),
    ];
    notes.into_iter().flatten().collect()
}

/// `-1.00 (-1.20 to -0.80)`.
pub fn with_interval(measured: &Measured, decimals: usize) -> String {
    let number = |value: f64| {
        // Neither a sign without a digit nor a zero for what is only small.
        let rounded = format!("{value:.decimals$}");
        if rounded.parse() == Ok(0.0) { rounded.replace('-', "") } else { rounded }
    };
    let mark = if measured.is_unreliable() { ", unreliable" } else { "" };
    match measured.interval {
        None => number(measured.value),
        Some([low, high]) => format!("{} ({} to {}{mark})", number(measured.value), number(low), number(high)),
    }
}
