//! `mutransfer ask` and `mutransfer tell`: a search for a training loop of the user.

use std::path::PathBuf;

use anyhow::Context;
use mutransfer_study::asking::Asking;
use mutransfer_study::search::Report;
use serde_json::{Value, json};

use crate::args::{AskOptions, SearchOptions, TellOptions};
use crate::failure::Failure;
use crate::found;
use crate::say::{note, say};

pub(crate) fn ask(options: &AskOptions) -> Result<(), Failure> {
    let mut asking = open(&options.search)?;
    if options.report {
        let report = asking.search().report().ok_or_else(nothing)?;
        let report = report.with_edges(&asking.written().space);
        return print(&asking, &report, options.json);
    }
    let runs = asking.ask();
    for (number, values) in &runs {
        say!("{}", json!({ "run": number, "values": values }));
    }
    if runs.is_empty() {
        note!("{}", last_words(&asking));
    }
    Ok(())
}

pub(crate) fn tell(options: &TellOptions) -> Result<(), Failure> {
    let mut asking = open(&options.search)?;
    asking.tell(options.run, &options.losses)?;
    if asking.ask().is_empty() {
        note!("{}", last_words(&asking));
    }
    Ok(())
}

fn open(options: &SearchOptions) -> Result<Asking, Failure> {
    let usual = || {
        let name = options.file.file_stem().unwrap_or_default();
        PathBuf::from("mutransfer-out").join(name)
    };
    let folder = options.out.clone().unwrap_or_else(usual);
    Ok(Asking::open(&options.file, &folder)?)
}

fn nothing() -> Failure {
    Failure::usage(
        "no run has a loss yet, or all diverged",
        Some("`mutransfer ask` prints the next runs, `mutransfer tell` takes their losses"),
    )
}

fn last_words(asking: &Asking) -> String {
    match asking.search().report() {
        None => "the search is over: every run diverged".to_owned(),
        Some(report) => format!(
            "the search is over after {} runs; `mutransfer ask --report` tells what it found",
            report.runs
        ),
    }
}

fn print(asking: &Asking, report: &Report, is_json: bool) -> Result<(), Failure> {
    let best = asking.values(&report.point());
    let confirm = report.confirm.iter().map(|point| asking.values(point));
    let confirm: Vec<_> = confirm.collect();
    if is_json {
        let document = json!({ "best": best, "report": report, "confirm": confirm });
        let text = serde_json::to_string_pretty(&document).context("cannot print JSON")?;
        say!("{text}");
        return Ok(());
    }
    let space = &asking.written().space;
    say!("{}", found::table(space, report));
    let together = report.together(space);
    let lines = report.worth().into_iter().chain(together);
    lines.for_each(|line| say!("{line}"));
    say!("to confirm it, run these with the same seeds:");
    for values in confirm {
        say!("  {}", Value::Object(values));
    }
    Ok(())
}
