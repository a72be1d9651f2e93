//! `mutransfer monitor`: whether wider, or deeper, is always better, from training curves of any
//! program or of a study.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use mutransfer_analysis::{
    self, Along, Estimate, LossRow, Monitor, Pair, Verdict, curves_from_csv, curves_to_csv,
    display_name, figures,
};
use mutransfer_study::curves::{self, Curve};
use mutransfer_study::grid::LearningRate;
use mutransfer_study::store::{Foreign, Store};

use crate::args::MonitorOptions;
use crate::coord::file_of_width;
use crate::failure::Failure;
use crate::say::{note, say};
use crate::table;

pub(crate) fn monitor(options: &MonitorOptions) -> Result<(), Failure> {
    if !(options.tolerance.is_finite() && options.tolerance >= 0.0) {
        let message = format!(
            "--tolerance is {}; it must be zero or a positive number of nats",
            options.tolerance
        );
        return Err(Failure::usage(message, None));
    }
    let (rows, along) = rows(options)?;
    let judged =
        mutransfer_analysis::monitor(&rows, along, options.tolerance).map_err(|error| {
            let failure = Failure::from(error);
            match &options.sources[..] {
                [only] => failure.in_file(Path::new(only)),
                _ => failure,
            }
        })?;
    write(
        &options.out,
        options.foreign.policy(),
        (&rows, along),
        &judged,
    )?;
    if options.json {
        say!(
            "{}",
            serde_json::to_string_pretty(&judged).context("cannot print JSON")?
        );
    } else {
        print(&judged, along, options.tolerance);
    }
    note!("figure and data: {}", options.out.display());
    match judged.iter().map(|monitor| monitor.verdict).max() {
        Some(Verdict::Fail) => Err(Failure::larger_is_worse(along)),
        Some(Verdict::Undetermined) => Err(Failure::larger_undetermined(along)),
        _ => Ok(()),
    }
}

/// The curves of a study, or of all tables, and what grows.
fn rows(options: &MonitorOptions) -> Result<(Vec<LossRow>, Along), Failure> {
    let is_study = |source: &String| Path::new(source).is_dir();
    match &options.sources[..] {
        [only] if is_study(only) && options.axis.is_some() => {
            let hint = "a study knows what grows; leave out --axis";
            return Err(Failure::usage(
                "--axis is for tables, and this is a study",
                Some(hint),
            ));
        }
        [only] if is_study(only) => return of_study(Path::new(only), options.lr),
        _ => {}
    }
    if let Some(study) = options.sources.iter().find(|source| is_study(source)) {
        let message = format!("{study} is a folder beside other sources");
        let hint = "give a study alone, or tables only; a study's curves are in its curves.csv \
                    once it was monitored";
        return Err(Failure::usage(message, Some(hint)));
    }
    if options.lr.is_some() {
        let hint = "keep the curves of one learning rate in the table";
        return Err(Failure::usage(
            "--lr chooses among the trials of a study, and this is a table",
            Some(hint),
        ));
    }
    let along = options.axis.unwrap_or_default();
    let mut rows = Vec::new();
    for source in &options.sources {
        rows.extend(of_table(source, along)?);
    }
    Ok((rows, along))
}

/// What curves go by that have a file for each width and no column `rule`.
const ONE_RULE: &str = "curves";

/// Curves of another program; those without a column `rule` go by the name of the file, unless that
/// is of one width.
fn of_table(source: &str, along: Along) -> Result<Vec<LossRow>, Failure> {
    let (width, path) = file_of_width(source);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let rule = if width.is_some() { ONE_RULE } else { &stem };
    curves_from_csv(&crate::model::text(path)?, rule, width, along)
        .map_err(|error| Failure::from(error).in_file(path))
}

/// Curves of a study: of each rule those at one learning rate.
fn of_study(folder: &Path, lr: Option<LearningRate>) -> Result<(Vec<LossRow>, Along), Failure> {
    let curves = curves::read(folder)?;
    let along = curves::along(&curves).map_err(Failure::not_monitored)?;
    let analysis = curves::analysis(folder);
    let rules: BTreeSet<String> = curves
        .iter()
        .map(|curve| curve.trial.rule.name().to_owned())
        .collect();
    let mut rows = Vec::new();
    for rule in &rules {
        let carried = analysis
            .as_ref()
            .and_then(|analysis| analysis.rules.get(rule)?.carried.as_ref()?.value);
        let chosen = match lr {
            Some(lr) => Some(tried(&curves, rule, lr.log2.exp2())?),
            None => curves::usual_rate(&curves, rule, carried),
        };
        let Some(chosen) = chosen else { continue };
        note!(
            "{}: learning rate 2^{:.2} = {chosen:.2e}",
            display_name(rule),
            chosen.log2()
        );
        rows.extend(curves::at(&curves, rule, chosen).flat_map(|curve| curve.rows(along)));
    }
    Ok((rows, along))
}

/// The learning rate, if trials were run at it.
fn tried(curves: &[Curve], rule: &str, lr: f64) -> Result<f64, Failure> {
    if curves::at(curves, rule, lr).next().is_some() {
        return Ok(lr);
    }
    let rates: Vec<String> = curves::common_rates(curves, rule)
        .iter()
        .map(|lr| format!("2^{}", (lr.log2() * 1e6).round() / 1e6))
        .collect();
    let hint = format!("tried at most sizes: {}", rates.join(", "));
    Err(Failure::usage(
        format!("no trial of rule {rule} has learning rate 2^{}", lr.log2()),
        Some(&hint),
    ))
}

/// Writes the rows, the judgement and the figure.
pub(crate) fn write(
    out: &Path,
    foreign: Foreign,
    (rows, along): (&[LossRow], Along),
    judged: &[Monitor],
) -> Result<(), Failure> {
    let store = Store::open(out, foreign)?;
    store.check(["curves.csv", "verdict.json", "curves.svg", "curves.png"])?;
    store.write("curves.csv", curves_to_csv(rows, along).as_bytes())?;
    store.write(
        "verdict.json",
        &serde_json::to_vec_pretty(judged).context("cannot write JSON")?,
    )?;
    // Where everything diverged at once there is nothing to draw, and the verdict says so.
    match figures::curves(rows, judged) {
        Err(figures::FigureError::Empty { .. }) => Ok(()),
        Err(error) => Err(anyhow::Error::from(error)
            .context("cannot draw the curves")
            .into()),
        Ok(figure) => {
            store.write("curves.svg", figure.svg.as_bytes())?;
            Ok(store.write("curves.png", &figure.png)?)
        }
    }
}

fn print(judged: &[Monitor], along: Along, tolerance: f64) {
    let mut table = table::new([
        "rule",
        &format!("{along}s"),
        "seeds",
        "smallest gain",
        "at steps",
        "last gain",
        "crosses",
        "verdict",
    ]);
    for monitor in judged {
        for pair in &monitor.pairs {
            table.add_row(row(monitor, pair));
        }
    }
    say!("{table}");
    say!(
        "Gain: nats by which the {} model is better, averaged over a tenth of training, with\n\
         95% intervals over seeds. The first tenth is not judged. Tolerance {tolerance}.",
        along.larger()
    );
    for monitor in judged {
        say!("{monitor}");
    }
}

fn row(monitor: &Monitor, pair: &Pair) -> [String; 8] {
    let mut judged = pair
        .windows
        .iter()
        .filter(|window| window.verdict.is_some());
    let smallest = judged
        .clone()
        .min_by(|a, b| a.gain.mean.total_cmp(&b.gain.mean));
    let last = judged.next_back();
    let crossings: Vec<String> = pair.crossings.iter().map(usize::to_string).collect();
    [
        display_name(&monitor.rule).to_owned(),
        format!("{} to {}", pair.narrow, pair.wide),
        pair.seeds.to_string(),
        smallest.map_or("none".to_owned(), |window| gain(&window.gain)),
        smallest.map_or(String::new(), |window| {
            format!("{} to {}", window.steps.0, window.steps.1)
        }),
        last.map_or("none".to_owned(), |window| gain(&window.gain)),
        crossings.join(", "),
        pair.verdict.to_string(),
    ]
}

fn gain(gain: &Estimate) -> String {
    gain.margin.map_or(format!("{:.3}", gain.mean), |margin| {
        format!("{:.3} ± {margin:.3}", gain.mean)
    })
}
