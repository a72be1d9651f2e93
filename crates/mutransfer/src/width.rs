//! What grows when a model is made wider.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, WidthsError};
use crate::evidence::Compared;
use crate::growth::Growth;
use crate::mixture::{self, Matched};
use crate::role::Role;
use crate::shape::{Axes, Layout, ParamName, Shape, Shapes};
use crate::size::Size;
use crate::sizes::Sizes;
use crate::stack::{Declared, Stacks};

/// For every parameter of the base model, which of its dimensions grow, and its role.
#[derive(Clone, Debug, PartialEq)]
pub struct Widths {
    pub(crate) params: BTreeMap<ParamName, Growth>,
    pub(crate) layout: Option<Layout>,
    pub(crate) compared: Compared,
    /// Names that stand for another parameter in the forward pass.
    pub(crate) ties: BTreeMap<ParamName, ParamName>,
    pub(crate) sizes: Sizes,
    pub(crate) depths: Vec<Declared>,
}

impl Widths {
    /// Finds what grows from two sizes of the same model: `base`, and `delta`, where every width
    /// differs and nothing else. What they agree on is fixed, whatever the target has.
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
        let pairs = base.iter().zip(delta.iter());
        let grown = pairs.map(|((name, base), (_, delta))| {
            Ok((name.clone(), Growth::between(name, base, delta, "delta")?))
        });
        Self::of(grown.collect::<Result<_, WidthsError>>()?)
    }

    /// Finds what grows from the base and the model to train, where there is no third. A dimension
    /// that differs is a width only where something shows it, since the data's may differ too.
    ///
    /// # Errors
    /// As [`Widths::between`], but that the target may have more or fewer blocks or experts, or
    /// experts where the base has a dense layer, and then nothing else need grow.
    pub fn inferred(base: &Shapes, target: &Shapes) -> Result<Self, Error> {
        match mixture::matched(base, target) {
            Some(Matched { base, sizes }) => {
                Ok(Self::inferred_like(&base, target, true)?.with_sizes(sizes))
            }
            None => Self::inferred_like(base, target, false),
        }
    }

    /// The same where both have the same experts by name; with nothing that grows if it `may_stay`.
    fn inferred_like(base: &Shapes, target: &Shapes, may_stay: bool) -> Result<Self, Error> {
        let fixed = base
            .iter()
            .map(|(name, shape)| Ok((name.clone(), Growth::of(name, shape)?)));
        let mut params: BTreeMap<ParamName, Growth> = fixed.collect::<Result<_, WidthsError>>()?;
        let stacks = Stacks::find(
            &params,
            target.iter().map(|(name, _)| name),
            BTreeSet::new(),
            &[],
        )?;
        // Blocks that the target lacks are as those that it has.
        let templates = LazyCell::new(|| -> BTreeMap<String, &Shape> {
            let named = target.iter();
            named
                .map(|(name, shape)| (stacks.template(name), shape))
                .collect()
        });
        for ((name, growth), (_, base)) in params.iter_mut().zip(base.iter()) {
            let shape = target.get(name.as_str());
            let Some(shape) = shape.or_else(|| templates.get(&stacks.template(name)).copied())
            else {
                return Err(missing(name, "base", "target").into());
            };
            *growth = Growth::between(name, base, shape, "target")?;
        }
        let widths = if may_stay || stacks.growing().next().is_some() {
            Self::unchecked(params)
        } else {
            Self::of(params)?
        };
        Ok(Self {
            compared: Compared::Target,
            ..widths
        })
    }

    /// Of a model that does not grow itself, whose batch or duration does.
    ///
    /// # Errors
    /// When a dimension is zero.
    pub fn unchanged(base: &Shapes) -> Result<Self, Error> {
        let growths = base
            .iter()
            .map(|(name, shape)| Ok((name.clone(), Growth::of(name, shape)?)));
        Ok(Self::unchecked(growths.collect::<Result<_, Error>>()?))
    }

    pub(crate) fn of(params: BTreeMap<ParamName, Growth>) -> Result<Self, Error> {
        let mut growths = params.values();
        if growths.all(|growth| growth.growing().next().is_none()) {
            return Err(WidthsError::NothingGrows.into());
        }
        Ok(Self::unchecked(params))
    }

    fn unchecked(params: BTreeMap<ParamName, Growth>) -> Self {
        Self {
            params,
            layout: None,
            compared: Compared::Delta,
            ties: BTreeMap::new(),
            sizes: Sizes::NONE,
            depths: Vec::new(),
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
        for (_, growth) in self.matching(pattern)? {
            growth.declared = Some(role);
        }
        Ok(self)
    }

    /// Says which axes every parameter that matches `pattern` sums over and writes to, such as the
    /// experts of a layer in one tensor of three dimensions.
    ///
    /// # Errors
    /// When no parameter matches.
    pub fn with_axes(mut self, pattern: &str, axes: Axes) -> Result<Self, Error> {
        for (_, growth) in self.matching(pattern)? {
            growth.axes = Some(axes);
        }
        Ok(self)
    }

    /// Says that `axis` of every parameter that matches `pattern` counts blocks, whose tensors are
    /// stacked in one, as layers that are scanned over are.
    ///
    /// # Errors
    /// When no parameter matches, or one has no such axis.
    pub fn with_stacked(mut self, pattern: &str, axis: usize) -> Result<Self, Error> {
        for (name, growth) in self.matching(pattern)? {
            growth.stack(name, axis)?;
        }
        Ok(self)
    }

    /// Says that what matches `pattern` is the last of a residual branch: its matrix, its bias, or
    /// the gain of a norm that follows them. All branches must have theirs declared.
    ///
    /// # Errors
    /// When no parameter matches.
    pub fn with_branch_ends(mut self, pattern: &str) -> Result<Self, Error> {
        for (_, growth) in self.matching(pattern)? {
            growth.ends_branch = true;
        }
        Ok(self)
    }

    /// Says that what matches `pattern` is the stream itself where a block changes its size, such
    /// as the projections of a residual network: beside the branches of the block, and no deeper
    /// where there are more blocks.
    ///
    /// # Errors
    /// When no parameter matches.
    pub fn with_shortcuts(mut self, pattern: &str) -> Result<Self, Error> {
        for (_, growth) in self.matching(pattern)? {
            growth.is_shortcut = true;
        }
        Ok(self)
    }

    /// Whether it is declared what ends residual branches.
    pub(crate) fn has_branch_ends(&self) -> bool {
        self.params.values().any(|growth| growth.ends_branch)
    }

    fn matching(&mut self, pattern: &str) -> Result<Vec<(&ParamName, &mut Growth)>, WidthsError> {
        let params = self.params.iter_mut();
        let matching: Vec<_> = params.filter(|(name, _)| name.matches(pattern)).collect();
        if matching.is_empty() {
            let pattern = pattern.to_owned();
            return Err(WidthsError::NoMatch { pattern });
        }
        Ok(matching)
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

    /// Says what grows beside the dimensions. A depth must be what the parameters' names count in
    /// every stack of blocks that differs; see [`Widths::with_depth`]. What the shapes say of
    /// experts stays where nothing else is said.
    pub fn with_sizes(mut self, sizes: Sizes) -> Self {
        self.sizes = sizes.or(self.sizes);
        self
    }

    /// Says how many blocks there are in the stack of this name, such as `stages.2.blocks`, in base
    /// and target. What is not said follows from what differs in number.
    ///
    /// Where blocks differ in size, those that only the target has are not known from the base.
    /// Give the shapes of the base at the target's number of blocks then, and its own number here.
    ///
    /// # Errors
    /// When a number is zero.
    pub fn with_depth(mut self, stack: &str, base: usize, target: usize) -> Result<Self, Error> {
        Sizes::NONE.with(Size::Depth, base, target)?;
        let name = Some(stack.to_owned());
        self.depths.push(Declared { name, base, target });
        Ok(self)
    }

    /// What grows beside the dimensions.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Pairs of tied names: the one in the forward pass, and the parameter that it is.
    pub fn ties(&self) -> impl Iterator<Item = (&ParamName, &ParamName)> {
        self.ties.iter()
    }
}

/// Compares names, which come in order.
pub(crate) fn same_keys<'a>(
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

pub(crate) fn missing(
    name: &ParamName,
    present: &'static str,
    absent: &'static str,
) -> WidthsError {
    WidthsError::Missing {
        name: name.clone(),
        present,
        absent,
    }
}
