//! Shapes between Python and the core.

use std::collections::BTreeMap;

use mutransfer::{Axes, Shape, Shapes};
use pyo3::prelude::*;

use crate::error::guarded;

/// `(dims, fan_in, fan_out)` of every parameter.
pub(crate) type Written = BTreeMap<String, (Vec<usize>, Option<usize>, Option<usize>)>;

pub(crate) fn read(written: Written) -> Shapes {
    let shape = |(dims, fan_in, fan_out): (Vec<usize>, _, _)| match (fan_in, fan_out) {
        (None, None) => Shape::new(dims),
        _ => Shape::new(dims).with_axes(Axes { fan_in, fan_out }),
    };
    let named = written.into_iter();
    named.map(|(name, own)| (name, shape(own))).collect()
}

fn write(shapes: &Shapes) -> Written {
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
pub(crate) fn json_shapes(py: Python<'_>, text: String) -> PyResult<Written> {
    guarded(py, || Ok(write(&Shapes::from_json(&text)?.trained()?.0)))
}

/// What of a model is trained, from the beginning of a safetensors file.
#[pyfunction]
pub(crate) fn safetensors_shapes(py: Python<'_>, header: Vec<u8>) -> PyResult<Written> {
    guarded(py, || {
        Ok(write(&Shapes::from_safetensors(&header)?.trained()?.0))
    })
}
