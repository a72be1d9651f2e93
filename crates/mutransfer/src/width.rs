//! What grows when a model is made wider.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::growth::{Extent, Growth, Placed};
use crate::{Error, Layout, ParamName, Role, Shape, Shapes};

/// One dimension of a parameter of the target model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dim {
    /// The same at every width.
    Fixed(usize),
    /// Grows with width.
    Width {
        /// Size in the base model.
        base: usize,
        /// Size in the target model.
        size: usize,
    },
}

impl Dim {
    /// Target size over base size; exactly 1 for a fixed dimension.
    pub fn ratio(self) -> f64 {
        self.size() as f64 / self.base() as f64
    }

    /// Size in the target model.
    pub fn size(self) -> usize {
        match self {
            Self::Fixed(size) | Self::Width { size, .. } => size,
        }
    }

    /// Size in the base model.
    pub fn base(self) -> usize {
        match self {
            Self::Fixed(size) | Self::Width { base: size, .. } => size,
        }
    }
}

/// For every parameter of the base model, which of its dimensions grow, and its role.
#[derive(Clone, Debug, PartialEq)]
pub struct Widths {
    pub(crate) params: BTreeMap<ParamName, Growth>,
    pub(crate) layout: Option<Layout>,
    /// Names that stand for another parameter in the forward pass.
    ties: BTreeMap<ParamName, ParamName>,
    /// Blocks of the base, and of the target.
    depth: Option<[usize; 2]>,
}

impl Widths {
    /// Finds what grows from two sizes of the same model: `base`, and `delta`, where every width
    /// differs.
    ///
    /// # Errors
    /// When the models do not have the same parameters, when nothing grows, or when more grows than
    /// a fan-in and a fan-out.
    pub fn between(base: &Shapes, delta: &Shapes) -> Result<Self, Error> {
        same_keys(
            base.iter().map(|(name, _)| name),
            "base",
            delta.iter().map(|(name, _)| name),
            "delta",
        )?;
        let both = base.iter().zip(delta.iter());
        let growth = |((name, base), (_, delta)): ((&ParamName, &Shape), (&ParamName, &Shape))| {
            Ok((name.clone(), Growth::between(name, base, delta)?))
        };
        Self::of(both.map(growth).collect::<Result<_, Error>>()?)
    }

    pub(crate) fn of(params: BTreeMap<ParamName, Growth>) -> Result<Self, Error> {
        match params
            .values()
            .any(|growth| growth.growing().next().is_some())
        {
            true => Ok(Self {
                params,
                layout: None,
                ties: BTreeMap::new(),
                depth: None,
            }),
            false => Err(Error::NothingGrows),
        }
    }

    /// Says how weights are stored, for those whose shapes do not.
    pub fn with_layout(mut self, layout: Layout) -> Self {
        self.layout = Some(layout);
        self
    }

    /// Says the role of every parameter that matches `pattern`, where shapes cannot tell.
    ///
    /// # Errors
    /// When no parameter matches.
    pub fn declare(mut self, pattern: &str, role: Role) -> Result<Self, Error> {
        let mut matched = false;
        for (name, growth) in &mut self.params {
            if name.matches(pattern) {
                growth.declared = Some(role);
                matched = true;
            }
        }
        match matched {
            true => Ok(self),
            false => Err(Error::NoMatch {
                pattern: pattern.to_owned(),
            }),
        }
    }

    /// Says that `readout` is the same tensor as `embedding`, which has the role input and is not
    /// scaled as a readout; the readout's multiplier goes to the forward pass. `readout` may be
    /// absent from the shapes, or in them too.
    ///
    /// # Errors
    /// When neither is a parameter, when both are and differ in size, or when they are one.
    pub fn tie(mut self, readout: &str, embedding: &str) -> Result<Self, Error> {
        // An embedding that is tied itself stands for the parameter that it is.
        let embedding = self
            .ties
            .get(embedding)
            .map_or(embedding, ParamName::as_str)
            .to_owned();
        let embedding = embedding.as_str();
        if readout == embedding {
            return Err(Error::TiedToItself {
                name: readout.into(),
            });
        }
        let known = |name: &str| self.params.contains_key(name);
        let is_input = |name: &str| {
            self.params
                .get(name)
                .is_some_and(|growth| growth.declared == Some(Role::Input))
        };
        let is_known = known(embedding);
        let swapped = !is_known || (is_input(readout) && !is_input(embedding));
        let (alias, kept) = if swapped {
            (embedding, readout)
        } else {
            (readout, embedding)
        };
        let Some(growth) = self.params.get(kept) else {
            return Err(Error::NoMatch {
                pattern: kept.to_owned(),
            });
        };
        if let Some(other) = self
            .params
            .get(alias)
            .filter(|other| other.extents != growth.extents)
        {
            let [left, right] = [growth.base_dims(), other.base_dims()];
            return Err(Error::TiedSizes {
                readout: alias.into(),
                embedding: kept.into(),
                left,
                right,
            });
        }
        self.params.remove(alias);
        self.ties
            .values_mut()
            .filter(|tensor| tensor.as_str() == alias)
            .for_each(|tensor| *tensor = kept.into());
        if let Some(growth) = self.params.get_mut(kept) {
            growth.declared = Some(Role::Input);
        }
        // Where the shapes have the readout's name only, that is still what the forward pass calls
        // it.
        let used = if is_known { alias } else { readout };
        self.ties.insert(used.into(), kept.into());
        Ok(self)
    }

    /// Says that the target has `target` residual blocks where the base has `base`. Parameters are
    /// then compared by their names without numbers, and those in blocks follow the rule's law of
    /// depth.
    ///
    /// # Errors
    /// When either is zero.
    pub fn with_depth(mut self, base: usize, target: usize) -> Result<Self, Error> {
        match base.min(target) {
            0 => Err(Error::NoBlocks),
            _ => {
                self.depth = Some([base, target]);
                Ok(self)
            }
        }
    }

    /// Blocks of the target over those of the base.
    pub fn depth_ratio(&self) -> f64 {
        self.depth
            .map_or(1.0, |[base, target]| target as f64 / base as f64)
    }

    /// The same; without a base, as in u-μP, the blocks themselves.
    pub(crate) fn depth(&self, absolute: bool) -> f64 {
        match self.depth {
            Some([_, target]) if absolute => target as f64,
            _ => self.depth_ratio(),
        }
    }

    /// Pairs of tied names: the one in the forward pass, and the parameter that it is.
    pub fn ties(&self) -> impl Iterator<Item = (&ParamName, &ParamName)> {
        self.ties.iter()
    }

    /// Parameters by their names without numbers, for the blocks that a deeper target has more.
    pub(crate) fn templates(&self) -> BTreeMap<String, &Growth> {
        let of_blocks = self.params.iter().filter(|_| self.depth.is_some());
        of_blocks
            .map(|(name, growth)| (name.template(), growth))
            .collect()
    }

    /// Role, ratios and dimensions of every parameter of `target`, in order of names. Without a
    /// base, as in u-μP, every growing dimension counts from 1.
    pub(crate) fn place<'a>(
        &'a self,
        target: &'a Shapes,
        absolute: bool,
    ) -> Result<Vec<(&'a ParamName, Placed)>, Error> {
        let planned = target.iter().filter(|(name, _)| !self.is_alias(name));
        let growths = self.growths(planned.clone().map(|(name, _)| name))?;
        let place = |((name, shape), growth): ((&'a ParamName, &Shape), &Growth)| {
            Ok((name, growth.place(name, shape, self.layout, absolute)?))
        };
        planned.zip(growths).map(place).collect()
    }

    /// What is known of each of the target's parameters, which come in order of names.
    fn growths<'a>(
        &'a self,
        names: impl Iterator<Item = &'a ParamName> + Clone,
    ) -> Result<Vec<&'a Growth>, Error> {
        if self.depth.is_none() {
            same_keys(self.params.keys(), "base", names, "target")?;
            return Ok(self.params.values().collect());
        }
        self.has_templates(names.clone())?;
        let templates = self.templates();
        let growth = |name: &ParamName| {
            let known = self
                .params
                .get(name)
                .or_else(|| templates.get(&name.template()).copied());
            known.ok_or_else(|| Error::Missing {
                name: name.clone(),
                present: "target",
                absent: "base",
            })
        };
        names.map(growth).collect()
    }

    /// Whether a name stands for another parameter.
    fn is_alias(&self, name: &ParamName) -> bool {
        self.ties.get(name).is_some_and(|tensor| tensor != name)
    }

    /// Whether a target of another depth has every kind of parameter that the base has.
    fn has_templates<'a>(&self, names: impl Iterator<Item = &'a ParamName>) -> Result<(), Error> {
        let present: BTreeSet<String> = names.map(ParamName::template).collect();
        match self
            .params
            .keys()
            .find(|name| !present.contains(&name.template()))
        {
            Some(name) => Err(Error::Missing {
                name: name.clone(),
                present: "base",
                absent: "target",
            }),
            None => Ok(()),
        }
    }
}

/// Compares names, which come in order.
fn same_keys<'a>(
    left: impl Iterator<Item = &'a ParamName> + Clone,
    left_model: &'static str,
    right: impl Iterator<Item = &'a ParamName> + Clone,
    right_model: &'static str,
) -> Result<(), Error> {
    if left.clone().eq(right.clone()) {
        return Ok(());
    }
    let [lefts, rights] = [left.collect::<BTreeSet<_>>(), right.collect()];
    let missing = |from: &BTreeSet<&ParamName>, to: &BTreeSet<&ParamName>, present, absent| {
        from.difference(to).next().map(|&name| Error::Missing {
            name: name.clone(),
            present,
            absent,
        })
    };
    missing(&lefts, &rights, left_model, right_model)
        .or_else(|| missing(&rights, &lefts, right_model, left_model))
        .map_or(Ok(()), Err)
}

impl Growth {
    /// Compares a parameter of the base model with that of the delta model.
    fn between(name: &ParamName, base: &Shape, delta: &Shape) -> Result<Self, Error> {
        if base.dims.len() != delta.dims.len() {
            let [base, other] = [base, delta].map(|shape| shape.dims.clone());
            return Err(Error::Rank {
                name: name.clone(),
                base,
                other,
                model: "delta",
            });
        }
        for (shape, model) in [(base, "base"), (delta, "delta")] {
            crate::growth::no_zero(name, shape, model)?;
        }
        let extent = |(&base, &delta): (&usize, &usize)| match base == delta {
            true => Extent::Fixed(Some(base)),
            false => Extent::Grows(base),
        };
        let extents = base.dims.iter().zip(&delta.dims).map(extent).collect();
        Self::new(name, extents, base.axes)
    }
}
