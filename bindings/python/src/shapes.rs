//! Shapes between Python and the core.

use std::collections::BTreeMap;

use mutransfer::{Axes, Shape, Shapes};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySequence, PyTuple};

use crate::error::{Problem, guarded};

/// `(dims, fan_in, fan_out)` of a parameter.
type Written = (Vec<usize>, Option<usize>, Option<usize>);

/// Shapes as Python has them: `{name: dims}` or `{name: (dims, fan_in, fan_out)}`.
pub(crate) struct Model(pub(crate) Shapes);

impl<'py> FromPyObject<'_, 'py> for Model {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let named = given.cast::<PyDict>()?.iter();
        let named = named.map(|(name, own)| Ok((name.extract::<String>()?, shape(&name, &own)?)));
        Ok(Self(
            named.collect::<PyResult<Vec<_>>>()?.into_iter().collect(),
        ))
    }
}

/// Sizes and axes, if it begins with sizes; trying both would make errors that nobody sees.
fn written(own: &Bound<'_, PyAny>) -> PyResult<Written> {
    match own.cast::<PyTuple>() {
        Ok(parts) if parts.len() == 3 && parts.get_item(0)?.cast::<PySequence>().is_ok() => {
            own.extract()
        }
        _ => Ok((own.extract()?, None, None)),
    }
}

fn shape(name: &Bound<'_, PyAny>, own: &Bound<'_, PyAny>) -> PyResult<Shape> {
    match written(own) {
        Ok((dims, None, None)) => Ok(Shape::new(dims)),
        Ok((dims, fan_in, fan_out)) => Ok(Shape::new(dims).with_axes(Axes { fan_in, fan_out })),
        Err(_) => Err(Problem::shape(name.to_string(), &own.repr()?.to_string()).raised(own.py())),
    }
}

fn write(shapes: &Shapes) -> BTreeMap<String, Written> {
    let shape = |shape: &Shape| {
        let axes = shape.axes.filter(|_| shape.dims.len() > 1);
        let [fan_in, fan_out] = [axes.and_then(|a| a.fan_in), axes.and_then(|a| a.fan_out)];
        (shape.dims.clone(), fan_in, fan_out)
    };
    let named = shapes.iter();
    named
        .map(|(name, own)| (name.to_string(), shape(own)))
        .collect()
}

/// What of a model is trained, from its shapes as JSON.
#[pyfunction]
pub(crate) fn json_shapes(py: Python<'_>, text: String) -> PyResult<BTreeMap<String, Written>> {
    guarded(py, || Ok(write(&Shapes::from_json(&text)?.trained()?.0)))
}

/// What of a model is trained, from the beginning of a safetensors file.
#[pyfunction]
pub(crate) fn safetensors_shapes(
    py: Python<'_>,
    header: Vec<u8>,
) -> PyResult<BTreeMap<String, Written>> {
    guarded(py, || {
        Ok(write(&Shapes::from_safetensors(&header)?.trained()?.0))
    })
}
