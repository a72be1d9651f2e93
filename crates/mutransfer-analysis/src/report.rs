//! The report of a study or a table: one HTML file that needs nothing else, for a reader who was
//! not there.
//!
//! These files decide what is said; the template only lays it out. All text from outside is
//! escaped.

mod caveats;
mod checks;
mod cost;
mod metrics;
mod tables;

use minijinja::{Environment, Value, context};
use thiserror::Error;

use crate::figures::{Figure, Pictures};
use crate::{Analysis, Check, Cost, analysis_json, conclusion};

/// Stands in tables where there is no value.
const ABSENT: &str = "–";

/// Everything the report shows. What is absent is left out of the page without a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// What was run, as pairs of name and value, in the order in which they are shown.
    pub settings: Vec<(String, String)>,
    /// What the runs say.
    pub analysis: Analysis,
    /// The pictures of that.
    pub pictures: Pictures,
    /// The models, where they are known.
    pub models: Option<Models>,
    /// Entropy of the data in nats, the loss that no model can beat, where it is known.
    pub floor: Option<f64>,
    /// What tuning costs, where it is known.
    pub cost: Option<Cost>,
    /// The coordinate check, where one was made.
    pub coordinates: Option<Coordinates>,
}

/// What a table of runs does not tell about its models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Models {
    /// Width at which every rule is the standard one.
    pub base_width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Sequences or images in a batch.
    pub batch: usize,
    /// Tokens in a sequence, where there are sequences.
    pub context: Option<usize>,
    /// Steps of training.
    pub steps: usize,
}

/// A coordinate check.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinates {
    /// Activations against width; absent where none is finite.
    pub figure: Option<Figure>,
    /// The judgement of them, or why there is none.
    pub checks: Result<Vec<Check>, String>,
}

/// A report that could not be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The template failed.
    #[error("cannot fill in the report template, which is a bug in the template")]
    Template(#[from] minijinja::Error),
    /// The analysis has no JSON form.
    #[error("cannot write the analysis as JSON, which is a bug")]
    Json(#[from] serde_json::Error),
}

/// Renders the report as one self-contained HTML page.
///
/// # Errors
/// When the template or the analysis cannot be written, which would be a bug.
pub fn render(report: &Report) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.add_template("report.css", include_str!("report.css"))?;
    environment.add_template("report.html", include_str!("report.html"))?;
    Ok(environment
        .get_template("report.html")?
        .render(page(report)?)?)
}

/// What the template sees: finished text and nothing to compute.
fn page(report: &Report) -> Result<Value, ReportError> {
    let analysis = &report.analysis;
    let settings = report
        .settings
        .iter()
        .map(|(name, value)| context! { name, value });
    // Inside a script element only `<` could end the data early.
    let data = serde_json::to_string(&analysis_json(analysis))?.replace('<', "\\u003c");
    let pictures = &report.pictures;
    Ok(context! {
        title => report.title.as_str(),
        axis => analysis.axis.as_str(),
        sweep => analysis.sweep_name(),
        conclusion => conclusion(analysis).iter().map(|sentence| minus(sentence)).collect::<Vec<String>>(),
        verdicts => tables::verdicts(analysis),
        caveats => caveats::caveats(report),
        losses => pictures.losses.as_ref().map(picture),
        optima_figure => pictures.optima.as_ref().map(picture),
        regret_figure => pictures.regret.as_ref().map(picture),
        optima => tables::optima(analysis),
        transfers => tables::transfers(analysis, report.floor),
        floor => report.floor.map(|floor| format!("{floor:.4}")),
        metrics => metrics::metrics(analysis),
        cost => report.cost.as_ref().map(cost::cost),
        coordinates => report.coordinates.as_ref().map(checks::coordinates),
        settings => settings.collect::<Vec<Value>>(),
        data => Value::from_safe_string(data),
        version => env!("CARGO_PKG_VERSION"),
    })
}

/// Only what we drew ourselves goes into the page as it is; the library escapes the text inside.
fn picture(figure: &Figure) -> Value {
    let safe = |svg: &String| Value::from_safe_string(svg.clone());
    context! { wide => safe(&figure.svg), narrow => safe(&figure.narrow_svg) }
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or(ABSENT.to_owned(), |value| {
        minus(&format!("{value:.decimals$}"))
    })
}

/// With the sign that is as wide as a digit and that no line ends after, where a number begins.
fn minus(text: &str) -> String {
    let begins = |before: Option<char>| before.is_none_or(|before| before == ' ' || before == '(');
    let mut before = None;
    let sign = |character: char| {
        let sign = if character == '-' && begins(before) {
            '−'
        } else {
            character
        };
        before = Some(character);
        sign
    };
    text.chars().map(sign).collect()
}

/// Three significant digits without an exponent: learning rates are read as decimals.
fn three_digits(value: f64) -> String {
    let decimals = (2.0 - value.log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}")
}
