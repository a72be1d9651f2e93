//! One parameter: which of its dimensions grow, and what follows for its role and ratios.

use crate::{Axes, Dim, Error, Layout, ParamName, Ratios, Role, Shape};

/// One dimension of a parameter of the base model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The same at every width; of unknown size when it comes from a `.bsh` file.
    Fixed(Option<usize>),
    /// A width, of this size in the base model.
    Grows(usize),
}

/// What is known of a parameter before the target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) extents: Vec<Extent>,
    pub(crate) axes: Option<Axes>,
    pub(crate) declared: Option<Role>,
}

/// A parameter of the target model, placed.
pub(crate) struct Placed {
    pub(crate) role: Role,
    pub(crate) ratios: Ratios,
    pub(crate) dims: Vec<Dim>,
    pub(crate) axes: Option<Axes>,
}

impl Growth {
    pub(crate) fn new(
        name: &ParamName,
        extents: Vec<Extent>,
        axes: Option<Axes>,
    ) -> Result<Self, Error> {
        let growth = Self {
            extents,
            axes,
            declared: None,
        };
        let growing: Vec<usize> = growth.growing().collect();
        match growing.len() > 2 {
            true => Err(Error::TooManyGrowing {
                name: name.clone(),
                axes: growing,
            }),
            false => Ok(growth),
        }
    }

    /// The axes that grow.
    pub(crate) fn growing(&self) -> impl Iterator<Item = usize> {
        (0..self.extents.len()).filter(|&axis| self.grows(axis))
    }

    fn grows(&self, axis: usize) -> bool {
        matches!(self.extents[axis], Extent::Grows(_))
    }

    /// Base sizes, 0 where a fixed size is unknown.
    pub(crate) fn base_dims(&self) -> Vec<usize> {
        let size = |extent: &Extent| match *extent {
            Extent::Grows(size) => size,
            Extent::Fixed(size) => size.unwrap_or_default(),
        };
        self.extents.iter().map(size).collect()
    }

    pub(crate) fn place(
        &self,
        name: &ParamName,
        target: &Shape,
        layout: Option<Layout>,
        absolute: bool,
    ) -> Result<Placed, Error> {
        if self.extents.len() != target.dims.len() {
            let (base, other) = (self.base_dims(), target.dims.clone());
            return Err(Error::Rank {
                name: name.clone(),
                base,
                other,
                model: "target",
            });
        }
        no_zero(name, target, "target")?;
        let dims = self.dims(name, target, absolute)?;
        let Some(axes) = self.orientation(name, target, layout)? else {
            return Ok(Placed {
                role: Role::Fixed,
                ratios: Ratios::ONE,
                dims,
                axes: None,
            });
        };
        let role = self.role(name, axes)?;
        let ratio = |axis: Option<usize>| axis.map_or(1.0, |axis| dims[axis].ratio());
        let fans = Fans::of(&dims, Some(axes));
        let ratios = Ratios {
            fan_in: ratio(axes.fan_in),
            fan_out: ratio(axes.fan_out),
            aspect: fans.aspect(Dim::size) / fans.aspect(Dim::base),
            ..Ratios::ONE
        };
        Ok(Placed {
            role,
            ratios,
            dims,
            axes: Some(axes),
        })
    }

    fn dims(&self, name: &ParamName, target: &Shape, absolute: bool) -> Result<Vec<Dim>, Error> {
        let sizes = self.extents.iter().zip(&target.dims).enumerate();
        sizes
            .map(|(axis, (extent, &size))| match *extent {
                Extent::Grows(_) if absolute => Ok(Dim::Width { base: 1, size }),
                Extent::Grows(base) => Ok(Dim::Width { base, size }),
                Extent::Fixed(base) if base.is_none_or(|base| base == size) => Ok(Dim::Fixed(size)),
                Extent::Fixed(base) => Err(Error::NotDeclaredGrowing {
                    name: name.clone(),
                    axis,
                    base: base.unwrap_or_default(),
                    target: size,
                }),
            })
            .collect()
    }

    /// Fan-in and fan-out axes; none where nothing grows and nothing is known, which needs none.
    pub(crate) fn orientation(
        &self,
        name: &ParamName,
        target: &Shape,
        layout: Option<Layout>,
    ) -> Result<Option<Axes>, Error> {
        let rank = self.extents.len();
        let vector = || (rank == 1).then_some(Axes::VECTOR);
        let known = self.axes.or(target.axes).or_else(vector);
        let stored = || layout.filter(|_| rank > 1).map(|layout| layout.axes(rank));
        let Some(axes) = known
            .or_else(|| self.declared_axes(layout))
            .or_else(|| stored().filter(|_| !self.is_ambiguous(layout)))
        else {
            return match self.growing().next() {
                Some(_) => Err(Error::UnknownAxes {
                    name: name.clone(),
                    dims: target.dims.clone(),
                }),
                None => Ok(None),
            };
        };
        let outside = axes.both().find(|&axis| axis >= rank);
        match (outside, axes.fan_in.filter(|_| axes.fan_in == axes.fan_out)) {
            (Some(axis), _) => Err(Error::AxisOutOfRange {
                name: name.clone(),
                rank,
                axis,
            }),
            (None, Some(axis)) => Err(Error::SameAxis {
                name: name.clone(),
                axis,
            }),
            (None, None) => Ok(Some(axes)),
        }
    }

    /// Whether the layout does not settle the orientation: a table `[entries, features]` is a
    /// readout or an embedding, and a lone growing axis that no layer sums over or writes to may be
    /// anything.
    pub(crate) fn is_ambiguous(&self, layout: Option<Layout>) -> bool {
        let growing: Vec<usize> = self.growing().collect();
        match (layout, growing.as_slice()) {
            (Some(Layout::OutIn), [1]) => self.extents.len() == 2,
            (Some(layout), [axis]) => !layout
                .axes(self.extents.len())
                .both()
                .any(|known| known == *axis),
            _ => false,
        }
    }

    /// With one growing axis, saying the role says which end of the layer that axis is.
    fn declared_axes(&self, layout: Option<Layout>) -> Option<Axes> {
        let mut growing = self.growing();
        let (axis, None) = (growing.next()?, growing.next()) else {
            return None;
        };
        let stored = layout
            .filter(|_| self.extents.len() > 1)
            .map(|layout| layout.axes(self.extents.len()));
        let other = match stored {
            Some(axes) => axes
                .both()
                .find(|&known| known != axis)
                .filter(|_| axes.both().any(|known| known == axis)),
            None => (self.extents.len() == 2).then(|| 1 - axis),
        };
        // Growing where the layout has its fan-in, an input can only be a look-up table, which sums
        // over nothing.
        let is_lookup = stored.is_some_and(|axes| axes.fan_in == Some(axis));
        match self.declared? {
            Role::Input => Some(Axes {
                fan_in: other.filter(|_| !is_lookup),
                fan_out: Some(axis),
            }),
            Role::Vector => Some(Axes {
                fan_in: None,
                fan_out: Some(axis),
            }),
            Role::Output => Some(Axes {
                fan_in: Some(axis),
                fan_out: other,
            }),
            Role::Fixed | Role::Hidden => None,
        }
    }

    fn role(&self, name: &ParamName, axes: Axes) -> Result<Role, Error> {
        let grows = |axis: Option<usize>| axis.is_some_and(|axis| self.grows(axis));
        let stray: Vec<usize> = self
            .growing()
            .filter(|&axis| !axes.both().any(|known| known == axis))
            .collect();
        if !stray.is_empty() {
            return Err(Error::TooManyGrowing {
                name: name.clone(),
                axes: stray,
            });
        }
        let found = match (grows(axes.fan_in), grows(axes.fan_out)) {
            (false, false) => Role::Fixed,
            (false, true) if self.extents.len() == 1 => Role::Vector,
            (false, true) if self.declared == Some(Role::Vector) => Role::Vector,
            (false, true) => Role::Input,
            (true, true) => Role::Hidden,
            (true, false) => Role::Output,
        };
        match self.declared {
            Some(declared) if declared != found => Err(Error::Contradiction {
                name: name.clone(),
                declared,
                found,
            }),
            _ => Ok(found),
        }
    }
}

/// How many terms an output sums over and how many outputs a term reaches, receptive field
/// included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fans<'a> {
    dims: &'a [Dim],
    axes: Option<Axes>,
}

impl<'a> Fans<'a> {
    pub(crate) fn of(dims: &'a [Dim], axes: Option<Axes>) -> Self {
        Self { dims, axes }
    }

    /// 1 for what sums over no axis: biases, gains, look-up tables.
    pub(crate) fn fan_in(self, size: impl Fn(Dim) -> usize) -> usize {
        match self.axes {
            Some(Axes {
                fan_in: Some(_),
                fan_out,
            }) => self.product(size, fan_out),
            _ => 1,
        }
    }

    pub(crate) fn fan_out(self, size: impl Fn(Dim) -> usize) -> usize {
        match self.axes {
            Some(Axes {
                fan_in,
                fan_out: Some(out),
            }) if fan_in.is_none() => size(self.dims[out]),
            Some(Axes {
                fan_in,
                fan_out: Some(_),
            }) => self.product(size, fan_in),
            _ => 1,
        }
    }

    /// `min(1, fan_out/fan_in)` of the matrix of all terms and all outputs.
    fn aspect(self, size: impl Fn(Dim) -> usize + Copy) -> f64 {
        let out = self
            .axes
            .and_then(|axes| axes.fan_out)
            .map_or(1, |axis| size(self.dims[axis]));
        (out as f64 / self.fan_in(size) as f64).min(1.0)
    }

    fn product(self, size: impl Fn(Dim) -> usize, without: Option<usize>) -> usize {
        let sizes = (0..self.dims.len())
            .filter(|&axis| Some(axis) != without)
            .map(|axis| size(self.dims[axis]));
        sizes.fold(1, usize::saturating_mul)
    }
}

pub(crate) fn no_zero(name: &ParamName, shape: &Shape, model: &'static str) -> Result<(), Error> {
    match shape.dims.iter().position(|&size| size == 0) {
        Some(axis) => Err(Error::ZeroDimension {
            name: name.clone(),
            axis,
            model,
        }),
        None => Ok(()),
    }
}
