//! The outcome of a study in a few sentences, for a reader who knows neither the method nor the code.
//!
//! Every sentence states what was measured and nothing else, so it stays true when the rule one hoped for loses.

use super::{Flag, Optimum, RuleSummary, Summary, Target, display_name};

/// Shifts below this many octaves are called none: grids are rarely finer than half an octave.
const STEADY: f64 = 0.25;

/// The outcome in plain sentences: how far the best learning rate moved, what the transfer cost, and what to doubt.
pub fn conclusion(summary: &Summary) -> Vec<String> {
    [drift_sentence(summary), target_sentence(summary), doubt_sentence(summary)].into_iter().flatten().collect()
}

fn drift_sentence(summary: &Summary) -> Option<String> {
    let (narrowest, widest) = (summary.proxies.first()?, summary.proxies.last()?);
    let rules = summary.ordered_rules();
    if narrowest == widest {
        return Some(format!(
            "Only width {widest} was swept, so it is unknown how the best learning rate moves with width."
        ));
    }
    let span = format!(" from width {narrowest} to {widest}");
    let clauses = rules.iter().enumerate().map(|(index, (name, rule))| {
        let span = if index == 0 { span.as_str() } else { "" };
        format!("under {} {}", display_name(name), drift_clause(rule, span))
    });
    Some(sentence(&clauses.collect::<Vec<_>>().join("; ")))
}

fn drift_clause(rule: &RuleSummary, span: &str) -> String {
    match rule.drift_octaves {
        None => format!("the shift of the best learning rate{span} could not be measured"),
        Some(drift) if drift.abs() < STEADY => {
            format!(
                "the best learning rate stayed within {:.1} octaves{span}",
                ((drift.abs() * 10.0).ceil() / 10.0).max(0.1)
            )
        }
        Some(drift) => format!(
            "the best learning rate {} by {:.1} octaves (a factor of {:.1}){span}",
            if drift < 0.0 { "fell" } else { "rose" },
            drift.abs(),
            drift.abs().exp2()
        ),
    }
}

fn target_sentence(summary: &Summary) -> Option<String> {
    let width = summary.target_width?;
    let rules = summary.ordered_rules();
    let targets = rules.iter().filter_map(|(name, rule)| Some((*name, rule.target.as_ref()?)));
    let clauses: Vec<String> = targets.map(|(name, target)| target_clause(name, target)).collect();
    let swept = rules.iter().any(|(_, rule)| rule.target.as_ref().is_some_and(|target| target.regret.is_some()));
    let start = if swept {
        format!("against the best of a sweep at width {width}, copying the proxy's learning rate there")
    } else {
        format!("copied unchanged to width {width}, the proxy's learning rate")
    };
    (!clauses.is_empty()).then(|| sentence(&format!("{start} {}", join(&clauses))))
}

fn target_clause(name: &str, target: &Target) -> String {
    let rule = display_name(name);
    match (target.regret, target.loss, target.lowest_loss) {
        (Some(regret), Some(loss), Some(lowest)) => {
            format!("cost {} under {rule} (loss {loss:.3}, lowest of all runs there {lowest:.3})", nats(regret))
        }
        (Some(regret), ..) => format!("should cost {} under {rule}, though it has not been run", nats(regret)),
        (None, Some(loss), _) => format!("gave a loss of {loss:.3} nats under {rule}, with no sweep to compare with"),
        _ if target.seeds > 0 => format!("made training diverge under {rule}"),
        _ if target.log2_lr.is_none() => format!("was impossible under {rule}, where every proxy diverged"),
        _ => format!("has not been tried under {rule}"),
    }
}

fn nats(regret: f64) -> String {
    if regret.abs() < 0.0005 { "less than 0.001 nats".to_owned() } else { format!("{regret:.3} nats") }
}

/// Names the proxies whose optimum is not safe to build on. A single seed is said once, not per width.
fn doubt_sentence(summary: &Summary) -> Option<String> {
    let rules = summary.ordered_rules();
    let unsafe_ones = rules.iter().flat_map(|(name, rule)| rule.optima.iter().filter_map(|o| doubt(name, o)));
    let mut doubts: Vec<String> = unsafe_ones.collect();
    if rules.iter().any(|(_, rule)| rule.optima.iter().any(|optimum| optimum.flags.contains(&Flag::FewSeeds))) {
        doubts.push("learning rates were tried with one seed only, so small differences may be chance".to_owned());
    }
    (!doubts.is_empty()).then(|| format!("Read this with care: {}.", doubts.join("; ")))
}

fn doubt(name: &str, optimum: &Optimum) -> Option<String> {
    let flag = optimum.flag.filter(|flag| *flag != Flag::FewSeeds)?;
    Some(format!("{} at width {}: {}", display_name(name), optimum.width, flag.explanation()))
}

fn join(clauses: &[String]) -> String {
    match clauses.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{}, and {last}", rest.join(", ")),
        None => String::new(),
    }
}

pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).chain(['.']).collect()
}
