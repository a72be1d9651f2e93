//! Errors of the core as exceptions of Python.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mutransfer::error::WidthsError;
use mutransfer::{Error, Finding, UnknownName};
use mutransfer_analysis::CoordinateError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::hint::hint;

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

    /// About the sizes of a parameter.
    pub(crate) fn shape(name: String, sizes: &str) -> Self {
        let message = format!("parameter `{name}` has the sizes {sizes}; they are whole numbers");
        let problem = Self::input(message).with_hint("tuple(parameter.shape) gives them");
        Self {
            parameters: vec![name],
            ..problem
        }
    }

    /// About this package.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        let problem = Self::of(Class::Internal, format!("internal error: {error}"));
        problem.with_hint("please report this")
    }

    fn of(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            // Parsers end with a new line.
            message: message.into().trim_end().to_owned(),
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

    pub(crate) fn raised(self, py: Python<'_>) -> PyErr {
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
            CoordinateError::NoExpectation { .. } => {
                Some("mutransfer.rules() lists those it knows")
            }
            CoordinateError::OneWidth { .. } => Some("give three or more, an octave apart"),
            CoordinateError::Empty => Some("measure with coordinates, or with Probe.step"),
            CoordinateError::Table { .. } => Some("docs/coord.md lists the columns"),
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
