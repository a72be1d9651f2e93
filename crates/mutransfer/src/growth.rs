//! One parameter: which of its dimensions grow, and what follows for its role and ratios.

use crate::dims::{Dim, Fans};
use crate::error::WidthsError;
use crate::power::Ratios;
use crate::role::{Place, Role};
use crate::shape::{Axes, Layout, ParamName, Shape};
use crate::sizes::Base;

/// One dimension of a parameter of the base model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The same at every width; of unknown size when it comes from a `.bsh` file.
    Fixed(Option<usize>),
    /// A width, of this size in the base model.
    Grows(usize),
}

impl Extent {
    /// Base size, 0 where it is unknown.
    fn base(self) -> usize {
        match self {
            Self::Grows(size) => size,
            Self::Fixed(size) => size.unwrap_or_default(),
        }
    }

    /// From the sizes of base and delta model.
    fn between(base: usize, delta: usize) -> Self {
        if base == delta {
            Self::Fixed(Some(base))
        } else {
            Self::Grows(base)
        }
    }
}

/// What is known of a parameter before the target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) extents: Vec<Extent>,
    pub(crate) axes: Option<Axes>,
    pub(crate) declared: Option<Role>,
    /// The axis that counts blocks, whose tensors are stacked in one, and how many there are.
    pub(crate) stacked: Option<(usize, usize)>,
    /// Whether it is declared to end a residual branch.
    pub(crate) ends_branch: bool,
    /// Whether it is declared to be beside the branches of its block, and of none.
    pub(crate) is_shortcut: bool,
}

/// A parameter of the target model, placed.
#[derive(Clone)]
pub(crate) struct Placed {
    pub(crate) role: Role,
    pub(crate) ratios: Ratios,
    pub(crate) dims: Vec<Dim>,
    pub(crate) axes: Option<Axes>,
    /// The axis that counts blocks or experts, if one does.
    pub(crate) stacked: Option<usize>,
    /// Blocks over blocks of the base, of the stack that it is in; none outside of all.
    pub(crate) depth: Option<f64>,
    /// Whether it ends a residual branch.
    pub(crate) ends_branch: bool,
}

impl Placed {
    /// Where it is in the network.
    pub(crate) fn place(&self) -> Place {
        match (self.depth, self.ends_branch) {
            (None, _) => Place::Outside,
            (Some(_), false) => Place::Block,
            (Some(_), true) => Place::BranchEnd,
        }
    }
}

impl Growth {
    /// A parameter of the base model of which nothing grows.
    pub(crate) fn of(name: &ParamName, base: &Shape) -> Result<Self, WidthsError> {
        Self::between(name, base, base, "base")
    }

    /// Compares a parameter of the base model with that of another one.
    pub(crate) fn between(
        name: &ParamName,
        base: &Shape,
        delta: &Shape,
        model: &'static str,
    ) -> Result<Self, WidthsError> {
        if base.dims.len() != delta.dims.len() {
            let [base, other] = [base, delta].map(|shape| shape.dims.clone());
            return Err(WidthsError::Rank {
                name: name.clone(),
                base,
                other,
                model,
            });
        }
        for (shape, model) in [(base, "base"), (delta, model)] {
            no_zero(name, shape, model)?;
        }
        let sizes = base.dims.iter().zip(&delta.dims);
        let extents = sizes
            .map(|(&base, &delta)| Extent::between(base, delta))
            .collect();
        Ok(Self::new(extents, base.axes))
    }

    pub(crate) fn new(extents: Vec<Extent>, axes: Option<Axes>) -> Self {
        Self {
            extents,
            axes,
            declared: None,
            stacked: None,
            ends_branch: false,
            is_shortcut: false,
        }
    }

    /// Says which axis counts blocks.
    pub(crate) fn stack(&mut self, name: &ParamName, axis: usize) -> Result<(), WidthsError> {
        let Some(extent) = self.extents.get_mut(axis) else {
            return Err(WidthsError::AxisOutOfRange {
                name: name.clone(),
                rank: self.extents.len(),
                axis,
            });
        };
        let blocks = extent.base();
        *extent = Extent::Fixed(None);
        self.stacked = Some((axis, blocks));
        if self.extents.len() == 2 {
            self.axes = Some(Axes {
                fan_in: None,
                fan_out: Some(1 - axis),
            });
        }
        Ok(())
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
        self.extents.iter().map(|extent| extent.base()).collect()
    }

    /// Whether the target has as many dimensions, and none of size zero.
    pub(crate) fn fits(&self, name: &ParamName, target: &Shape) -> Result<(), WidthsError> {
        if self.extents.len() != target.dims.len() {
            let (base, other) = (self.base_dims(), target.dims.clone());
            return Err(WidthsError::Rank {
                name: name.clone(),
                base,
                other,
                model: "target",
            });
        }
        self.is_placeable(name)?;
        no_zero(name, target, "target")
    }

    /// Whether no more grows than a fan-in and a fan-out.
    pub(crate) fn is_placeable(&self, name: &ParamName) -> Result<(), WidthsError> {
        let growing: Vec<usize> = self.growing().collect();
        if growing.len() > 2 {
            let (name, axes) = (name.clone(), growing);
            return Err(WidthsError::TooManyGrowing { name, axes });
        }
        Ok(())
    }

    /// Once it is known which dimensions are widths; see [`Self::fits`]. Where nothing `must_grow`,
    /// as only the batch or the experts of a model do, what is declared is what it is.
    pub(crate) fn place(
        &self,
        name: &ParamName,
        target: &Shape,
        layout: Option<Layout>,
        base: Base,
        must_grow: bool,
    ) -> Result<Placed, WidthsError> {
        let dims = self.dims(target, base);
        let axes = self.orientation(name, target, layout)?;
        let role = match axes {
            Some(axes) => self.role(name, axes, must_grow)?,
            None => self.declared_expert().unwrap_or(Role::Fixed),
        };
        let stacked = match self.stacked {
            Some((axis, _)) => Some(axis),
            None => expert_axis(role, axes, dims.len()),
        };
        Ok(Placed {
            role,
            ratios: Fans::of(&dims, axes, stacked).ratios(),
            dims,
            axes,
            stacked,
            depth: self.depth(target, base),
            ends_branch: self.ends_branch,
        })
    }

    /// Blocks over blocks of the base, where they are stacked in one tensor.
    fn depth(&self, target: &Shape, base: Base) -> Option<f64> {
        let (axis, blocks) = self.stacked?;
        Some(target.dims[axis] as f64 / base.of(blocks) as f64)
    }

    fn dims(&self, target: &Shape, base: Base) -> Vec<Dim> {
        let sizes = self.extents.iter().zip(&target.dims);
        sizes
            .map(|(extent, &size)| match *extent {
                Extent::Grows(own) => Dim::Width {
                    base: base.of(own),
                    size,
                },
                Extent::Fixed(_) => Dim::Fixed(size),
            })
            .collect()
    }

    /// Fan-in and fan-out axes; none where nothing grows and nothing is known, which needs none.
    pub(crate) fn orientation(
        &self,
        name: &ParamName,
        target: &Shape,
        layout: Option<Layout>,
    ) -> Result<Option<Axes>, WidthsError> {
        match self.known_axes(target, layout) {
            Some(axes) => self.valid(name, axes).map(Some),
            None if self.growing().next().is_none() => Ok(None),
            None => Err(WidthsError::UnknownAxes {
                name: name.clone(),
                dims: target.dims.clone(),
            }),
        }
    }

    /// From what is known best to what is known least.
    fn known_axes(&self, target: &Shape, layout: Option<Layout>) -> Option<Axes> {
        let given = self.axes.or(target.axes);
        if given.is_some() {
            return given;
        }
        if self.extents.len() == 1 {
            return Some(Axes::VECTOR);
        }
        self.declared_axes(layout).or_else(|| {
            self.stored_axes(layout)
                .filter(|_| !self.is_ambiguous(layout))
        })
    }

    /// As the layout has it, without an axis that counts blocks.
    fn stored_axes(&self, layout: Option<Layout>) -> Option<Axes> {
        let rank = self.extents.len() - usize::from(self.stacked.is_some());
        let own = |axis| match self.stacked {
            Some((stacked, _)) if axis >= stacked => axis + 1,
            _ => axis,
        };
        let axes = layout.filter(|_| rank > 1)?.axes(rank);
        Some(Axes {
            fan_in: axes.fan_in.map(own),
            fan_out: axes.fan_out.map(own),
        })
    }

    fn valid(&self, name: &ParamName, axes: Axes) -> Result<Axes, WidthsError> {
        let rank = self.extents.len();
        if let Some(axis) = axes.both().find(|&axis| axis >= rank) {
            return Err(WidthsError::AxisOutOfRange {
                name: name.clone(),
                rank,
                axis,
            });
        }
        match axes.fan_in {
            Some(axis) if axes.fan_in == axes.fan_out => Err(WidthsError::SameAxis {
                name: name.clone(),
                axis,
            }),
            _ => Ok(axes),
        }
    }

    /// Whether the layout does not settle the orientation: a table `[entries, features]` is a
    /// readout or an embedding, and a lone growing axis that no layer sums over or writes to may be
    /// anything.
    pub(crate) fn is_ambiguous(&self, layout: Option<Layout>) -> bool {
        let growing: Vec<usize> = self.growing().collect();
        match (layout, growing.as_slice()) {
            (Some(Layout::OutIn), [1]) => self.extents.len() == 2,
            (Some(_), [axis]) => !self
                .stored_axes(layout)
                .is_some_and(|axes| axes.both().any(|known| known == *axis)),
            _ => false,
        }
    }

    /// With one growing axis, saying the role says which end of the layer that axis is.
    fn declared_axes(&self, layout: Option<Layout>) -> Option<Axes> {
        if matches!(
            self.declared,
            Some(Role::Hidden | Role::ExpertIn | Role::ExpertOut)
        ) {
            return self.stored_axes(layout);
        }
        let mut growing = self.growing();
        let (axis, None) = (growing.next()?, growing.next()) else {
            return None;
        };
        let stored = self.stored_axes(layout);
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
            Role::Output | Role::Router => Some(Axes {
                fan_in: Some(axis),
                fan_out: other,
            }),
            Role::Fixed | Role::Hidden | Role::ExpertIn | Role::ExpertOut => None,
        }
    }

    fn declared_expert(&self) -> Option<Role> {
        self.declared.filter(|role| role.is_of_experts())
    }

    fn role(&self, name: &ParamName, axes: Axes, must_grow: bool) -> Result<Role, WidthsError> {
        let mut stray = self.growing().collect::<Vec<usize>>();
        stray.retain(|&axis| !axes.both().any(|known| known == axis));
        if !stray.is_empty() {
            return Err(WidthsError::TooManyGrowing {
                name: name.clone(),
                axes: stray,
            });
        }
        let [grows_in, grows_out] =
            [axes.fan_in, axes.fan_out].map(|axis| axis.is_some_and(|axis| self.grows(axis)));
        let rank = self.extents.len() - usize::from(self.stacked.is_some());
        let is_vector = rank == 1 || self.declared == Some(Role::Vector);
        if let Some(role) = self.declared_expert().filter(|_| !is_vector) {
            // Whatever grows: their laws follow the number of experts too.
            return Ok(role);
        }
        let found = match (grows_in, grows_out) {
            (false, false) => Role::Fixed,
            // Inside the network: keys of a fixed number of heads, a part that grows alone.
            _ if self.declared == Some(Role::Hidden) && !is_vector => Role::Hidden,
            (false, true) if is_vector => Role::Vector,
            (false, true) => Role::Input,
            (true, true) => Role::Hidden,
            (true, false) => Role::Output,
        };
        match self.declared {
            Some(declared) if found == Role::Fixed && !must_grow => Ok(declared),
            Some(declared) if declared != found => Err(WidthsError::Contradiction {
                name: name.clone(),
                declared,
                found,
            }),
            _ => Ok(found),
        }
    }
}

/// The axis that counts experts whose matrices lie in one tensor: no layer sums over it.
fn expert_axis(role: Role, axes: Option<Axes>, rank: usize) -> Option<usize> {
    let axes = axes.filter(|axes| role.is_of_experts() && axes.both().count() == 2)?;
    let mut others = (0..rank).filter(|axis| !axes.both().any(|known| known == *axis));
    let axis = others.next()?;
    others.next().is_none().then_some(axis)
}

pub(crate) fn no_zero(
    name: &ParamName,
    shape: &Shape,
    model: &'static str,
) -> Result<(), WidthsError> {
    match shape.dims.iter().position(|&size| size == 0) {
        Some(axis) => Err(WidthsError::ZeroDimension {
            name: name.clone(),
            axis,
            model,
        }),
        None => Ok(()),
    }
}
