//! `mutransfer status`: how far a study is.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use mutransfer_analysis::display_name;
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
    /// By rule and width.
    rules: BTreeMap<String, BTreeMap<usize, Count>>,
}

pub(crate) fn status(options: &StatusOptions) -> Result<(), Failure> {
    let mut rules: BTreeMap<String, BTreeMap<usize, Count>> = BTreeMap::new();
    for recorded in read(&options.folder)? {
        let rule = recorded.trial.rule.name().to_owned();
        let widths = rules.entry(rule).or_default();
        widths
            .entry(recorded.trial.sizes.width)
            .or_default()
            .add(&recorded);
    }
    let running = holder(&options.folder);
    let study = origin(&options.folder).map(|origin| origin.study);
    let status = Status {
        study,
        running,
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
    let mut table = table::new(["rule", "width", "trials", "finished", "diverged", "missing"]);
    let mut missing = 0;
    for (rule, widths) in &status.rules {
        for (width, count) in widths {
            missing += count.missing;
            let numbers = [
                *width,
                count.trials,
                count.finished,
                count.diverged,
                count.missing,
            ];
            let numbers = numbers.map(|number| number.to_string());
            table.add_row([display_name(rule).to_owned()].into_iter().chain(numbers));
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
