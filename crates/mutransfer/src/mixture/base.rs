//! A base as if it had the experts of the target: its dense layers, or as many experts as it lacks.

use std::collections::{BTreeMap, BTreeSet};

use super::layer::{Layer, Part};
use super::names::block;
use crate::shape::{ParamName, Shape, Shapes};
use crate::size::Size;
use crate::sizes::Sizes;

/// A base with the parameters of a target, and what the shapes say of experts.
pub(crate) struct Matched {
    pub(crate) base: Shapes,
    pub(crate) sizes: Sizes,
}

/// Experts, their width and the shared widths of one layer, in base and target.
type Counted = [[usize; 2]; 3];

/// The base with the target's experts; none where the target has no layer of them, with a router.
pub(crate) fn matched(base: &Shapes, target: &Shapes) -> Option<Matched> {
    let seen = |shapes| {
        let mut layers = Layer::all(shapes);
        layers.retain(|layer| layer.width.is_some());
        layers
    };
    let layers = seen(target);
    let owned: BTreeMap<&str, Layer> = seen(base)
        .into_iter()
        .map(|layer| (layer.prefix, layer))
        .collect();
    layers.first()?;
    let (mut shapes, mut counted) = (base.clone(), BTreeSet::new());
    for layer in &layers {
        match owned.get(layer.prefix) {
            Some(own) => {
                counted.insert(counts(own, layer));
                shapes = with_as_many(shapes, own, layer, target);
            }
            None => {
                if let Some(dense) = Dense::of(layer, base, target) {
                    counted.insert(dense.counts(layer));
                    shapes = dense.with_experts(shapes, layer, base, target);
                }
            }
        }
    }
    let mut counted = counted.into_iter();
    let sizes = match (counted.next(), counted.next()) {
        (Some(Some(one)), None) => sizes(one),
        _ => Sizes::NONE,
    };
    Some(Matched {
        base: shapes,
        sizes,
    })
}

fn counts(own: &Layer, target: &Layer) -> Option<Counted> {
    Some([
        [own.experts, target.experts],
        [own.expert_width()?, target.expert_width()?],
        [own.shared_width()?, target.shared_width()?],
    ])
}

fn sizes([experts, expert_width, shared_width]: Counted) -> Sizes {
    let pairs = [
        (Size::Experts, experts),
        (Size::ExpertWidth, expert_width),
        (Size::SharedWidth, shared_width),
    ];
    let mut sizes = Sizes::NONE;
    for (size, [base, target]) in pairs {
        // Shapes have no sizes of zero, and no experts are none.
        sizes = sizes.with(size, base, target).unwrap_or(sizes);
    }
    sizes
}

/// With as many experts as the target has, each with tensors of its own: as the first of the base.
fn with_as_many(mut shapes: Shapes, own: &Layer, layer: &Layer, target: &Shapes) -> Shapes {
    for part in layer.parts.iter().filter(|part| part.number.is_some()) {
        let is_like = |other: &&Part| {
            (other.is_shared, other.rest) == (part.is_shared, part.rest) && other.number.is_some()
        };
        if let Some(first) = own.parts.iter().find(is_like)
            && shapes.get(part.name.as_str()).is_none()
        {
            shapes = shapes.with_parameter(part.name.clone(), first.shape.clone());
        }
    }
    for part in own.parts.iter().filter(|part| part.number.is_some()) {
        if target.get(part.name.as_str()).is_none() {
            shapes = shapes.without(part.name.as_str());
        }
    }
    shapes
}

/// The dense layer of the base in whose place the target has experts.
struct Dense {
    /// Width of the residual stream in base and target.
    width: [usize; 2],
    /// Its hidden width.
    hidden: usize,
    names: Vec<ParamName>,
}

impl Dense {
    /// By the matrices that the base alone has in the block, between the width and another size.
    fn of(layer: &Layer, base: &Shapes, target: &Shapes) -> Option<Self> {
        let grown = layer.width?;
        let block = block(layer.prefix);
        let common = base.within(block).filter_map(|(name, shape)| {
            let other = target.get(name.as_str())?;
            Some(shape.dims.iter().copied().zip(other.dims.iter().copied()))
        });
        let widths: BTreeSet<usize> = common
            .flatten()
            .filter(|(_, target)| *target == grown)
            .map(|(base, _)| base)
            .collect();
        let (Some(&width), 1) = (widths.first(), widths.len()) else {
            return None;
        };
        let alone = || {
            let own = base.within(block);
            own.filter(|(name, _)| target.get(name.as_str()).is_none())
        };
        let matrices = || alone().filter_map(|(name, shape)| Some((name, other(shape, width)?)));
        let hidden = matrices().map(|(_, size)| size).min()?;
        let modules: BTreeSet<&str> = matrices().map(|(name, _)| module(name)).collect();
        let names = alone().map(|(name, _)| name.clone());
        Some(Self {
            width: [width, grown],
            hidden,
            names: names
                .filter(|name| modules.contains(module(name)))
                .collect(),
        })
    }

    fn counts(&self, layer: &Layer) -> Option<Counted> {
        Some([
            [1, layer.experts],
            [self.hidden, layer.expert_width()?],
            [0, layer.shared_width()?],
        ])
    }

    /// The base with its dense layer in the place of every expert, and a router.
    fn with_experts(
        &self,
        mut shapes: Shapes,
        layer: &Layer,
        base: &Shapes,
        target: &Shapes,
    ) -> Shapes {
        for name in &self.names {
            shapes = shapes.without(name.as_str());
        }
        for (name, shape) in target.within(layer.prefix) {
            let part = layer.parts.iter().find(|part| part.name == name);
            if base.get(name.as_str()).is_none() {
                let own = self.shape(layer, part, shape);
                shapes = shapes.with_parameter(name.clone(), own);
            }
        }
        shapes
    }

    /// Sizes of the target as they are in the base; experts, which no width counts, stay.
    fn shape(&self, layer: &Layer, part: Option<&Part>, shape: &Shape) -> Shape {
        let own_width = part.and_then(|part| {
            let shared = part.is_shared.then(|| layer.shared_width());
            shared.unwrap_or_else(|| layer.expert_width())
        });
        let [width, grown] = self.width;
        let mut own = shape.clone();
        let first = usize::from(part.is_some_and(Part::is_fused));
        for size in own.dims.iter_mut().skip(first) {
            *size = match (*size, own_width) {
                (size, _) if size == grown => width,
                (size, Some(hidden)) if size == hidden => self.hidden,
                (size, Some(hidden)) if size == 2 * hidden => 2 * self.hidden,
                (size, _) => size,
            };
        }
        own
    }
}

/// The size beside the width in a matrix that has it once.
fn other(shape: &Shape, width: usize) -> Option<usize> {
    match shape.dims[..] {
        [one, other] if one == width => Some(other),
        [other, one] if one == width => Some(other),
        _ => None,
    }
}

/// The module that a layer is in: `model.layers.0.mlp` of `model.layers.0.mlp.up_proj.weight`.
fn module(name: &ParamName) -> &str {
    let layer = name
        .as_str()
        .rsplit_once(['.', '/'])
        .map_or("", |(own, _)| own);
    layer
        .rsplit_once(['.', '/'])
        .map_or("", |(module, _)| module)
}
