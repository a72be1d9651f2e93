//! Layers of experts by evidence: as many matrices as experts, and a router that scores as many.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Named, named};
use crate::role::Role;
use crate::shape::{Axes, Layout, ParamName, Shape, Shapes};

/// A layer of experts of a model.
pub(crate) struct Layer<'a> {
    /// What stands before the names of its parts.
    pub(crate) prefix: &'a str,
    /// How many experts there are, routed ones.
    pub(crate) experts: usize,
    /// Width of the residual stream, which every expert reads and writes; none without a router.
    pub(crate) width: Option<usize>,
    /// What scores the experts, if one matrix is seen to.
    pub(crate) router: Option<&'a ParamName>,
    pub(crate) parts: Vec<Part<'a>>,
}

/// A parameter of its experts.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) name: &'a ParamName,
    pub(crate) shape: &'a Shape,
    pub(crate) is_shared: bool,
    pub(crate) number: Option<usize>,
    pub(crate) rest: &'a str,
}

impl Part<'_> {
    /// Whether it holds all routed experts, by the first axis.
    pub(crate) fn is_fused(&self) -> bool {
        !self.is_shared && self.number.is_none()
    }

    /// The two axes of the matrix of one expert; none for biases.
    fn matrix(&self) -> Option<[usize; 2]> {
        match (self.shape.dims.len(), self.is_fused()) {
            (2, false) => Some([0, 1]),
            (3, true) => Some([1, 2]),
            _ => None,
        }
    }

    /// The axis of an expert's own width, where the other is of size `width`.
    fn own_axis(&self, width: usize) -> Option<usize> {
        let [first, second] = self.matrix()?;
        let is_width = |axis: usize| self.shape.dims[axis] == width;
        match (is_width(first), is_width(second)) {
            (true, _) => Some(second),
            (false, true) => Some(first),
            (false, false) => None,
        }
    }
}

impl<'a> Layer<'a> {
    /// Those of a model, in order of names.
    pub(crate) fn all(shapes: &'a Shapes) -> Vec<Self> {
        let mut layers: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
        for (name, shape) in shapes.iter() {
            if let Some(Named {
                prefix,
                is_shared,
                number,
                rest,
            }) = named(name.as_str())
            {
                layers.entry(prefix).or_default().push(Part {
                    name,
                    shape,
                    is_shared,
                    number,
                    rest,
                });
            }
        }
        let layers = layers.into_iter();
        layers
            .filter_map(|(prefix, parts)| Self::of(shapes, prefix, parts))
            .collect()
    }

    fn of(shapes: &'a Shapes, prefix: &'a str, parts: Vec<Part<'a>>) -> Option<Self> {
        let routed = || parts.iter().filter(|part| !part.is_shared);
        let numbers: BTreeSet<usize> = routed().filter_map(|part| part.number).collect();
        let stacked = routed().find(|part| part.is_fused() && part.matrix().is_some());
        let experts = match stacked {
            Some(part) => part.shape.dims[0],
            None => numbers.len(),
        };
        let routers: Vec<(&ParamName, usize)> = shapes
            .within(prefix)
            .filter(|(name, _)| named(name.as_str()).is_none())
            .filter_map(|(name, shape)| Some((name, scored(shape, experts)?)))
            .filter(|(_, width)| routed().all(|part| part.passes(*width)))
            .collect();
        let router = match routers[..] {
            [one] => Some(one),
            _ => None,
        };
        (experts > 0).then_some(Self {
            prefix,
            experts,
            width: router.map(|(_, width)| width),
            router: router.map(|(name, _)| name),
            parts,
        })
    }

    /// Whether a part holds the biases of all experts; that of one expert is a vector anyway.
    pub(crate) fn is_bias(&self, part: &Part) -> bool {
        part.is_fused() && matches!(part.shape.dims[..], [experts, _] if experts == self.experts)
    }

    /// Role and axes of a part, where it is declared or its sizes and the layout show them.
    pub(crate) fn role(
        &self,
        part: &Part,
        declared: Option<Role>,
        layout: Option<Layout>,
    ) -> Option<(Role, Axes)> {
        let width = self.width?;
        let [first, second] = part.matrix()?;
        let own = part.own_axis(width)?;
        let is_square = part.shape.dims[first] == part.shape.dims[second];
        let stream = if own == first { second } else { first };
        let stored = layout.filter(|layout| !part.is_fused() || *layout == Layout::InOut);
        let stored = stored.map(|layout| layout.axes(part.shape.dims.len()));
        let reads = match (declared, part.shape.axes.or(stored)) {
            (Some(role), _) => role == Role::ExpertIn,
            (None, Some(_)) if is_square => return None,
            (None, Some(axes)) => axes.fan_in == Some(stream),
            // A gate and an up projection in one have twice the width of an expert.
            (None, None) => self.is_twice(part, width)?,
        };
        let ends = |fan_in, fan_out| Axes {
            fan_in: Some(fan_in),
            fan_out: Some(fan_out),
        };
        Some(if reads {
            (Role::ExpertIn, ends(stream, own))
        } else {
            (Role::ExpertOut, ends(own, stream))
        })
    }

    /// Whether a part has twice the width of the others that are stored as it is, or they have
    /// twice its; none where neither is so.
    fn is_twice(&self, part: &Part, width: usize) -> Option<bool> {
        let size = |part: &Part| Some(part.shape.dims[part.own_axis(width)?]);
        let own = size(part)?;
        let alike = self.parts.iter().filter(|other| {
            (other.is_shared, other.number) == (part.is_shared, part.number)
                && other.name != part.name
        });
        alike.filter_map(size).find_map(|other| {
            let twice = [own == 2 * other, other == 2 * own];
            twice.contains(&true).then_some(twice[0])
        })
    }

    /// Hidden width of one routed expert; none where they differ or nothing shows it.
    pub(crate) fn expert_width(&self) -> Option<usize> {
        let widths = self.widths(false)?;
        let mut widths = widths.into_values();
        let first = widths.next()?;
        widths.all(|other| other == first).then_some(first)
    }

    /// Whether its experts are seen to differ in their widths.
    pub(crate) fn has_several_widths(&self) -> bool {
        let widths = self.widths(false).unwrap_or_default();
        let widths: BTreeSet<usize> = widths.into_values().collect();
        widths.len() > 1
    }

    /// Hidden widths of all shared experts together; 0 without any.
    pub(crate) fn shared_width(&self) -> Option<usize> {
        Some(self.widths(true)?.into_values().sum())
    }

    /// Of every expert by its number, the least that a matrix of it has beside the stream.
    fn widths(&self, is_shared: bool) -> Option<BTreeMap<Option<usize>, usize>> {
        let width = self.width?;
        let mut widths = BTreeMap::new();
        for part in self.parts.iter().filter(|part| part.is_shared == is_shared) {
            if part.matrix().is_some() {
                let size = part.shape.dims[part.own_axis(width)?];
                let least = widths.entry(part.number).or_insert(size);
                *least = size.min(*least);
            }
        }
        Some(widths)
    }
}

impl Part<'_> {
    /// Whether it is no matrix, or one of that width.
    fn passes(&self, width: usize) -> bool {
        self.matrix().is_none() || self.own_axis(width).is_some()
    }
}

/// The width that a matrix scores so many experts from.
fn scored(shape: &Shape, experts: usize) -> Option<usize> {
    match shape.dims[..] {
        [one, other] if one == experts && other != experts => Some(other),
        [other, one] if one == experts && other != experts => Some(other),
        _ => None,
    }
}
