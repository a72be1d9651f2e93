//! The verdict on a table of coordinates.

use std::collections::BTreeMap;

use mutransfer::theory::{Expectation, Theory};
use mutransfer::{Optimizer, Parametrization, Rule};
use mutransfer_analysis::{Looks, coordinates_from_csv, judge};
use pyo3::prelude::*;

use crate::error::{Problem, guarded};

/// The checks of all rules in a table in CSV, as `mutransfer coord --json` prints them.
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
) -> PyResult<String> {
    guarded(py, || {
        let optimizer: Optimizer = optimizer.parse()?;
        let rows = coordinates_from_csv(&table, "")?;
        let mut expected = BTreeMap::new();
        for row in &rows {
            if !expected.contains_key(&row.rule)
                && let Ok(rule) = row.rule.parse::<Rule>()
            {
                let theory = Theory::of_rule(&Parametrization::from(rule), optimizer)?;
                let own = Expectation::of(&theory, false);
                let own = if is_tied {
                    own.with_tied_readout()
                } else {
                    own
                };
                expected.insert(row.rule.clone(), own);
            }
        }
        let looks = seeds.map_or(Looks::default(), Looks::up_to);
        let checks = judge(&rows, &expected, &looks)?;
        serde_json::to_string(&checks).map_err(Problem::internal)
    })
}
