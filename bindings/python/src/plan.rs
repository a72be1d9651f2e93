//! Shapes and choices in, a plan and what is wrong with it out.

use std::collections::{BTreeMap, HashMap};

use mutransfer::{
    Check, Error, Finding, Given, Init, ParamDocument, ParamName, ParamPlan, Plan, PlanDocument,
    Settings, Shapes, Widths,
};
use pyo3::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::choices::Choices;
use crate::error::{Problem, guarded};
use crate::shapes::Model;

/// A model's plan as `Planned` has it; it holds scales, as no base values are given.
#[pyfunction]
pub(crate) fn plan(
    py: Python<'_>,
    base: Model,
    target: Model,
    delta: Option<Model>,
    choices: String,
) -> PyResult<String> {
    guarded(py, || {
        let choices: Choices = serde_json::from_str(&choices).map_err(Problem::internal)?;
        planned(&base.0, &target.0, delta.map(|delta| delta.0), &choices)
    })
}

fn planned(
    base: &Shapes,
    target: &Shapes,
    delta: Option<Shapes>,
    choices: &Choices,
) -> Result<String, Problem> {
    let widths = match (&choices.bsh, delta) {
        (Some(text), _) => Widths::from_bsh(text),
        (None, Some(delta)) => Widths::between(base, &delta),
        (None, None) => Widths::inferred(base, target),
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
    let (planned, findings) = check.planned()?;
    let findings: Vec<_> = findings.iter().map(Found::of).collect();
    let plan = match planned.and_then(|plan| choices.completed(plan)) {
        Ok(plan) => plan,
        Err(error) => return Err(with_all(error, &findings)),
    };
    let mut document = plan.document(Given::default());
    let params = std::mem::take(&mut document.params);
    let (rows, row_of) = rows(&plan, &params).map_err(Problem::internal)?;
    let planned = Planned {
        plan: document,
        findings,
        rows,
        row_of,
    };
    serde_json::to_string(&planned).map_err(Problem::internal)
}

type Rows<'a> = (Vec<Box<RawValue>>, Vec<(&'a String, usize)>);

/// Rows that differ, and which of them is each parameter's.
fn rows<'a>(
    plan: &Plan,
    params: &'a BTreeMap<String, ParamDocument>,
) -> serde_json::Result<Rows<'a>> {
    let (mut rows, mut known, mut row_of) = (Vec::new(), HashMap::new(), Vec::new());
    for ((_, param), (name, document)) in plan.params().zip(params) {
        let laws = Laws::of(param);
        let row = serde_json::to_string(&Row { document, laws })?;
        let at = *known.entry(row).or_insert_with_key(|row| {
            rows.push(RawValue::from_string(row.clone()));
            rows.len() - 1
        });
        row_of.push((name, at));
    }
    Ok((rows.into_iter().collect::<Result<_, _>>()?, row_of))
}

#[derive(Serialize)]
struct Planned<'a> {
    /// Without its parameters.
    plan: PlanDocument,
    findings: Vec<Found<'a>>,
    /// Those that differ; few, however many parameters there are.
    rows: Vec<Box<RawValue>>,
    /// Names of parameters, sorted, and which of the rows is theirs.
    row_of: Vec<(&'a String, usize)>,
}

/// What there is to say of a parameter.
#[derive(Serialize)]
struct Row<'a> {
    document: &'a ParamDocument,
    laws: Laws,
}

/// By how much the standard deviation of a framework's own initialiser differs between base and
/// target, by the law that it follows.
#[derive(Serialize)]
struct Laws {
    constant: f64,
    #[serde(flatten)]
    drawn: Option<Drawn>,
    #[serde(rename = "own size", skip_serializing_if = "Option::is_none")]
    own_size: Option<f64>,
}

/// Those of matrices.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Drawn {
    fan_in: f64,
    fan_out: f64,
    xavier: f64,
}

impl Laws {
    fn of(param: &ParamPlan) -> Self {
        let is_matrix = param.dims.len() > 1;
        let size: f64 = param.dims.iter().map(|dim| dim.ratio()).product();
        Self {
            constant: 1.0,
            drawn: is_matrix.then(|| Drawn {
                fan_in: param.init_ratio(Init::FanIn(1.0)),
                fan_out: param.init_ratio(Init::FanOut(1.0)),
                xavier: param.init_ratio(Init::Xavier(1.0)),
            }),
            own_size: (!is_matrix).then(|| size.sqrt().recip()),
        }
    }
}

/// An error with all parameters that are wrong as the first one is.
fn with_all(error: Error, findings: &[Found]) -> Problem {
    let code = Finding::of_error(&error).lint.code;
    let named = findings.iter().filter(|found| found.code == code);
    let all = named.filter_map(|found| found.parameter);
    Problem::from(error).with_all(all.map(str::to_owned).collect())
}

#[derive(Serialize)]
struct Found<'a> {
    code: &'static str,
    title: &'static str,
    parameter: Option<&'a str>,
    message: &'a str,
    fix: &'static str,
}

impl<'a> Found<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            code: finding.lint.code,
            title: finding.lint.title,
            parameter: finding.parameter.as_ref().map(ParamName::as_str),
            message: &finding.message,
            fix: finding.lint.fix,
        }
    }
}

/// A plan that was saved, if it is one and holds scales.
#[pyfunction]
pub(crate) fn read_plan(py: Python<'_>, text: String) -> PyResult<String> {
    guarded(py, || {
        let read: PlanDocument = serde_json::from_str(&text).map_err(|error| {
            Problem::input(format!("this is no plan: {error}"))
                .with_hint("Plan.save and `mutransfer plan --json` write one")
        })?;
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
        let findings: Vec<_> = findings.iter().map(Found::of).collect();
        serde_json::to_string(&findings).map_err(Problem::internal)
    })
}
