//! Training curves of other programs.

use serde::Deserialize;

use crate::table::text::reader;
use crate::wider::error::MonitorError;
use crate::wider::loss::LossRow;

/// A loss as other programs write it.
#[derive(Deserialize)]
struct Written {
    rule: Option<String>,
    width: usize,
    seed: Option<u64>,
    #[serde(alias = "t")]
    step: usize,
    loss: Option<f64>,
}

/// Reads training curves of any framework from CSV: columns `width`, `step` (or `t`) and `loss`,
/// and where they are there `rule` and `seed`; others are ignored. Without `rule` the rows are of
/// `rule`. An empty cell is a step at which no loss was logged; `NaN` and `inf` are a loss that
/// diverged.
///
/// # Errors
/// When a column is missing or a cell cannot be read, with the line.
pub fn curves_from_csv(text: &str, rule: &str) -> Result<Vec<LossRow>, MonitorError> {
    let mut csv = reader(text, false);
    let header = csv.headers().map_err(|error| unreadable(&error))?;
    if !header.iter().any(|column| column == "loss") {
        return Err(MonitorError::Table {
            message: "missing field `loss`".to_owned(),
        });
    }
    let written: Result<Vec<Written>, csv::Error> = csv.deserialize().collect();
    let written = written.map_err(|error| unreadable(&error))?;
    Ok(written
        .into_iter()
        .filter_map(|row| logged(row, rule))
        .collect())
}

fn unreadable(error: &csv::Error) -> MonitorError {
    MonitorError::Table {
        message: error.to_string(),
    }
}

/// None at a step at which no loss was logged.
fn logged(row: Written, rule: &str) -> Option<LossRow> {
    Some(LossRow {
        rule: row.rule.unwrap_or_else(|| rule.to_owned()),
        width: row.width,
        seed: row.seed.unwrap_or(0),
        step: row.step,
        loss: row.loss?,
    })
}
