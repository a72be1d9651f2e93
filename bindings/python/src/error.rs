//! Errors of the core as exceptions of Python, with hints in its words.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mutransfer::error::WidthsError;
use mutransfer::{Error, Finding, Fix, UnknownName};
use mutransfer_analysis::CoordinateError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// What a call of Python ends with where it does not succeed.
pub(crate) struct Problem {
    /// A class of `mutransfer.errors`.
    class: Class,
    message: String,
    hint: Option<String>,
    code: Option<&'static str>,
    parameters: Vec<String>,
}

#[derive(Clone, Copy)]
enum Class {
    Plan,
    Axes,
    Table,
    Internal,
}

impl Problem {
    /// About what a user gave.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::of(Class::Plan, message)
    }

    /// About a table of measurements.
    pub(crate) fn table(message: impl Into<String>) -> Self {
        Self::of(Class::Table, message)
    }

    /// About this package.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        let problem = Self::of(Class::Internal, format!("internal error: {error}"));
        problem.with_hint("please report this")
    }

    fn of(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            hint: None,
            code: None,
            parameters: Vec::new(),
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names all parameters that it is about, if there are more than the one of its message.
    pub(crate) fn with_all(mut self, parameters: Vec<String>) -> Self {
        if parameters.len() > 1 {
            self.parameters = parameters;
        }
        self
    }

    fn raised(self, py: Python<'_>) -> PyErr {
        let Self {
            class,
            message,
            hint,
            code,
            parameters,
        } = self;
        let make = || {
            let given = PyDict::new(py);
            given.set_item("hint", hint)?;
            given.set_item("code", code)?;
            given.set_item("parameters", parameters)?;
            class.get(py)?.call((message,), Some(&given))
        };
        make().map_or_else(|error| error, PyErr::from_value)
    }
}

impl Class {
    fn get(self, py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
        static PLAN: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        static AXES: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        static TABLE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        static INTERNAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let (once, name) = match self {
            Self::Plan => (&PLAN, "PlanError"),
            Self::Axes => (&AXES, "AxesError"),
            Self::Table => (&TABLE, "TableError"),
            Self::Internal => (&INTERNAL, "MutransferError"),
        };
        once.import(py, "mutransfer.errors", name)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let class = match &error {
            Error::Widths(WidthsError::UnknownAxes { .. }) => Class::Axes,
            _ => Class::Plan,
        };
        let (code, parameters) = match &error {
            Error::Widths(_) | Error::Plan(_) => {
                let finding = Finding::of_error(&error);
                let parameter = finding.parameter.map(|name| name.to_string());
                (Some(finding.lint.code), parameter.into_iter().collect())
            }
            _ => (None, Vec::new()),
        };
        Self {
            hint: hint(&error),
            code,
            parameters,
            ..Self::of(class, error.to_string())
        }
    }
}

impl From<CoordinateError> for Problem {
    fn from(error: CoordinateError) -> Self {
        let hint = match &error {
            CoordinateError::NoReadout { .. } => Some("readout=[\"MODULE\"] names it"),
            CoordinateError::ZeroActivation { .. } => {
                Some("measure a model in which it does not start at zero")
            }
            _ => None,
        };
        let problem = Self::of(Class::Table, error.to_string());
        Self {
            hint: hint.map(str::to_owned),
            ..problem
        }
    }
}

impl From<UnknownName> for Problem {
    fn from(error: UnknownName) -> Self {
        Error::from(error).into()
    }
}

/// What to do, in the words of a caller in Python.
fn hint(error: &Error) -> Option<String> {
    match error {
        Error::Widths(
            WidthsError::ReadoutInBlock { name, .. } | WidthsError::Unproven { name, .. },
        ) => Some(format!("say what it is: {}", roles(name))),
        Error::Widths(WidthsError::NoWidth { name, .. }) => Some(format!(
            "delta= of another width shows what grows; or say what this one is: {}",
            roles(name)
        )),
        _ => error.fix().map(|fix| advice(fix).to_owned()),
    }
}

fn roles(name: &mutransfer::ParamName) -> String {
    format!(
        "declare=[(\"{name}\", ROLE)] with \"output\" for a readout, \"input\" for an embedding or \
         first layer, \"hidden\" inside the network, \"fixed\" if it is of the data"
    )
}

fn advice(fix: Fix) -> &'static str {
    match fix {
        Fix::SameCode => "build base, delta and target from the same code at different widths",
        Fix::GrowOrKeep => {
            "make this dimension differ between base and delta if it is a width, or keep it fixed"
        }
        Fix::Orient => {
            "say which axis is summed over: Shape(dims, fan_in, fan_out), or layout=\"out-in\" \
             (torch) or \"in-out\" for all; or declare=[(name, role)]"
        }
        Fix::DeclareRole => "say which role it has with declare=, or give delta=",
        Fix::NameStack => "build all blocks of a stack with the same sizes",
        Fix::WidenDelta => "build the delta model with another width than the base model",
        Fix::KeepFixed => {
            "keep fixed dimensions (vocabulary, context, kernel, experts) equal in base and delta"
        }
        Fix::FormForTies => "tied embeddings need form=\"table8\" (or \"table9\")",
        Fix::DeclareBranchEnds => "take a rule that scales no ends of branches, such as complete-p",
        Fix::DeclareExperts => {
            "take a rule without laws for experts, such as mup, or `mutransfer plan` with --active"
        }
        Fix::OtherRule => "mutransfer.rules() lists which families each rule covers",
    }
}

/// Runs what computes without the interpreter's lock; a panic becomes an exception.
pub(crate) fn guarded<T: Send>(
    py: Python<'_>,
    run: impl FnOnce() -> Result<T, Problem> + Send,
) -> PyResult<T> {
    let done = py.detach(|| catch_unwind(AssertUnwindSafe(run)));
    let caught = done.unwrap_or_else(|panic| Err(Problem::internal(said(&*panic))));
    caught.map_err(|problem| problem.raised(py))
}

fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
}
