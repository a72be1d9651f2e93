//! A search for hyperparameters, asked and told by a training loop in Python.

use std::collections::BTreeMap;
use std::error::Error;

use mutransfer_study::asking::Written;
use mutransfer_study::search::Space;
use mutransfer_study::{error, search};
use pyo3::prelude::*;
use serde_json::json;

use crate::error::{Problem, guarded};

/// Runs by their numbers, with the values of what is searched.
type Runs = Vec<(usize, BTreeMap<String, f64>)>;

/// A search under way.
#[pyclass]
pub(crate) struct Search {
    space: Space,
    search: search::Search,
}

#[pymethods]
impl Search {
    /// A search of a JSON object of keys, of which some are `"auto"`, and the object `search`.
    #[new]
    fn new(py: Python<'_>, keys: String) -> PyResult<Self> {
        guarded(py, || {
            let Written {
                space, settings, ..
            } = Written::from_json(&keys)?;
            let search = search::Search::new(space.axes(), settings)?;
            Ok(Self { space, search })
        })
    }

    /// The runs without a loss; none once it is over.
    fn ask(&mut self, py: Python<'_>) -> PyResult<Runs> {
        guarded(py, || {
            let runs = self.search.ask().into_iter();
            let runs: Vec<_> = runs.map(|run| (run.number, run.point.clone())).collect();
            Ok(runs
                .into_iter()
                .map(|(number, point)| (number, values(&self.space, &point)))
                .collect())
        })
    }

    /// Takes the losses of a run, one for each seed.
    fn tell(&mut self, py: Python<'_>, run: usize, losses: Vec<f64>) -> PyResult<()> {
        guarded(py, || Ok(self.search.tell(run, &losses)?))
    }

    /// What was found so far, as a JSON object; none while no run has finished.
    fn report(&self, py: Python<'_>) -> PyResult<Option<String>> {
        guarded(py, || {
            let report = self.search.report();
            Ok(report.map(|report| {
                let report = report.with_edges(&self.space);
                let at = |point: &[f64]| values(&self.space, point);
                let confirm: Vec<_> = report.confirm.iter().map(|point| at(point)).collect();
                let best = at(&report.point());
                let said = report.worth();
                json!({ "best": best, "confirm": confirm, "report": report, "said": said })
                    .to_string()
            }))
        })
    }
}

fn values(space: &Space, point: &[f64]) -> BTreeMap<String, f64> {
    let names = space
        .parameters()
        .iter()
        .map(|parameter| parameter.name.clone());
    names.zip(space.values(point)).collect()
}

impl From<error::ReadError> for Problem {
    fn from(error: error::ReadError) -> Self {
        let source = error.source().map(|source| format!(": {source}"));
        Self::input(format!("{error}{}", source.unwrap_or_default()))
    }
}

impl From<search::SearchError> for Problem {
    fn from(error: search::SearchError) -> Self {
        Self::input(error.to_string())
    }
}
