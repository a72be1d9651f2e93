//! What is known of every parameter of a target: its growth, its stacks of blocks, its role.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::WidthsError;
use crate::evidence::{Evidence, Known};
use crate::experts::with_experts;
use crate::growth::{Growth, Placed};
use crate::mixture::is_called_expert;
use crate::role::Role;
use crate::shape::{ParamName, Shape, Shapes};
use crate::size::Size;
use crate::sizes::{Base, Sizes};
use crate::stack::{Declared, Stacks};
use crate::width::{Widths, missing, same_keys};

/// Role, ratios and dimensions of every parameter of a target, in order of names, each for itself,
/// and its stacks of blocks.
pub(crate) struct Survey<'a> {
    pub(crate) stacks: Stacks,
    pub(crate) params: Vec<Surveyed<'a>>,
}

/// A parameter of the target, and what became of it; nothing where the base lacks it.
pub(crate) struct Surveyed<'a> {
    pub(crate) name: &'a ParamName,
    pub(crate) shape: &'a Shape,
    pub(crate) growth: Option<&'a Growth>,
    pub(crate) placed: Option<Result<Placed, WidthsError>>,
    /// Blocks over blocks of the base, of the stacks that it is in.
    depth: Option<f64>,
}

impl Widths {
    /// The stacks of blocks of base and target.
    fn stacks(&self, target: &Shapes) -> Result<Stacks, WidthsError> {
        let [base, deep] = [Sizes::base, Sizes::target].map(|size| size(self.sizes, Size::Depth));
        let all = base.zip(deep).map(|(base, target)| Declared {
            name: None,
            base,
            target,
        });
        let declared: Vec<Declared> = self.depths.iter().cloned().chain(all).collect();
        let names = target.iter().map(|(name, _)| name);
        Stacks::find(&self.params, names, self.stacked(target), &declared)
    }

    /// Blocks of base and target in each tensor that holds those of all.
    fn stacked(&self, target: &Shapes) -> BTreeSet<(usize, usize)> {
        let counts = self.params.iter().filter_map(|(name, growth)| {
            let (axis, blocks) = growth.stacked?;
            Some((blocks, *target.get(name.as_str())?.dims.get(axis)?))
        });
        counts.collect()
    }

    /// Parameters by their names without the number of their block, where blocks are added.
    fn templates(
        &self,
        stacks: &Stacks,
        target: &Shapes,
    ) -> Result<BTreeMap<String, &Growth>, WidthsError> {
        let mut templates: BTreeMap<String, (&ParamName, &Growth)> = BTreeMap::new();
        let names = target.iter().map(|(name, _)| name);
        if stacks.growing().next().is_none() || self.params.keys().eq(names) {
            return Ok(BTreeMap::new());
        }
        for (name, growth) in &self.params {
            let (one, first) = *templates
                .entry(stacks.template(name))
                .or_insert((name, growth));
            if first.extents != growth.extents {
                return Err(WidthsError::UnequalBlocks {
                    one: one.clone(),
                    other: name.clone(),
                    left: first.base_dims(),
                    right: growth.base_dims(),
                });
            }
        }
        let growths = templates.into_iter();
        Ok(growths
            .map(|(template, (_, growth))| (template, growth))
            .collect())
    }

    /// What is known of every parameter of the target, at ratios to this base.
    pub(crate) fn survey<'a>(
        &'a self,
        target: &'a Shapes,
        base: Base,
    ) -> Result<Survey<'a>, WidthsError> {
        let stacks = self.stacks(target)?;
        let templates = self.templates(&stacks, target)?;
        let planned = target.iter().filter(|(name, _)| !self.is_alias(name));
        let seen = planned.map(|(name, shape)| {
            let own = self.params.get(name);
            let growth = own.or_else(|| templates.get(&stacks.template(name)).copied());
            let of_block = growth.is_some_and(|growth| !growth.is_shortcut);
            let depth = stacks.ratio(name, base).filter(|_| of_block);
            Surveyed::new(name, shape, growth, depth)
        });
        let mut surveyed: Vec<Surveyed> = seen.collect();
        let known: Vec<Option<Known>> = surveyed.iter().map(Surveyed::known).collect();
        let all: Vec<Known> = known.iter().copied().flatten().collect();
        let evidence = Evidence::of(&all, self.layout, self.compared);
        let must_grow = all.iter().any(grows);
        for (one, known) in surveyed.iter_mut().zip(known) {
            if let Some(known) = known {
                one.placed = Some(self.place(one, known, &evidence, base, must_grow));
            }
        }
        Ok(Survey {
            stacks,
            params: surveyed,
        })
    }

    /// What the evidence says of one of them, where some must grow unless experts alone do.
    fn place<'a>(
        &self,
        one: &Surveyed<'a>,
        known: Known<'a>,
        evidence: &Evidence,
        base: Base,
        must_grow: bool,
    ) -> Result<Placed, WidthsError> {
        let growth = evidence.settle(&known)?;
        let mut placed = growth.place(one.name, one.shape, self.layout, base, must_grow)?;
        placed.ratios = with_experts(placed.ratios, self.sizes, base);
        let only_experts = !must_grow && self.sizes.active_width().is_some();
        if only_experts && growth.declared.is_none() && placed.role == Role::Fixed {
            placed.role = beside_experts(&placed);
        }
        let placed = in_its_place(&known, placed)?;
        Ok(Placed {
            depth: placed.depth.or(one.depth),
            ..placed
        })
    }

    /// All parameters of a survey, where they must be known and right.
    pub(crate) fn placed<'a>(
        &self,
        survey: &Survey<'a>,
    ) -> Result<Vec<(&'a ParamName, Placed)>, WidthsError> {
        self.has_parameters(&survey.params, &survey.stacks)?;
        let placed = survey.params.iter().map(|one| match &one.placed {
            Some(placed) => Ok((one.name, placed.clone()?)),
            None => Err(missing(one.name, "target", "base")),
        });
        placed.collect()
    }

    /// Whether a name stands for another parameter.
    fn is_alias(&self, name: &ParamName) -> bool {
        self.ties.get(name).is_some_and(|tensor| tensor != name)
    }

    /// Whether the target has the parameters of the base, or, at another depth, every kind of them.
    fn has_parameters(&self, surveyed: &[Surveyed], stacks: &Stacks) -> Result<(), WidthsError> {
        let names = surveyed.iter().map(|one| one.name);
        if stacks.growing().next().is_none() {
            return same_keys(self.params.keys(), "base", names, "target");
        }
        let present: BTreeSet<String> = names.map(|name| stacks.template(name)).collect();
        let mut own = self.params.keys();
        match own.find(|name| !present.contains(&stacks.template(name))) {
            Some(name) => Err(missing(name, "base", "target")),
            None => Ok(()),
        }
    }
}

impl<'a> Surveyed<'a> {
    /// It has its place only if something is wrong with it by itself.
    fn new(
        name: &'a ParamName,
        shape: &'a Shape,
        growth: Option<&'a Growth>,
        depth: Option<f64>,
    ) -> Self {
        let fits = growth.map(|growth| growth.fits(name, shape));
        Self {
            name,
            shape,
            growth,
            placed: fits.and_then(Result::err).map(Err),
            depth,
        }
    }

    /// What is known of it, unless something is wrong already.
    fn known(&self) -> Option<Known<'a>> {
        let growth = self.growth.filter(|_| self.placed.is_none())?;
        Some(Known {
            name: self.name,
            growth,
            shape: self.shape,
            in_block: growth.stacked.is_some() || self.depth.is_some(),
        })
    }
}

/// Whether it grows and is none of experts, whose number and width may be all that grows.
fn grows(one: &Known) -> bool {
    let is_declared = one.growth.declared.is_some_and(Role::is_of_experts);
    let of_experts = is_declared || is_called_expert(one.name);
    !of_experts && one.growth.growing().next().is_some()
}

/// Beside experts that grow alone a matrix is still one, and is decayed as one.
fn beside_experts(placed: &Placed) -> Role {
    if placed.dims.len() > 1 {
        Role::Hidden
    } else {
        Role::Vector
    }
}

/// Blocks have no readouts, unless one is declared.
fn in_its_place(one: &Known, placed: Placed) -> Result<Placed, WidthsError> {
    if placed.role == Role::Output && one.in_block && one.growth.declared.is_none() {
        return Err(WidthsError::ReadoutInBlock {
            name: one.name.clone(),
            dims: one.shape.dims.clone(),
        });
    }
    Ok(placed)
}
