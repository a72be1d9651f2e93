//! What the core knows of rules, names and lints.

use mutransfer::theory::Theory;
use mutransfer::{LINTS, Lint, Optimizer, ParamName, Parametrization, Ratio, Ratios, Role, Rule};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::choices::named;
use crate::error::guarded;

fn described(lint: &Lint) -> Value {
    json!({
        "code": lint.code,
        "title": lint.title,
        "what": lint.what,
        "why": lint.why,
        "fix": lint.fix,
        "source": lint.source,
    })
}

/// Everything that `check` looks for, as a JSON list.
#[pyfunction]
pub(crate) fn lints() -> String {
    let all: Vec<Value> = LINTS.iter().map(|lint| described(lint)).collect();
    Value::from(all).to_string()
}

/// One of these by its code.
#[pyfunction]
pub(crate) fn explain(py: Python<'_>, code: String) -> PyResult<String> {
    guarded(py, || Ok(described(code.parse::<&Lint>()?).to_string()))
}

/// What a rule does in the limit of infinite width, as `mutransfer theory --json` prints it.
#[pyfunction]
pub(crate) fn theory(
    py: Python<'_>,
    rule: String,
    table: Option<String>,
    optimizer: String,
) -> PyResult<String> {
    guarded(py, || {
        let rule = named(&rule, table.as_deref())?;
        let optimizer = optimizer.parse::<Optimizer>()?;
        let theory = Theory::of_rule(&rule, optimizer)?;
        Ok(theory.to_json(&rule.name(), optimizer).to_string())
    })
}

/// Names and summaries of the rules that take no parameters.
#[pyfunction]
pub(crate) fn rules() -> Vec<(String, String)> {
    let named = Rule::NAMED.iter();
    named
        .map(|rule| (rule.to_string(), rule.summary()))
        .collect()
}

/// Names of the optimizers that plans can be made for.
#[pyfunction]
pub(crate) fn optimizers() -> Vec<String> {
    Optimizer::ALL.iter().map(Optimizer::to_string).collect()
}

/// Whether a pattern, in which `*` stands for text within one part, matches a name.
#[pyfunction]
pub(crate) fn matches(name: &str, pattern: &str) -> bool {
    ParamName::from(name).matches(pattern)
}

/// Factors on multiplier, initial standard deviation, learning rate, weight decay and epsilon of a
/// parameter with this role and these ratios, outside of blocks.
#[pyfunction]
pub(crate) fn scales(
    py: Python<'_>,
    rule: String,
    optimizer: String,
    role: String,
    fan_in: f64,
    fan_out: f64,
) -> PyResult<[f64; 5]> {
    guarded(py, || {
        let rule = Parametrization::from(rule.parse::<Rule>()?);
        let table = rule.table(optimizer.parse::<Optimizer>()?)?;
        let ratios = Ratios::ONE
            .with(Ratio::FanIn, fan_in)
            .with(Ratio::FanOut, fan_out);
        let columns = table.law(role.parse::<Role>()?).columns();
        Ok(columns.map(|(_, power)| power.at(ratios)))
    })
}

/// Panics, for a test of what then reaches Python.
#[pyfunction]
pub(crate) fn _panics(py: Python<'_>) -> PyResult<()> {
    guarded(py, || panic!("on purpose"))
}
