//! `mutransfer status`: how far a study is.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use mutransfer_analysis::display_name;
use mutransfer_study::axis::{At, Axis, Rung};
use mutransfer_study::store::{Recorded, holder, read};
use mutransfer_study::trial::Outcome;
use serde::Serialize;

use crate::args::StatusOptions;
use crate::failure::Failure;
use crate::say::say;
use crate::table;
use crate::written::origin;

/// What has become of trials.
#[derive(Default, Serialize)]
struct Count {
    trials: usize,
    finished: usize,
    diverged: usize,
    missing: usize,
}

#[derive(Serialize)]
struct Status {
    /// The file of the study; none where the folder does not say it.
    study: Option<String>,
    /// Who runs the study now.
    running: Option<String>,
    /// What grows.
    axis: Axis,
    /// By rule and size along the axis.
    rules: BTreeMap<String, BTreeMap<At, Count>>,
}

pub(crate) fn status(options: &StatusOptions) -> Result<(), Failure> {
    let mut rules: BTreeMap<String, BTreeMap<At, Count>> = BTreeMap::new();
    let recorded = read(&options.folder)?;
    let axis = Axis::of(&Rung::distinct(
        recorded.iter().map(|recorded| &recorded.trial),
    ));
    for recorded in &recorded {
        let rule = recorded.trial.rule.name().to_owned();
        let at = axis.at(&recorded.trial.rung());
        rules
            .entry(rule)
            .or_default()
            .entry(at)
            .or_default()
            .add(recorded);
    }
    let running = holder(&options.folder);
    let study = origin(&options.folder).map(|origin| origin.study);
    let status = Status {
        study,
        running,
        axis,
        rules,
    };
    if options.json {
        let text = serde_json::to_string_pretty(&status).context("cannot print JSON")?;
        say!("{text}");
    } else {
        print(&status, &options.folder);
    }
    Ok(())
}

impl Count {
    fn add(&mut self, recorded: &Recorded) {
        let outcome = recorded.record.as_ref().map(|record| &record.outcome);
        let place = match outcome {
            Some(Outcome::Finished { .. }) => &mut self.finished,
            Some(Outcome::Diverged { .. }) => &mut self.diverged,
            Some(Outcome::Stopped | Outcome::Failed { .. }) | None => &mut self.missing,
        };
        *place += 1;
        self.trials += 1;
    }
}

fn print(status: &Status, folder: &Path) {
    let axis = status.axis.name();
    let mut table = table::new(["rule", axis, "trials", "finished", "diverged", "missing"]);
    let mut missing = 0;
    for (rule, sizes) in &status.rules {
        for (at, count) in sizes {
            missing += count.missing;
            let numbers = [count.trials, count.finished, count.diverged, count.missing];
            let numbers = numbers.map(|number| number.to_string());
            let names = [display_name(rule).to_owned(), at.to_string()];
            table.add_row(names.into_iter().chain(numbers));
        }
    }
    say!("{table}");
    if let Some(study) = &status.study {
        say!("The study is {study}.");
    }
    match (&status.running, missing) {
        (Some(who), _) => say!("Run by {who}."),
        (None, 0) => say!("Nothing is missing."),
        (None, _) if status.study.is_none() => {
            say!("Nobody runs it; the command that began it continues.");
        }
        (None, _) => say!(
            "Nobody runs it; `mutransfer sweep {}` continues.",
            folder.display()
        ),
    }
}
