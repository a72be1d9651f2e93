//! From the parts of a report to the page.

use minijinja::{Environment, Value, context};
use thiserror::Error;

use crate::tell::conclusion::conclusion;
use crate::tell::report::caveats::caveats;
use crate::tell::report::checks::coordinates;
use crate::tell::report::cost::cost;
use crate::tell::report::metrics::metrics;
use crate::tell::report::parts::Report;
use crate::tell::report::tables::{optima, transfers, verdicts};
use crate::tell::report::text::{minus, picture};

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
    let sentences = conclusion(analysis);
    let settings = report.settings.iter();
    // Inside a script element only `<` could end the data early.
    let data = serde_json::to_string(analysis)?.replace('<', "\\u003c");
    let pictures = &report.pictures;
    Ok(context! {
        title => report.title.as_str(),
        axis => analysis.axis.as_str(),
        sweep => analysis.sweep_name(),
        conclusion => sentences.iter().map(|text| minus(text)).collect::<Vec<String>>(),
        verdicts => verdicts(analysis),
        caveats => caveats(report),
        losses => pictures.losses.as_ref().map(picture),
        optima_figure => pictures.optima.as_ref().map(picture),
        regret_figure => pictures.regret.as_ref().map(picture),
        optima => optima(analysis),
        transfers => transfers(analysis, report.floor),
        floor => report.floor.map(|floor| format!("{floor:.4}")),
        metrics => metrics(analysis),
        cost => report.cost.as_ref().map(cost),
        coordinates => report.coordinates.as_ref().map(coordinates),
        settings => settings
            .map(|(name, value)| context! { name, value })
            .collect::<Vec<Value>>(),
        data => Value::from_safe_string(data),
        version => env!("CARGO_PKG_VERSION"),
    })
}
