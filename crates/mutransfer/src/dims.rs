//! Dimensions of a parameter, and how many terms and outputs they make.

use serde::Serialize;

use crate::power::{Ratio, Ratios};
use crate::shape::Axes;

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

/// How many terms an output sums over and how many outputs a term reaches, receptive field
/// included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fans<'a> {
    dims: &'a [Dim],
    axes: Option<Axes>,
    /// An axis that counts blocks or experts, which no layer sums over or writes to.
    stacked: Option<usize>,
}

impl<'a> Fans<'a> {
    pub(crate) fn of(dims: &'a [Dim], axes: Option<Axes>, stacked: Option<usize>) -> Self {
        Self {
            dims,
            axes,
            stacked,
        }
    }

    /// 1 for what sums over no axis: biases, gains, look-up tables.
    pub(crate) fn fan_in(self, size: fn(Dim) -> usize) -> usize {
        match self.axes {
            Some(Axes {
                fan_in: Some(_),
                fan_out,
            }) => self.product(size, fan_out),
            _ => 1,
        }
    }

    pub(crate) fn fan_out(self, size: fn(Dim) -> usize) -> usize {
        match self.axes {
            Some(Axes {
                fan_in: None,
                fan_out: Some(out),
            }) => size(self.dims[out]),
            Some(Axes {
                fan_in,
                fan_out: Some(_),
            }) => self.product(size, fan_in),
            _ => 1,
        }
    }

    /// How many outputs there are, without a receptive field.
    pub(crate) fn outputs(self, size: fn(Dim) -> usize) -> usize {
        self.axes
            .and_then(|axes| axes.fan_out)
            .map_or(1, |axis| size(self.dims[axis]))
    }

    /// What the dimensions alone say; 1 without axes.
    pub(crate) fn ratios(self) -> Ratios {
        let Some(axes) = self.axes else {
            return Ratios::ONE;
        };
        Ratios::ONE
            .with(Ratio::FanIn, self.ratio(axes.fan_in))
            .with(Ratio::FanOut, self.ratio(axes.fan_out))
            .with(
                Ratio::Aspect,
                self.aspect(Dim::size) / self.aspect(Dim::base),
            )
    }

    fn ratio(self, axis: Option<usize>) -> f64 {
        axis.map_or(1.0, |axis| self.dims[axis].ratio())
    }

    /// `min(1, fan_out/fan_in)` of the matrix of all terms and all outputs.
    fn aspect(self, size: fn(Dim) -> usize) -> f64 {
        (self.outputs(size) as f64 / self.fan_in(size) as f64).min(1.0)
    }

    /// Of all dimensions but one.
    fn product(self, size: fn(Dim) -> usize, without: Option<usize>) -> usize {
        (0..self.dims.len())
            .filter(|&axis| Some(axis) != without && Some(axis) != self.stacked)
            .map(|axis| size(self.dims[axis]))
            .fold(1, usize::saturating_mul)
    }
}
