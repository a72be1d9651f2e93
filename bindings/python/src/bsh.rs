//! `.bsh` files as plain lists.

use std::collections::BTreeMap;

use mutransfer::BaseShapes;
use pyo3::prelude::*;

use crate::error::guarded;

type Written = BTreeMap<String, Vec<Option<usize>>>;

/// The sizes in the text of a `.bsh` file, `None` for those that do not grow.
#[pyfunction]
pub(crate) fn bsh_read(py: Python<'_>, text: String) -> PyResult<Written> {
    guarded(py, || {
        let shapes = BaseShapes::from_bsh(&text)?;
        let named = shapes.iter();
        Ok(named
            .map(|(name, dims)| (name.to_string(), dims.to_vec()))
            .collect())
    })
}

/// The text of a `.bsh` file.
#[pyfunction]
pub(crate) fn bsh_write(py: Python<'_>, shapes: Written) -> PyResult<String> {
    guarded(py, || {
        Ok(shapes.into_iter().collect::<BaseShapes>().to_bsh())
    })
}
