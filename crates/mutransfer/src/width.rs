//! What grows when a model is made wider.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{Axes, Error, ParamName, Ratios, Role, Shape, Shapes};

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
        match self {
            Self::Fixed(_) => 1.0,
            Self::Width { base, size } => size as f64 / base as f64,
        }
    }
}

/// For every parameter of the base model, which of its dimensions grow, and its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widths(BTreeMap<ParamName, Growth>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Growth {
    base: Shape,
    grows: Vec<bool>,
    declared: Option<Role>,
}

/// A parameter of the target model, placed.
pub(crate) struct Placed {
    pub(crate) role: Role,
    pub(crate) ratios: Ratios,
    pub(crate) dims: Vec<Dim>,
    /// Number of terms each output sums over in the base model.
    pub(crate) base_fan_in: usize,
}

impl Widths {
    /// Finds what grows from two sizes of the same model: `base`, and `delta`, where every width differs.
    ///
    /// # Errors
    /// When the models do not have the same parameters, when nothing grows, or when more grows than a fan-in and a
    /// fan-out.
    pub fn between(base: &Shapes, delta: &Shapes) -> Result<Self, Error> {
        same_names(base, "base", delta, "delta")?;
        let growth = |((name, base), (_, delta)): ((&ParamName, &Shape), (&ParamName, &Shape))| {
            same_rank(name, base, delta, "delta")?;
            no_zero(name, base, "base")?;
            no_zero(name, delta, "delta")?;
            let grows: Vec<bool> = base.dims.iter().zip(&delta.dims).map(|(a, b)| a != b).collect();
            let axes: Vec<usize> = (0..grows.len()).filter(|&axis| grows[axis]).collect();
            match axes.len() > 2 {
                true => Err(Error::TooManyGrowing { name: name.clone(), axes }),
                false => Ok((name.clone(), Growth { base: base.clone(), grows, declared: None })),
            }
        };
        let widths: BTreeMap<_, _> = base.iter().zip(delta.iter()).map(growth).collect::<Result<_, _>>()?;
        match widths.values().any(|growth| growth.grows.contains(&true)) {
            true => Ok(Self(widths)),
            false => Err(Error::NothingGrows),
        }
    }

    /// Says the role of every parameter that matches `pattern`, where shapes cannot tell.
    ///
    /// # Errors
    /// When no parameter matches.
    pub fn declare(mut self, pattern: &str, role: Role) -> Result<Self, Error> {
        let mut matched = false;
        for (name, growth) in &mut self.0 {
            if name.matches(pattern) {
                growth.declared = Some(role);
                matched = true;
            }
        }
        match matched {
            true => Ok(self),
            false => Err(Error::NoMatch { pattern: pattern.to_owned() }),
        }
    }

    /// Role, ratios and dimensions of every parameter of `target`, in order of names.
    pub(crate) fn place<'a>(&'a self, target: &'a Shapes) -> Result<Vec<(&'a ParamName, Placed)>, Error> {
        same_keys(self.0.keys(), "base", target.iter().map(|(name, _)| name), "target")?;
        let both = self.0.values().zip(target.iter());
        both.map(|(growth, (name, shape))| Ok((name, growth.place(name, shape)?))).collect()
    }
}

impl Growth {
    fn place(&self, name: &ParamName, target: &Shape) -> Result<Placed, Error> {
        same_rank(name, &self.base, target, "target")?;
        no_zero(name, target, "target")?;
        let dims = self.dims(name, target)?;
        let Some(axes) = self.orientation(name)? else {
            let base_fan_in = 1;
            return Ok(Placed { role: Role::Fixed, ratios: Ratios::ONE, dims, base_fan_in });
        };
        let role = self.role(name, axes)?;
        let ratio = |axis: Option<usize>| axis.map_or(1.0, |axis| dims[axis].ratio());
        let ratios = Ratios { fan_in: ratio(axes.fan_in), fan_out: ratio(axes.fan_out) };
        let base_fan_in = match axes.fan_in {
            None => 1,
            Some(_) => self.base.dims.iter().product::<usize>() / axes.fan_out.map_or(1, |axis| self.base.dims[axis]),
        };
        Ok(Placed { role, ratios, dims, base_fan_in })
    }

    fn dims(&self, name: &ParamName, target: &Shape) -> Result<Vec<Dim>, Error> {
        let sizes = self.base.dims.iter().zip(&target.dims).zip(&self.grows).enumerate();
        sizes
            .map(|(axis, ((&base, &size), &grows))| match grows {
                true => Ok(Dim::Width { base, size }),
                false if base == size => Ok(Dim::Fixed(size)),
                false => Err(Error::NotDeclaredGrowing { name: name.clone(), axis, base, target: size }),
            })
            .collect()
    }

    /// Fan-in and fan-out axes; none where nothing grows and nothing is known, which needs none.
    fn orientation(&self, name: &ParamName) -> Result<Option<Axes>, Error> {
        let Some(axes) = self.base.axes.or_else(|| self.axes_of_declared_role()) else {
            return match self.grows.contains(&true) {
                true => Err(Error::UnknownAxes { name: name.clone(), dims: self.base.dims.clone() }),
                false => Ok(None),
            };
        };
        let rank = self.base.dims.len();
        match [axes.fan_in, axes.fan_out].into_iter().flatten().find(|&axis| axis >= rank) {
            Some(axis) => Err(Error::AxisOutOfRange { name: name.clone(), rank, axis }),
            None => Ok(Some(axes)),
        }
    }

    /// With one growing axis, saying the role says which end of the layer that axis is.
    fn axes_of_declared_role(&self) -> Option<Axes> {
        let mut growing = (0..self.grows.len()).filter(|&axis| self.grows[axis]);
        let (axis, None) = (growing.next()?, growing.next()) else { return None };
        let other = (self.grows.len() == 2).then(|| 1 - axis);
        match self.declared? {
            Role::Input => Some(Axes { fan_in: other, fan_out: Some(axis) }),
            Role::Vector => Some(Axes { fan_in: None, fan_out: Some(axis) }),
            Role::Output => Some(Axes { fan_in: Some(axis), fan_out: other }),
            Role::Fixed | Role::Hidden => None,
        }
    }

    fn role(&self, name: &ParamName, axes: Axes) -> Result<Role, Error> {
        let grows = |axis: Option<usize>| axis.is_some_and(|axis| self.grows[axis]);
        let stray: Vec<usize> = (0..self.grows.len())
            .filter(|&axis| self.grows[axis] && ![axes.fan_in, axes.fan_out].contains(&Some(axis)))
            .collect();
        if !stray.is_empty() {
            return Err(Error::TooManyGrowing { name: name.clone(), axes: stray });
        }
        let found = match (grows(axes.fan_in), grows(axes.fan_out)) {
            (false, false) => Role::Fixed,
            (false, true) if self.grows.len() == 1 => Role::Vector,
            (false, true) => Role::Input,
            (true, true) => Role::Hidden,
            (true, false) => Role::Output,
        };
        match self.declared {
            Some(declared) if declared != found => Err(Error::Contradiction { name: name.clone(), declared, found }),
            _ => Ok(found),
        }
    }
}

fn same_names(left: &Shapes, left_model: &'static str, right: &Shapes, right_model: &'static str) -> Result<(), Error> {
    same_keys(left.iter().map(|(name, _)| name), left_model, right.iter().map(|(name, _)| name), right_model)
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
        from.difference(to).next().map(|&name| Error::Missing { name: name.clone(), present, absent })
    };
    missing(&lefts, &rights, left_model, right_model)
        .or_else(|| missing(&rights, &lefts, right_model, left_model))
        .map_or(Ok(()), Err)
}

fn same_rank(name: &ParamName, base: &Shape, other: &Shape, model: &'static str) -> Result<(), Error> {
    match base.dims.len() == other.dims.len() {
        true => Ok(()),
        false => Err(Error::Rank { name: name.clone(), base: base.dims.clone(), other: other.dims.clone(), model }),
    }
}

fn no_zero(name: &ParamName, shape: &Shape, model: &'static str) -> Result<(), Error> {
    match shape.dims.iter().position(|&size| size == 0) {
        Some(axis) => Err(Error::ZeroDimension { name: name.clone(), axis, model }),
        None => Ok(()),
    }
}
