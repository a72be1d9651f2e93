//! Shapes and choices in, a plan and what is wrong with it out.

use std::collections::BTreeMap;

use mutransfer::{
    Check, Error, Finding, Given, Init, ParamPlan, Plan, PlanDocument, Settings, Shapes, Widths,
};
use pyo3::prelude::*;
use serde_json::json;

use crate::choices::Choices;
use crate::error::{Problem, guarded};
use crate::shapes::{Written, read};

/// A base as shapes, or as the text of a `.bsh` file.
#[derive(FromPyObject)]
pub(crate) enum Base {
    Shapes(Written),
    Bsh(String),
}

/// `{"plan": ..., "findings": [...], "laws": {...}}` for a model; the plan holds scales, as no base
/// values are given.
#[pyfunction]
pub(crate) fn plan(
    py: Python<'_>,
    base: Base,
    target: Written,
    delta: Option<Written>,
    choices: String,
) -> PyResult<String> {
    guarded(py, || {
        let choices: Choices = serde_json::from_str(&choices).map_err(Problem::internal)?;
        planned(base, &read(target), delta.map(read), &choices)
    })
}

fn planned(
    base: Base,
    target: &Shapes,
    delta: Option<Shapes>,
    choices: &Choices,
) -> Result<String, Problem> {
    let widths = match (base, delta) {
        (Base::Bsh(text), _) => Widths::from_bsh(&text),
        (Base::Shapes(base), Some(delta)) => Widths::between(&read(base), &delta),
        (Base::Shapes(base), None) => Widths::inferred(&read(base), target),
    };
    let widths = choices.declared(widths?)?;
    let (rule, optimizer) = (choices.parametrization()?, choices.optimizer()?);
    let check = Check {
        widths: &widths,
        target,
        rule: &rule,
        optimizer,
        decays: choices.decays,
        clips: choices.clips,
        zero_init: &choices.zero_init,
    };
    let plan = Plan::new(&widths, target, rule.clone(), optimizer)
        .and_then(|plan| choices.completed(plan))
        .map_err(|error| with_all(error, &check))?;
    let findings: Vec<_> = check.findings()?.iter().map(finding).collect();
    let laws: BTreeMap<&str, _> = plan
        .params()
        .map(|(name, param)| (name.as_str(), laws(param)))
        .collect();
    let plan = plan.to_json(Given::default());
    Ok(json!({ "plan": plan, "findings": findings, "laws": laws }).to_string())
}

/// By how much the standard deviation of a framework's own initialiser differs between base and
/// target, by the law that it follows.
fn laws(param: &ParamPlan) -> BTreeMap<&'static str, f64> {
    let size = param.dims.iter().map(|dim| dim.ratio()).product::<f64>();
    let mut laws = BTreeMap::from([("constant", 1.0)]);
    if param.dims.len() < 2 {
        laws.insert("own size", size.sqrt().recip());
        return laws;
    }
    for (name, init) in [
        ("fan-in", Init::FanIn(1.0)),
        ("fan-out", Init::FanOut(1.0)),
        ("xavier", Init::Xavier(1.0)),
    ] {
        laws.insert(name, param.init_ratio(init));
    }
    laws
}

/// An error with all parameters that are wrong as the first one is.
fn with_all(error: Error, check: &Check) -> Problem {
    let findings = check.findings().unwrap_or_default();
    let code = Finding::of_error(&error).lint.code;
    let named = findings.iter().filter(|finding| finding.lint.code == code);
    let all = named.filter_map(|finding| finding.parameter.as_ref());
    Problem::from(error).with_all(all.map(ToString::to_string).collect())
}

fn finding(finding: &Finding) -> serde_json::Value {
    json!({
        "code": finding.lint.code,
        "title": finding.lint.title,
        "parameter": finding.parameter,
        "message": finding.message,
        "fix": finding.lint.fix,
    })
}

/// A plan that was saved, if it is one and holds scales.
#[pyfunction]
pub(crate) fn read_plan(py: Python<'_>, text: String) -> PyResult<String> {
    guarded(py, || {
        let read: PlanDocument = serde_json::from_str(&text)
            .map_err(|error| Problem::input(format!("this is no plan: {error}")))?;
        if read.hyper != Given::default() {
            let message = "this plan has absolute numbers, for one set of hyperparameters";
            return Err(Problem::input(message).with_hint("plan without --lr and the like"));
        }
        serde_json::to_string(&read).map_err(Problem::internal)
    })
}

/// Where a trainer's numbers, as a plan's or as torch's groups, differ from a plan that has
/// absolute ones.
#[pyfunction]
pub(crate) fn check_settings(py: Python<'_>, settings: String, plan: String) -> PyResult<String> {
    guarded(py, || {
        let plan: PlanDocument = serde_json::from_str(&plan).map_err(Problem::internal)?;
        let findings = Settings::from_json(&settings)?.compare(&plan);
        let findings: Vec<_> = findings.iter().map(finding).collect();
        serde_json::to_string(&findings).map_err(Problem::internal)
    })
}
