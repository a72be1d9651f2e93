//! Tables of coordinates: the verdict on them, and their picture.

use std::collections::BTreeMap;

use mutransfer::theory::{Expectation, Theory};
use mutransfer::{Optimizer, Parametrization, Rule};
use mutransfer_analysis::{Check, Coordinate, Looks, coordinates_from_csv, figures, judge};
use pyo3::prelude::*;

use crate::error::{Problem, guarded};

/// The checks of all rules in a table in CSV, as `mutransfer coord --json` prints them, and the
/// rules of which more seeds would tell no more.
///
/// `optimizer` is the one that the models were trained with, `seeds` the number of seeds that was
/// planned, if they are judged in looks, and `is_tied` whether the readout is an embedding.
#[pyfunction]
pub(crate) fn judge_coordinates(
    py: Python<'_>,
    table: String,
    optimizer: String,
    seeds: Option<usize>,
    is_tied: bool,
) -> PyResult<(String, Vec<String>)> {
    guarded(py, || {
        let checks = judged(&table, optimizer.parse()?, seeds, is_tied)?;
        let settled = checks.iter().filter(|check| check.is_settled());
        let settled = settled.map(|check| check.rule.clone()).collect();
        let text = serde_json::to_string(&checks).map_err(Problem::internal)?;
        Ok((text, settled))
    })
}

fn judged(
    table: &str,
    optimizer: Optimizer,
    seeds: Option<usize>,
    is_tied: bool,
) -> Result<Vec<Check>, Problem> {
    let rows = coordinates_from_csv(table, "")?;
    let mut expected = BTreeMap::new();
    for name in Coordinate::rules(&rows) {
        if let Ok(rule) = name.parse::<Rule>() {
            let theory = Theory::of_rule(&Parametrization::from(rule), optimizer)?;
            let own = Expectation::of(&theory, false);
            let own = if is_tied {
                own.with_tied_readout()
            } else {
                own
            };
            expected.insert(name.to_owned(), own);
        }
    }
    let looks = seeds.map_or(Looks::default(), Looks::up_to);
    Ok(judge(&rows, &expected, &looks)?)
}

/// The numbers of seeds after which measurements are judged, if there are at most so many.
#[pyfunction]
pub(crate) fn looks(seeds: usize) -> Vec<usize> {
    Looks::up_to(seeds).seeds().to_vec()
}

/// Sizes against width, as `mutransfer coord` draws them: an SVG and a PNG.
#[pyfunction]
pub(crate) fn figure(
    py: Python<'_>,
    table: String,
    quantity: String,
) -> PyResult<(String, Vec<u8>)> {
    guarded(py, || {
        let named = serde_json::from_value(quantity.as_str().into());
        let named = named.map_err(|_| {
            let problem = Problem::table(format!("there is no quantity `{quantity}`"));
            problem.with_hint("activation, change or own-update")
        })?;
        let rows = coordinates_from_csv(&table, "")?;
        let drawn = figures::coordinates(&rows, named);
        let drawn = drawn.map_err(|error| {
            Problem::table(error.to_string()).with_hint("measure it, at widths where it is finite")
        })?;
        Ok((drawn.svg, drawn.png))
    })
}
