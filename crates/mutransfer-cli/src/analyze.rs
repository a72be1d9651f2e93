//! `mutransfer analyze`: what a table of runs, made by any program, says about transfer.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use mutransfer_analysis::figures::Pictures;
use mutransfer_analysis::report::{Report, render};
use mutransfer_analysis::{
    Analysis, Columns, Naming, Number, Power, Request, RuleAnalysis, Sweeps, analyze as judge,
    display_name, findings, power_of_open, read_tables, with_interval,
};

use mutransfer_study::store::Store;

use crate::args::{AnalyzeOptions, ColumnOptions};
use crate::failure::Failure;
use crate::say::{note, say};
use crate::{model, table};

pub(crate) fn analyze(options: &AnalyzeOptions) -> Result<(), Failure> {
    let columns = columns(&options.columns)?;
    let request = request(options)?;
    let mut files = Vec::new();
    for path in &options.files {
        files.push((path.display().to_string(), model::text(path)?));
    }
    let sweeps = read_tables(&files, &columns)?;
    if !sweeps.left_out.is_empty() {
        note!(
            "left out as names, dates, durations or hosts: {}",
            sweeps.left_out.join(", ")
        );
    }
    let analysis = judge(&sweeps, &columns.axis, &columns.sweep, &request)?;
    let json = serde_json::to_string_pretty(&analysis).context("cannot write JSON")?;
    if options.json {
        say!("{json}");
    } else {
        print(&analysis);
    }
    match &options.report {
        Some(folder) => {
            let store = open(folder, options)?;
            store.write("analysis.json", json.as_bytes())?;
            let power = power_of_open(&sweeps, &analysis, &request);
            report(options, &store, &sweeps, analysis, power)
        }
        None => Ok(()),
    }
}

pub(crate) fn columns(options: &ColumnOptions) -> Result<Columns, Failure> {
    let filters: Result<_, Failure> = options.filters.iter().map(|text| filter(text)).collect();
    Ok(Columns {
        rule: options.rule.as_deref().map(naming),
        seed: options.seed.clone(),
        axis: options.axis.clone(),
        sweep: options.sweep.clone(),
        loss: options.loss.clone(),
        filters: filters?,
        ignored: options.ignored.clone(),
        log2: options.log2.clone(),
    })
}

/// A column, or the name itself after an equals sign.
fn naming(text: &str) -> Naming {
    match text.strip_prefix('=') {
        Some(name) => Naming::Rule(name.trim().to_owned()),
        None => Naming::Column(text.to_owned()),
    }
}

/// A pair of column and value.
fn filter(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((column, value)) if !column.trim().is_empty() => {
            Ok((column.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(Failure::usage(
            format!("--where {text} is not of the form COLUMN=VALUE"),
            Some("such as depth=2"),
        )),
    }
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
        replicates: options.replicates as usize,
        max_octaves: options.max_octaves,
        seeds: options.seeds.into(),
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
    let mut table = table::new(["rule", &analysis.axis, &best, &log2, "loss", "note"]);
    for (name, rule) in analysis.ordered_rules() {
        for best in &rule.optima {
            let (value, worst) = (best.value, best.flags.first());
            table.add_row([
                display_name(name).to_owned(),
                best.at.to_string(),
                shown(value.map(|value| format!("{value:.3e}"))),
                shown(best.log2.map(|log2| with_interval(&log2, 2))),
                shown(best.loss.map(|loss| with_interval(&loss, 4))),
                worst.map_or(String::new(), |flag| analysis.explain(*flag)),
            ]);
        }
    }
    table.to_string()
}

/// A dash stands where there is no value.
fn shown(cell: Option<String>) -> String {
    cell.unwrap_or("–".to_owned())
}

/// One row per number and one column per rule, the reference first. Rows that no rule has a value
/// for are left out.
fn numbers(analysis: &Analysis) -> String {
    let rules = analysis.ordered_rules();
    let names = rules.iter().map(|(name, _)| display_name(name).to_owned());
    let mut table = table::new([String::new()].into_iter().chain(names));
    for (label, cells) in rows(analysis, &rules) {
        if cells.iter().any(Option::is_some) {
            table.add_row([label].into_iter().chain(cells.into_iter().map(shown)));
        }
    }
    table.to_string()
}

/// A label, and a cell for each rule.
type Row = (String, Vec<Option<String>>);

fn rows(analysis: &Analysis, rules: &[(&str, &RuleAnalysis)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, _, label) in Number::ALL {
        let found = rules.iter().map(|(_, rule)| rule.numbers.get(&number));
        let cells = found.map(|found| Some(with_interval(found?, number.decimals())));
        rows.push((label.to_owned(), cells.collect()));
    }
    let (mut predicted, mut missing) = (Vec::new(), Vec::new());
    let (mut fast, mut verdict) = (Vec::new(), Vec::new());
    for (_, rule) in rules {
        let prediction = rule.prediction.as_ref();
        predicted.push(prediction.map(|found| with_interval(&found.log2, 2)));
        missing
            .push(prediction.and_then(|found| Some(format!("{:.5}", found.expected_excess_loss?))));
        fast.push(Some(rule.fast.to_string()));
        verdict.push(Some(rule.verdict.to_string()));
    }
    let sweep = &analysis.sweep;
    let mut predictions = rules
        .iter()
        .filter_map(|(_, rule)| rule.prediction.as_ref());
    let target = predictions.next().map_or(0.0, |found| found.at);
    rows.push((format!("predicted log2 {sweep} at {target}"), predicted));
    rows.push(("expected loss of predicting, nats".to_owned(), missing));
    rows.push(("transfer".to_owned(), fast));
    rows.push(("verdict".to_owned(), verdict));
    rows
}

fn report(
    options: &AnalyzeOptions,
    store: &Store,
    sweeps: &Sweeps,
    analysis: Analysis,
    power: BTreeMap<String, Power>,
) -> Result<(), Failure> {
    let pictures = Pictures::draw(sweeps, &analysis).context("cannot draw the figures")?;
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
        analysis,
        pictures,
        models: None,
        floor: None,
        cost: None,
        power,
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
    let columns = &options.columns;
    let all = [
        ("tables", files.join(", ")),
        ("rule", columns.rule.clone().unwrap_or_default()),
        ("seed", columns.seed.clone().unwrap_or_default()),
        ("seeds", format!("{:?}", options.seeds).to_lowercase()),
        ("axis", columns.axis.clone()),
        ("sweep", columns.sweep.clone()),
        ("loss", columns.loss.clone()),
        ("log2", columns.log2.join(", ")),
        ("where", columns.filters.join(", ")),
        ("ignore", columns.ignored.join(", ")),
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
