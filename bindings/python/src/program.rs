//! The program `mutransfer`, without the commands that train.

use pyo3::prelude::*;

use crate::error::guarded;

/// Runs it with its arguments, of which the first is its own name, and gives its exit code.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> PyResult<u8> {
    guarded(py, || Ok(mutransfer_cli::run(arguments)))
}
