//! `mutransfer analyze`: what a table of runs, made by any program, says about transfer.

use std::path::{Path, PathBuf};

use anyhow::Context;
use mutransfer_analysis::figures::Pictures;
use mutransfer_analysis::report::{Report, render};
use mutransfer_analysis::{
    Analysis, Columns, Flag, Number, Request, RuleAnalysis, Sweeps, analysis_json,
    analyze as judge, display_name, findings, read_tables, with_interval,
};

use mutransfer_study::store::Store;

use crate::args::AnalyzeOptions;
use crate::failure::Failure;
use crate::say::{note, say};
use crate::{model, table};

pub(crate) fn analyze(options: &AnalyzeOptions) -> Result<(), Failure> {
    let columns = columns(options)?;
    let request = request(options)?;
    let read = |path: &PathBuf| Ok::<_, Failure>((path.display().to_string(), model::text(path)?));
    let files = options
        .files
        .iter()
        .map(read)
        .collect::<Result<Vec<_>, _>>()?;
    let sweeps = read_tables(&files, &columns)?;
    let analysis = judge(&sweeps, &columns.axis, &columns.sweep, &request)?;
    let json =
        serde_json::to_string_pretty(&analysis_json(&analysis)).context("cannot write JSON")?;
    if options.json {
        say!("{json}");
    } else {
        print(&analysis);
    }
    match &options.report {
        Some(folder) => report(options, folder, &sweeps, &analysis, &json),
        None => Ok(()),
    }
}

fn columns(options: &AnalyzeOptions) -> Result<Columns, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((column, value)) if !column.trim().is_empty() => {
            Ok((column.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(Failure::usage(
            format!("--where {text} is not of the form COLUMN=VALUE"),
            Some("such as depth=2"),
        )),
    };
    Ok(Columns {
        axis: options.axis.clone(),
        sweep: options.sweep.clone(),
        loss: options.loss.clone(),
        filters: options.filters.iter().map(pair).collect::<Result<_, _>>()?,
        ignored: options.ignored.clone(),
    })
}

fn request(options: &AnalyzeOptions) -> Result<Request, Failure> {
    let positive = [
        ("--tolerance", Some(options.tolerance)),
        ("--target-width", options.target_width),
        ("--max-octaves", options.max_octaves),
    ];
    for (flag, value) in positive {
        if let Some(value) = value.filter(|value| !(value.is_finite() && *value > 0.0)) {
            return Err(Failure::usage(
                format!("{flag} is {value}"),
                Some("it must be a positive number"),
            ));
        }
    }
    Ok(Request {
        reference: options.reference.clone(),
        target: options.target_width,
        tolerance: options.tolerance,
        replicates: options.replicates,
        max_octaves: options.max_octaves,
    })
}

fn print(analysis: &Analysis) {
    say!("{}", optima(analysis));
    say!("{}", numbers(analysis));
    for sentence in findings(analysis) {
        say!("{sentence}");
    }
}

fn optima(analysis: &Analysis) -> String {
    let best = format!("best {}", analysis.sweep);
    let log2 = format!("log2 {}", analysis.sweep);
    let explain = |flag: Flag| flag.explanation(&analysis.axis, analysis.sweep_name());
    let mut table = table::new(["rule", &analysis.axis, &best, &log2, "loss", "note"]);
    for (name, rule) in analysis.ordered_rules() {
        for best in &rule.optima {
            table.add_row([
                display_name(name).to_owned(),
                best.at.to_string(),
                best.optimum
                    .lr
                    .map_or(ABSENT.to_owned(), |value| format!("{value:.3e}")),
                best.log2
                    .map_or(ABSENT.to_owned(), |log2| with_interval(&log2, 2)),
                best.loss
                    .map_or(ABSENT.to_owned(), |loss| with_interval(&loss, 4)),
                best.optimum.flag.map_or(String::new(), explain),
            ]);
        }
    }
    table.to_string()
}

/// Stands where there is no value.
const ABSENT: &str = "–";

/// One row per number and one column per rule, the reference first.
fn numbers(analysis: &Analysis) -> String {
    let rules = analysis.ordered_rules();
    let mut table = table::new(
        ["".to_owned()]
            .into_iter()
            .chain(rules.iter().map(|(name, _)| display_name(name).to_owned())),
    );
    let mut row = |label: &str, cell: &dyn Fn(&RuleAnalysis) -> Option<String>| {
        let cells: Vec<Option<String>> = rules.iter().map(|(_, rule)| cell(rule)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells
                .into_iter()
                .map(|cell| cell.unwrap_or(ABSENT.to_owned()));
            table.add_row([label.to_owned()].into_iter().chain(cells));
        }
    };
    for (number, _, label) in Number::ALL {
        row(label, &|rule| {
            rule.numbers
                .get(&number)
                .map(|measured| with_interval(measured, number.decimals()))
        });
    }
    let target = rules
        .iter()
        .find_map(|(_, rule)| rule.prediction.as_ref())
        .map_or(0.0, |found| found.target);
    row(
        &format!("predicted log2 {} at {target}", analysis.sweep),
        &|rule| {
            rule.prediction
                .as_ref()
                .map(|prediction| with_interval(&prediction.log2, 2))
        },
    );
    row("expected loss of predicting, nats", &|rule| {
        rule.prediction
            .as_ref()?
            .excess
            .map(|excess| format!("{excess:.5}"))
    });
    row("transfer", &|rule| Some(rule.fast.to_string()));
    row("verdict", &|rule| Some(rule.verdict.to_string()));
    table.to_string()
}

fn report(
    options: &AnalyzeOptions,
    folder: &Path,
    sweeps: &Sweeps,
    analysis: &Analysis,
    json: &str,
) -> Result<(), Failure> {
    let pictures = Pictures::draw(sweeps, analysis).context("cannot draw the figures")?;
    let store = open(folder, options)?;
    store.write("analysis.json", json.as_bytes())?;
    for (name, figure) in pictures.named() {
        store.write(&format!("{name}.svg"), figure.svg.as_bytes())?;
        store.write(&format!("{name}.png"), &figure.png)?;
    }
    let report = Report {
        title: format!(
            "Does the {} transfer along {}?",
            analysis.sweep_name(),
            analysis.axis
        ),
        settings: settings(options),
        analysis: analysis.clone(),
        pictures,
        models: None,
        floor: None,
        cost: None,
        coordinates: None,
    };
    let page = render(&report).context("cannot write the report")?;
    store.write("report.html", page.as_bytes())?;
    note!("report: {}", store.path("report.html").display());
    Ok(())
}

/// All files that may be written, none of which may be somebody else's.
fn open(folder: &Path, options: &AnalyzeOptions) -> Result<Store, Failure> {
    let store = Store::open(folder, options.foreign.policy())
        .map_err(|error| Failure::from(error).with_hint(UNWRITABLE))?;
    store.check(["analysis.json", "report.html"])?;
    for name in ["losses", "optima", "regret"] {
        let files = [format!("{name}.svg"), format!("{name}.png")];
        store.check(files.iter().map(String::as_str))?;
    }
    Ok(store)
}

const UNWRITABLE: &str = "choose a folder you may write to with --report";

/// What was asked, so that the report can be made again.
fn settings(options: &AnalyzeOptions) -> Vec<(String, String)> {
    let files: Vec<String> = options
        .files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let all = [
        ("tables", files.join(", ")),
        ("axis", options.axis.clone()),
        ("sweep", options.sweep.clone()),
        ("loss", options.loss.clone()),
        ("where", options.filters.join(", ")),
        ("ignore", options.ignored.join(", ")),
        ("tolerance in nats", options.tolerance.to_string()),
        ("replicates", options.replicates.to_string()),
        (
            "max octaves",
            options
                .max_octaves
                .map_or(String::new(), |octaves| octaves.to_string()),
        ),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
