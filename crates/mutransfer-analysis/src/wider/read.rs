//! Training curves of other programs.

use csv::StringRecord;
use serde::Deserialize;

use crate::table::text::reader;
use crate::wider::along::Along;
use crate::wider::error::MonitorError;
use crate::wider::loss::LossRow;
use crate::wider::runs::Run;

/// What the column of sizes is called inside, which no column of a file should be.
const SIZE: &str = "/size";

/// A loss as other programs write it.
#[derive(Deserialize)]
struct Written {
    rule: Option<String>,
    #[serde(rename = "/size")]
    at: Option<usize>,
    seed: Option<u64>,
    #[serde(alias = "t")]
    step: usize,
    loss: Option<f64>,
}

/// Reads training curves of any framework from CSV: columns `width`, or else what they grow along,
/// `step` (or `t`) and `loss`, and where they are there `rule` and `seed`; others are ignored. Or,
/// without a column `loss`, a column of losses for each run, whose name says the width, and the
/// seed where there are several: `64`, `width=64`, `width=64 seed=1 - loss`. Without `rule` the
/// rows are of `rule`, and a file of one width may say it by `width` alone. An empty cell is a step
/// at which no loss was logged; `NaN` and `inf` are a loss that diverged.
///
/// # Errors
/// When a column is missing, a cell cannot be read, with the line, or a width is given and the
/// table has widths of its own.
// Long, as every column of a row is named once.
pub fn curves_from_csv(
    text: &str,
    rule: &str,
    width: Option<usize>,
    along: Along,
) -> Result<Vec<LossRow>, MonitorError> {
    let mut csv = reader(text, false);
    let names: StringRecord = csv
        .headers()
        .map_err(|error| unreadable(&error))?
        .iter()
        .map(str::to_ascii_lowercase)
        .collect();
    if names.is_empty() {
        return Err(MonitorError::Empty);
    }
    let axis = along.to_string();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let (has_losses, has_sizes) = (has("loss"), has(&axis));
    let runs = if has_losses {
        Vec::new()
    } else {
        runs(&names, along)?
    };
    let sized = names
        .iter()
        .map(|name| if name == axis { SIZE } else { name });
    let header: StringRecord = sized.collect();
    match width {
        Some(width) if has_sizes || !has_losses => {
            return Err(MonitorError::OwnWidths { along, width });
        }
        None if has_losses && !has_sizes => return Err(MonitorError::NoWidth { along }),
        _ => {}
    }
    let mut rows = Vec::new();
    for record in csv.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        if has_losses {
            rows.extend(logged(&record, &header, rule, (along, width))?);
        }
        for (column, run) in &runs {
            let own = one(&record, &header, *column);
            let row = logged(&own.1, &own.0, rule, (along, Some(run.at)))?;
            rows.extend(row.map(|row| LossRow {
                seed: run.seed.unwrap_or(row.seed),
                ..row
            }));
        }
    }
    Ok(rows)
}

/// The columns of runs, where every run has one.
fn runs(header: &StringRecord, along: Along) -> Result<Vec<(usize, Run)>, MonitorError> {
    let columns = header.iter().enumerate();
    let runs: Vec<(usize, Run)> = columns
        .filter_map(|(column, name)| Some((column, Run::of_column(name, along)?)))
        .collect();
    if runs.is_empty() {
        return Err(MonitorError::NoLoss {
            found: header.iter().collect::<Vec<_>>().join(", "),
        });
    }
    Ok(runs)
}

/// What of a row is about the run of one column: header and cells.
fn one(
    record: &StringRecord,
    header: &StringRecord,
    column: usize,
) -> (StringRecord, StringRecord) {
    const KEYS: [&str; 4] = ["rule", "seed", "step", "t"];
    let keys = header.iter().zip(record.iter());
    let keys = keys.filter(|(name, _)| KEYS.contains(name));
    let (names, mut cells): (StringRecord, StringRecord) =
        keys.chain([("loss", &record[column])]).unzip();
    cells.set_position(record.position().cloned());
    (names, cells)
}

fn unreadable(error: &csv::Error) -> MonitorError {
    MonitorError::Table {
        message: error.to_string(),
    }
}

/// A row of this size unless it says another; none at a step at which no loss was logged.
fn logged(
    record: &StringRecord,
    header: &StringRecord,
    rule: &str,
    (along, size): (Along, Option<usize>),
) -> Result<Option<LossRow>, MonitorError> {
    let row: Written = record
        .deserialize(Some(header))
        .map_err(|error| unreadable(&error))?;
    let Some(loss) = row.loss else {
        return Ok(None);
    };
    let Some(at) = row.at.or(size) else {
        let line = record.position().map_or(0, csv::Position::line);
        let message = format!("line {line} has a loss and no {along}");
        return Err(MonitorError::Table { message });
    };
    Ok(Some(LossRow {
        rule: row.rule.unwrap_or_else(|| rule.to_owned()),
        at,
        seed: row.seed.unwrap_or(0),
        step: row.step,
        loss,
    }))
}
