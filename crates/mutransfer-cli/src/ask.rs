//! `mutransfer ask` and `mutransfer tell`: a search for a training loop of the user.

use std::path::PathBuf;

use anyhow::Context;
use mutransfer_study::asking::Asking;
use mutransfer_study::search::{Flag, Report};
use serde_json::{Value, json};

use crate::args::{AskOptions, SearchOptions, TellOptions};
use crate::failure::Failure;
use crate::say::{note, say};
use crate::table;

/// What flags say, and what to do about them.
const FLAGS: [(Flag, &str); 4] = [
    (
        Flag::Edge,
        "the best value is at the end of its range: there may be better ones beyond it",
    ),
    (
        Flag::Censored,
        "more than half of the runs diverged or were far from the best: start elsewhere, or give \
         ranges",
    ),
    (
        Flag::Noise,
        "runs scatter by more than what is to be told apart: tell several seeds for each run",
    ),
    (
        Flag::Budget,
        "more is to be gained than the tolerance: a larger `budget` goes on from here",
    ),
];

pub(crate) fn ask(options: &AskOptions) -> Result<(), Failure> {
    let mut asking = open(&options.search)?;
    if options.report {
        let report = asking.search().report().ok_or_else(nothing)?;
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
    say!("{}", findings(asking, report));
    say!(
        "loss {:.4} after {} runs ({} diverged), where an octave grid has {} points\n\
         expected regret {:.4}, at most {:.4} with 95 % probability",
        report.loss,
        report.runs,
        report.diverged,
        report.octave_grid,
        report.expected_regret,
        report.regret_bound
    );
    for (flag, words) in FLAGS {
        if report.flags.contains(&flag) {
            say!("{words}");
        }
    }
    say!("to confirm it, run these with the same seeds:");
    for values in confirm {
        say!("  {}", Value::Object(values));
    }
    Ok(())
}

/// A row for each hyperparameter that was searched.
fn findings(asking: &Asking, report: &Report) -> comfy_table::Table {
    let mut table = table::new(["hyperparameter", "best", "95 % interval", "matters"]);
    let point = report.point();
    for (axis, finding) in report.findings.iter().enumerate() {
        let at = |coordinate: f64| {
            let mut moved = point.clone();
            moved[axis] = coordinate;
            let values = asking.written().space.values(&moved);
            number(values[axis])
        };
        // One minus a mean falls where the mean rises.
        let mut ends = [at(finding.interval.0), at(finding.interval.1)];
        let value = |text: &String| text.parse::<f64>().unwrap_or_default();
        if value(&ends[0]) > value(&ends[1]) {
            ends.swap(0, 1);
        }
        table.add_row([
            finding.name.clone(),
            at(finding.at),
            ends.join(" to "),
            format!("{:.0} %", 100.0 * finding.share),
        ]);
    }
    table
}

/// Three digits, as they are read best.
fn number(value: f64) -> String {
    if (0.01..1000.0).contains(&value) {
        let digits = (2 - value.log10().floor() as i32).max(0) as usize;
        format!("{value:.digits$}")
    } else {
        format!("{value:.2e}")
    }
}
