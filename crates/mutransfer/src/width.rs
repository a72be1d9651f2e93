//! What grows when a model is made wider.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, WidthsError};
use crate::growth::{Growth, Placed};
use crate::role::Role;
use crate::shape::{Layout, ParamName, Shapes};
use crate::size::Size;
use crate::sizes::{Base, Sizes};

/// For every parameter of the base model, which of its dimensions grow, and its role.
#[derive(Clone, Debug, PartialEq)]
pub struct Widths {
    pub(crate) params: BTreeMap<ParamName, Growth>,
    pub(crate) layout: Option<Layout>,
    /// Names that stand for another parameter in the forward pass.
    ties: BTreeMap<ParamName, ParamName>,
    sizes: Sizes,
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
        let mut params = BTreeMap::new();
        for ((name, base), (_, delta)) in base.iter().zip(delta.iter()) {
            params.insert(name.clone(), Growth::between(name, base, delta)?);
        }
        Self::of(params)
    }

    pub(crate) fn of(params: BTreeMap<ParamName, Growth>) -> Result<Self, Error> {
        let mut growths = params.values();
        if growths.all(|growth| growth.growing().next().is_none()) {
            return Err(WidthsError::NothingGrows.into());
        }
        Ok(Self {
            params,
            layout: None,
            ties: BTreeMap::new(),
            sizes: Sizes::NONE,
        })
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
        if matched {
            Ok(self)
        } else {
            let pattern = pattern.to_owned();
            Err(WidthsError::NoMatch { pattern }.into())
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
        if readout == embedding {
            let name = readout.into();
            return Err(WidthsError::TiedToItself { name }.into());
        }
        let is_known = self.params.contains_key(embedding.as_str());
        let (alias, kept) = if !is_known || (self.is_input(readout) && !self.is_input(&embedding)) {
            (embedding.as_str(), readout)
        } else {
            (readout, embedding.as_str())
        };
        self.merge(alias, kept)?;
        // Where the shapes have the readout's name only, that is still what the forward pass calls
        // it.
        let used = if is_known { alias } else { readout };
        self.ties.insert(used.into(), kept.into());
        Ok(self)
    }

    fn is_input(&self, name: &str) -> bool {
        self.params
            .get(name)
            .is_some_and(|growth| growth.declared == Some(Role::Input))
    }

    /// Makes one embedding of two parameters, of which the first may be absent.
    fn merge(&mut self, alias: &str, kept: &str) -> Result<(), WidthsError> {
        let other = self.params.get(alias).cloned();
        let Some(growth) = self.params.get_mut(kept) else {
            return Err(WidthsError::NoMatch {
                pattern: kept.to_owned(),
            });
        };
        if let Some(other) = other.filter(|other| other.extents != growth.extents) {
            return Err(WidthsError::TiedSizes {
                readout: alias.into(),
                embedding: kept.into(),
                left: growth.base_dims(),
                right: other.base_dims(),
            });
        }
        growth.declared = Some(Role::Input);
        self.params.remove(alias);
        for tensor in self.ties.values_mut() {
            if tensor.as_str() == alias {
                *tensor = kept.into();
            }
        }
        Ok(())
    }

    /// Says what grows beside the dimensions. In a target of another depth parameters are compared
    /// by their names without numbers, and those in blocks follow the rule's law of depth.
    pub fn with_sizes(mut self, sizes: Sizes) -> Self {
        self.sizes = sizes;
        self
    }

    /// What grows beside the dimensions.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    fn has_depth(&self) -> bool {
        self.sizes.target(Size::Depth).is_some()
    }

    /// Pairs of tied names: the one in the forward pass, and the parameter that it is.
    pub fn ties(&self) -> impl Iterator<Item = (&ParamName, &ParamName)> {
        self.ties.iter()
    }

    /// Parameters by their names without numbers, for the blocks that a deeper target has more.
    fn templates(&self) -> BTreeMap<String, &Growth> {
        if !self.has_depth() {
            return BTreeMap::new();
        }
        self.params
            .iter()
            .map(|(name, growth)| (name.template(), growth))
            .collect()
    }

    /// What is known of parameters of these names; none of those that are unknown.
    pub(crate) fn known<'a>(
        &'a self,
        names: impl Iterator<Item = &'a ParamName>,
    ) -> Vec<(&'a ParamName, Option<&'a Growth>)> {
        let templates = self.templates();
        names
            .map(|name| {
                let own = self.params.get(name);
                let known = own.or_else(|| templates.get(&name.template()).copied());
                (name, known)
            })
            .collect()
    }

    /// Role, ratios and dimensions of every parameter of `target`, in order of names.
    pub(crate) fn place<'a>(
        &'a self,
        target: &'a Shapes,
        base: Base,
    ) -> Result<Vec<(&'a ParamName, Placed)>, WidthsError> {
        let planned = target.iter().filter(|(name, _)| !self.is_alias(name));
        self.has_parameters(planned.clone().map(|(name, _)| name))?;
        let known = self.known(planned.clone().map(|(name, _)| name));
        let mut placed = Vec::with_capacity(known.len());
        for ((name, growth), (_, shape)) in known.into_iter().zip(planned) {
            let growth = growth.ok_or_else(|| missing(name, "target", "base"))?;
            placed.push((name, growth.place(name, shape, self.layout, base)?));
        }
        Ok(placed)
    }

    /// Whether a name stands for another parameter.
    fn is_alias(&self, name: &ParamName) -> bool {
        self.ties.get(name).is_some_and(|tensor| tensor != name)
    }

    /// Whether the target has the parameters of the base, or, at another depth, every kind of them.
    fn has_parameters<'a>(
        &'a self,
        names: impl Iterator<Item = &'a ParamName> + Clone,
    ) -> Result<(), WidthsError> {
        if !self.has_depth() {
            return same_keys(self.params.keys(), "base", names, "target");
        }
        let present: BTreeSet<String> = names.map(ParamName::template).collect();
        let mut own = self.params.keys();
        match own.find(|name| !present.contains(&name.template())) {
            Some(name) => Err(missing(name, "base", "target")),
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
) -> Result<(), WidthsError> {
    if left.clone().eq(right.clone()) {
        return Ok(());
    }
    let [lefts, rights] = [left.collect::<BTreeSet<_>>(), right.collect()];
    if let Some(name) = lefts.difference(&rights).next() {
        return Err(missing(name, left_model, right_model));
    }
    match rights.difference(&lefts).next() {
        Some(name) => Err(missing(name, right_model, left_model)),
        None => Ok(()),
    }
}

fn missing(name: &ParamName, present: &'static str, absent: &'static str) -> WidthsError {
    WidthsError::Missing {
        name: name.clone(),
        present,
        absent,
    }
}
