//! What a study found, as a table that needs no prior knowledge.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use mutransfer_analysis::{Flag, Summary, Target, display_name};

/// The optimum at every width, and the transfer, per rule. What the transfer costs is said below,
/// with its interval.
pub(crate) fn summary(summary: &Summary) -> String {
    let mut table = new(["rule", "width", "best learning rate", "loss", "note"]);
    for (name, rule) in summary.ordered_rules() {
        for optimum in &rule.optima {
            let note = optimum.flag.map_or(String::new(), explain);
            table.add_row([
                display_name(name).to_owned(),
                optimum.width.to_string(),
                octaves(optimum.log2_lr),
                nats(optimum.loss),
                note,
            ]);
        }
        if let Some(target) = &rule.target {
            add_target(&mut table, display_name(name), target);
        }
    }
    table.to_string()
}

fn add_target(table: &mut Table, name: &str, target: &Target) {
    let width = format!("{} (target)", target.width);
    // A target that is one of the proxies has been refitted since, and was never run at this very
    // rate.
    let was_run = target.loss.is_some() || target.flags.contains(&Flag::Diverged);
    let loss = if was_run {
        nats(target.loss)
    } else {
        "not run".to_owned()
    };
    table.add_row([
        name.to_owned(),
        width.clone(),
        octaves(target.log2_lr),
        loss,
        "copied from the widest proxy".into(),
    ]);
    if target.best_log2_lr.is_some() {
        let flag = target
            .flag
            .map_or_else(String::new, |flag| format!("; {}", explain(flag)));
        let note = format!("tuned here, to compare{flag}");
        table.add_row([
            name.to_owned(),
            width,
            octaves(target.best_log2_lr),
            nats(target.best_loss),
            note,
        ]);
    }
}

fn explain(flag: Flag) -> String {
    flag.explanation("width", "learning rate")
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

fn octaves(log2_lr: Option<f64>) -> String {
    log2_lr.map_or("none".into(), |log2| {
        format!("2^{log2:.2} = {:.2e}", log2.exp2())
    })
}

fn nats(loss: Option<f64>) -> String {
    loss.map_or("diverged".into(), |loss| format!("{loss:.4}"))
}
