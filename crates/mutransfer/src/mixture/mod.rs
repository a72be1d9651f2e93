//! Layers of experts in shapes: which parameters are experts and routers, and what stands in their
//! place in a base that has other experts, or none.
//!
//! Names make a doubt and never settle one. An expert is what is called so and is seen to be one: a
//! router in the same module scores as many as there are, from a width that each of them has. What
//! is not seen has to be declared.

mod base;
mod layer;
mod names;

use std::borrow::Cow;

pub(crate) use base::{Matched, matched};
pub(crate) use layer::Layer;

use crate::growth::{Extent, Growth};
use crate::role::Role;
use crate::shape::{Axes, ParamName, Shapes};
use crate::width::Widths;

/// Whether a parameter is called as one of an expert is.
pub(crate) fn is_called_expert(name: &ParamName) -> bool {
    names::named(name.as_str()).is_some()
}

/// With the roles of the target's experts and routers, where nothing else is declared.
pub(crate) fn recognised<'a>(widths: &'a Widths, target: &Shapes) -> Cow<'a, Widths> {
    let layers = Layer::all(target);
    if layers.is_empty() {
        return Cow::Borrowed(widths);
    }
    let mut found = widths.clone();
    for layer in &layers {
        place_experts(&mut found, layer);
        place_router(&mut found, layer, target);
    }
    Cow::Owned(found)
}

fn place_experts(widths: &mut Widths, layer: &Layer) {
    for part in &layer.parts {
        let Some(growth) = widths.params.get_mut(part.name.as_str()) else {
            continue;
        };
        if part.is_fused() {
            counts_experts(growth, 0);
        }
        if layer.is_bias(part) {
            declare(growth, Role::Vector, Axes::LOOKUP);
        } else if let Some((role, axes)) = layer.role(part, growth.declared, widths.layout) {
            declare(growth, role, axes);
        }
    }
}

/// The router, and what else has a number for every expert: biases of scores.
fn place_router(widths: &mut Widths, layer: &Layer, target: &Shapes) {
    for (name, shape) in target.within(layer.prefix) {
        let growth = widths.params.get_mut(name.as_str());
        let growth = growth.filter(|_| !is_called_expert(name));
        let axis = shape.dims.iter().position(|size| *size == layer.experts);
        let Some((growth, axis)) = growth.zip(axis) else {
            continue;
        };
        if shape.dims.len() == 1 {
            counts_experts(growth, axis);
        } else if layer.router == Some(name) {
            counts_experts(growth, axis);
            let ends = Axes {
                fan_in: Some(1 - axis),
                fan_out: Some(axis),
            };
            declare(growth, Role::Router, ends);
        }
    }
}

/// An axis that counts experts is no width.
fn counts_experts(growth: &mut Growth, axis: usize) {
    if let Some(extent @ Extent::Grows(_)) = growth.extents.get_mut(axis) {
        *extent = Extent::Fixed(None);
    }
}

fn declare(growth: &mut Growth, role: Role, axes: Axes) {
    let role = *growth.declared.get_or_insert(role);
    if role.is_of_experts() || role == Role::Vector {
        growth.axes = growth.axes.or(Some(axes));
    }
}
