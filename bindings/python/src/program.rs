//! The program `mutransfer`, without the commands that train.

use pyo3::prelude::*;

/// Runs it with its arguments, of which the first is its own name, and gives its exit code.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| mutransfer_cli::run(arguments))
}
