//! What a study found, as a table that needs no prior knowledge.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use mutransfer_analysis::{Analysis, Best, Carried, RuleAnalysis, display_name};

/// Columns that a table with sentences may take.
const WIDTH: u16 = 100;

/// The optimum at every width, and the transfer, per rule. What the transfer costs is said below,
/// with its interval.
pub(crate) fn summary(analysis: &Analysis) -> String {
    let best = format!("best {}", analysis.sweep_name());
    let mut table = new(["rule", &analysis.axis, &best, "loss", "note"]);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    for (name, rule) in analysis.ordered_rules() {
        let target = target(analysis, rule);
        for best in &rule.optima {
            if Some(best.at) != target {
                let at = best.at.to_string();
                table.add_row(optimum(name, at, best, note(analysis, best)));
            }
        }
        if let Some(target) = target {
            add_target(&mut table, analysis, name, target);
        }
    }
    table.to_string()
}

/// Where a rule was to be carried to.
fn target(analysis: &Analysis, rule: &RuleAnalysis) -> Option<f64> {
    let carried = rule.carried.as_ref().map(|carried| carried.to);
    carried.or(analysis.target)
}

/// What was carried to the target, and what is best there, where that was looked for.
fn add_target(table: &mut Table, analysis: &Analysis, name: &str, target: f64) {
    let rule = &analysis.rules[name];
    let width = format!("{target} (target)");
    let carried = rule.carried.as_ref();
    let proxy = if analysis.axis == "width" {
        "copied from the widest proxy"
    } else {
        "copied from the largest proxy"
    };
    table.add_row([
        display_name(name).to_owned(),
        width.clone(),
        octaves(carried.and_then(|carried| carried.log2)),
        carried.map_or("not run".to_owned(), direct),
        proxy.to_owned(),
    ]);
    let direct_values = usize::from(carried.is_some_and(|carried| carried.seeds > 0));
    if let Some(best) = rule.at(target).filter(|best| best.tried > direct_values)
        && best.log2.is_some()
    {
        let why = note(analysis, best);
        let note = if why.is_empty() {
            "tuned here, to compare".to_owned()
        } else {
            format!("tuned here, to compare; {why}")
        };
        table.add_row(optimum(name, width, best, note));
    }
}

/// The loss of the runs at just the value that was carried.
fn direct(carried: &Carried) -> String {
    if carried.seeds == 0 {
        "not run".to_owned()
    } else {
        nats(carried.loss)
    }
}

fn optimum(name: &str, at: String, best: &Best, note: String) -> [String; 5] {
    [
        display_name(name).to_owned(),
        at,
        octaves(best.log2.map(|log2| log2.value)),
        nats(best.loss.map(|loss| loss.value)),
        note,
    ]
}

/// The worst that limits trust in an optimum.
fn note(analysis: &Analysis, best: &Best) -> String {
    let worst = best.flags.first();
    worst.map_or(String::new(), |flag| analysis.explain(*flag))
}

/// An empty table with this header.
pub(crate) fn new<T: Into<String>>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.into_iter().map(Into::into));
    table
}

fn octaves(log2: Option<f64>) -> String {
    log2.map_or("none".into(), |log2| {
        format!("2^{log2:.2} = {:.2e}", log2.exp2())
    })
}

fn nats(loss: Option<f64>) -> String {
    loss.map_or("diverged".into(), |loss| format!("{loss:.4}"))
}
