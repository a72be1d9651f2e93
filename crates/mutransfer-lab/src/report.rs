//! The report of a study: one HTML file that needs nothing else, for a reader who was not there.
//!
//! This file decides what is said; the template beside it only lays it out. All text from outside is escaped.

use minijinja::{Environment, Value, context};
use thiserror::Error;

use crate::analysis::{Cell, Check, Flag, Optimum, Summary, TOLERANCE, Target, UNSETTLED, conclusion, display_name};
use crate::figures::Figure;

/// Proxies smaller than this are below published advice: finite-width effects move the optimum by themselves.
const SMALLEST_WIDTH: usize = 256;
const SMALLEST_DEPTH: usize = 4;

/// Stands in tables where there is no value.
const ABSENT: &str = "–";

/// Slopes shown of each rule.
const WORST_SLOPES: usize = 5;

/// Everything the report shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// What was run, as pairs of name and value, in the order in which they are shown.
    pub settings: Vec<(String, String)>,
    /// The judgement of the study.
    pub summary: Summary,
    /// Number of blocks of the models.
    pub depth: usize,
    /// Entropy of the data in nats, the loss that no model can beat, where it is known.
    pub floor: Option<f64>,
    /// Loss against learning rate; absent when every trial diverged.
    pub loss_figure: Option<Figure>,
    /// Activations against width; absent when no coordinate check was made.
    pub coordinate_figure: Option<Figure>,
    /// The judgement of those activations, or why there is none.
    pub coordinate_checks: Result<Vec<Check>, String>,
}

/// A report that could not be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The template failed.
    #[error("cannot fill in the report template, which is a bug in the template")]
    Template(#[from] minijinja::Error),
    /// The summary has no JSON form.
    #[error("cannot write the summary as JSON, which is a bug")]
    Json(#[from] serde_json::Error),
}

/// Renders the report as one self-contained HTML page.
///
/// # Errors
///
/// When the template or the summary cannot be written, which would be a bug.
pub fn render(report: &Report) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.add_template("report.html", include_str!("report.html"))?;
    Ok(environment.get_template("report.html")?.render(page(report)?)?)
}

/// What the template sees: finished text and nothing to compute.
fn page(report: &Report) -> Result<Value, ReportError> {
    let rules = report.summary.ordered_rules();
    let optima = rules.iter().flat_map(|(name, rule)| rule.optima.iter().map(|o| optimum_row(name, o)));
    let targets = rules.iter().filter_map(|(name, rule)| Some(target_row(name, rule.target.as_ref()?, report.floor)));
    let settings = report.settings.iter().map(|(name, value)| context! { name, value });
    // Inside a script element only `<` could end the data early.
    let data = serde_json::to_string(&report.summary)?.replace('<', "\\u003c");
    Ok(context! {
        title => report.title.as_str(),
        conclusion => conclusion(&report.summary),
        settings => settings.collect::<Vec<Value>>(),
        loss_figure => report.loss_figure.as_ref().map(picture),
        coordinate_figure => report.coordinate_figure.as_ref().map(picture),
        checks => report.coordinate_checks.iter().flatten().map(check).collect::<Vec<Value>>(),
        unchecked => report.coordinate_checks.as_ref().err(),
        tolerance => TOLERANCE,
        unsettled => UNSETTLED,
        optima => optima.collect::<Vec<Value>>(),
        targets => targets.collect::<Vec<Value>>(),
        target_width => report.summary.target_width,
        floor => report.floor.map(|floor| format!("{floor:.4}")),
        caveats => caveats(report),
        data => Value::from_safe_string(data),
        version => env!("CARGO_PKG_VERSION"),
    })
}

/// Only what we drew ourselves goes into the page as it is; the library escapes the text inside.
fn picture(figure: &Figure) -> Value {
    let safe = |svg: &String| Value::from_safe_string(svg.clone());
    context! { wide => safe(&figure.svg), narrow => safe(&figure.narrow_svg) }
}

fn check(check: &Check) -> Value {
    context! {
        sentence => check.to_string(),
        rule => display_name(&check.rule),
        slopes => check.worst(WORST_SLOPES).into_iter().map(slope_row).collect::<Vec<Value>>(),
    }
}

fn slope_row(cell: &Cell) -> Value {
    let ends = cell.fit.map(|fit| fit.all.interval).filter(|ends| ends.0.is_finite());
    context! {
        module => cell.module.as_str(),
        quantity => cell.quantity.to_string(),
        step => cell.step,
        slope => number(cell.fit.map(|fit| fit.all.slope), 2),
        interval => ends.map_or(ABSENT.to_owned(), |ends| format!("{} to {}", number(Some(ends.0), 2), number(Some(ends.1), 2))),
        expected => number(cell.expected, 1),
        verdict => cell.verdict.map(|verdict| verdict.to_string()),
    }
}

fn optimum_row(rule: &str, optimum: &Optimum) -> Value {
    let tried = match optimum.diverged {
        0 => optimum.tried.to_string(),
        diverged => format!("{}, {diverged} diverged", optimum.tried),
    };
    context! {
        rule => display_name(rule),
        width => optimum.width,
        log2_lr => number(optimum.log2_lr, 2),
        lr => optimum.lr.map(three_digits),
        loss => number(optimum.loss, 4),
        tried,
        note => explain(&optimum.flags),
    }
}

fn target_row(rule: &str, target: &Target, floor: Option<f64>) -> Value {
    context! {
        rule => display_name(rule),
        log2_lr => number(target.log2_lr, 2),
        lr => target.lr.map(three_digits),
        loss => number(target.loss, 4),
        best_log2_lr => number(target.best_log2_lr, 2),
        best_loss => number(target.best_loss, 4),
        lowest_loss => number(target.lowest_loss, 4),
        regret => number(target.regret, 4),
        excess => number(target.loss.zip(floor).map(|(loss, floor)| loss - floor), 4),
        note => explain(&target.flags),
    }
}

fn explain(flags: &[Flag]) -> String {
    flags.iter().map(|flag| flag.explanation()).collect::<Vec<_>>().join("; ")
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or(ABSENT.to_owned(), |value| format!("{value:.decimals$}").replace('-', "−"))
}

/// Three significant digits without an exponent: learning rates are read as decimals.
fn three_digits(value: f64) -> String {
    let decimals = (2.0 - value.log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}")
}

fn caveats(report: &Report) -> Vec<String> {
    let rules = report.summary.ordered_rules();
    let optima = rules.iter().flat_map(|(name, rule)| rule.optima.iter().map(|o| (*name, o.width, o.flags.as_slice())));
    let targets =
        rules.iter().filter_map(|(name, rule)| rule.target.as_ref().map(|t| (*name, t.width, t.flags.as_slice())));
    let judged: Vec<(&str, usize, &[Flag])> = optima.chain(targets).collect();
    let few_seeds = judged.iter().any(|(_, _, flags)| flags.contains(&Flag::FewSeeds));
    let severe = judged.iter().flat_map(|(name, width, flags)| {
        let severe = flags.iter().filter(|flag| **flag != Flag::FewSeeds);
        severe.map(move |flag| format!("{}, width {width}: {}.", display_name(name), flag.explanation()))
    });
    let seeds = few_seeds
        .then(|| "Some learning rates were tried with one seed only, so small differences may be chance.".to_owned());
    severe.chain(seeds).chain(size_caveat(report)).chain([SCOPE.to_owned()]).collect()
}

/// True of every study of this kind, however well it went.
const SCOPE: &str = "This is one task, one optimizer and one training length. A learning rate that transfers here need not \
    transfer when any of them changes.";

fn size_caveat(report: &Report) -> Option<String> {
    let narrowest = *report.summary.proxies.first()?;
    (narrowest < SMALLEST_WIDTH || report.depth < SMALLEST_DEPTH).then(|| {
        format!(
            "The narrowest proxy has width {narrowest} and the models have {} blocks. Published advice is at least width \
             {SMALLEST_WIDTH} and {SMALLEST_DEPTH} blocks, because the best learning rate of very small models moves \
             for reasons that no parametrization corrects.",
            report.depth
        )
    })
}
