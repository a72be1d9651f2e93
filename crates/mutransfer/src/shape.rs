//! Names and dimensions of a model's parameters, from wherever they come.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::names::{UnknownName, all};

/// Dotted path of a parameter, such as `blocks.0.attention.query.weight`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ParamName(String);

impl ParamName {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of the innermost module that has the parameter, or of the parameter itself where that
    /// says more than what kind of tensor it is.
    pub(crate) fn module(&self) -> &str {
        const KINDS: [&str; 8] = [
            "weight", "bias", "kernel", "scale", "gain", "gamma", "beta", "value",
        ];
        let mut parts = self.0.rsplit(['.', '/']);
        let own = parts.next().unwrap_or(&self.0);
        if KINDS.contains(&own) {
            parts.next().unwrap_or(own)
        } else {
            own
        }
    }

    /// The path with every number replaced by `*`: the same for all blocks of a model.
    ///
    /// ```
    /// use mutransfer::ParamName;
    ///
    /// assert_eq!(ParamName::from("blocks.7.norm.weight").template(), "blocks.*.norm.weight");
    /// ```
    pub fn template(&self) -> String {
        let part = |part| {
            if str::parse::<u32>(part).is_ok() {
                "*"
            } else {
                part
            }
        };
        self.0.split('.').map(part).collect::<Vec<_>>().join(".")
    }

    /// Whether the path matches `pattern`, in which `*` stands for any text within one part of the
    /// path.
    ///
    /// ```
    /// use mutransfer::ParamName;
    ///
    /// let name = ParamName::from("blocks.0.mlp.up.weight");
    /// assert!(name.matches("blocks.*.mlp.up.weight"));
    /// assert!(!name.matches("blocks.*.weight"));
    /// ```
    pub fn matches(&self, pattern: &str) -> bool {
        let (mut parts, mut patterns) = (self.0.split('.'), pattern.split('.'));
        loop {
            match (parts.next(), patterns.next()) {
                (None, None) => return true,
                (Some(part), Some(pattern)) if part_matches(part, pattern) => {}
                _ => return false,
            }
        }
    }
}

fn part_matches(part: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => part == pattern,
        Some((head, tail)) => part.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && part_matches(&rest[at..], tail))
        }),
    }
}

impl<T: Into<String>> From<T> for ParamName {
    fn from(name: T) -> Self {
        Self(name.into())
    }
}

impl Borrow<str> for ParamName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which axis a layer sums over (`fan_in`) and which it writes to (`fan_out`).
///
/// Layouts differ between frameworks (burn stores `[in, out]`, torch and candle `[out, in]`), so
/// orientation is data. An embedding sums over no axis: it looks one row up, and has only a
/// `fan_out`, like a bias. Axes that are neither, such as the receptive field of a convolution,
/// never grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axes {
    /// Axis summed over in the forward pass.
    pub fan_in: Option<usize>,
    /// Axis of the output's features.
    pub fan_out: Option<usize>,
}

impl Axes {
    /// Matrices stored `[in, out]`, as in burn.
    pub const IN_OUT: Self = Self {
        fan_in: Some(0),
        fan_out: Some(1),
    };
    /// Matrices and convolutions stored `[out, in, ...]`, as in torch and candle.
    pub const OUT_IN: Self = Self {
        fan_in: Some(1),
        fan_out: Some(0),
    };
    /// Look-up tables stored `[entries, features]`.
    pub const LOOKUP: Self = Self {
        fan_in: None,
        fan_out: Some(1),
    };
    /// Biases and gains.
    pub const VECTOR: Self = Self {
        fan_in: None,
        fan_out: Some(0),
    };

    /// The axes there are.
    pub(crate) fn both(self) -> impl Iterator<Item = usize> {
        [self.fan_in, self.fan_out].into_iter().flatten()
    }
}

/// How a framework stores the weights of its layers, for shapes that do not say it themselves.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownName, parse_err_fn = unknown_layout)]
pub enum Layout {
    /// `[out, in, ...]`: torch, candle. Look-up tables are `[entries, features]` there, which is
    /// the other way round, so a matrix that grows in its last dimension only may be a readout or
    /// an embedding and must be declared.
    OutIn,
    /// `[..., in, out]`: burn, JAX, TensorFlow.
    InOut,
}

fn unknown_layout(name: &str) -> UnknownName {
    UnknownName::new("layout", Layout::VARIANTS, name)
}

impl Layout {
    /// Both.
    pub const ALL: [Self; 2] = all(Self::VARIANTS);

    /// Orientation of a weight with `rank` dimensions, two or more.
    pub(crate) fn axes(self, rank: usize) -> Axes {
        match self {
            Self::OutIn => Axes::OUT_IN,
            Self::InOut => Axes {
                fan_in: Some(rank - 2),
                fan_out: Some(rank - 1),
            },
        }
    }
}

/// Dimensions of one parameter, and which of them are fan-in and fan-out where that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Sizes, in storage order.
    pub dims: Vec<usize>,
    /// Orientation, where known.
    pub axes: Option<Axes>,
}

impl Shape {
    /// Dimensions without orientation; a single dimension is a vector, which needs none.
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        let dims = dims.into();
        let axes = (dims.len() == 1).then_some(Axes::VECTOR);
        Self { dims, axes }
    }

    /// A bias or gain of `size` entries.
    pub fn vector(size: usize) -> Self {
        Self::new([size])
    }

    /// The same dimensions with this orientation.
    pub fn with_axes(self, axes: Axes) -> Self {
        Self {
            axes: Some(axes),
            ..self
        }
    }
}

/// Every parameter of a model with its shape, ordered by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shapes(BTreeMap<ParamName, Shape>);

impl Shapes {
    /// Shape of the parameter of this name.
    pub fn get(&self, name: &str) -> Option<&Shape> {
        self.0.get(name)
    }

    /// Names and shapes in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&ParamName, &Shape)> + Clone {
        self.0.iter()
    }

    /// Those whose names start with `prefix`, in the order of names.
    pub(crate) fn within<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a ParamName, &'a Shape)> {
        let from = self
            .0
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(move |(name, _)| name.as_str().starts_with(prefix))
    }

    /// The same with another parameter, or another shape of one.
    pub(crate) fn with_parameter(mut self, name: ParamName, shape: Shape) -> Self {
        self.0.insert(name, shape);
        self
    }

    /// The same without the parameter of this name.
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// How many parameters (tensors) there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no parameter at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers all parameters hold together; sizes that no memory holds count as the
    /// largest number there is.
    pub fn entries(&self) -> usize {
        let entries = |shape: &Shape| shape.dims.iter().copied().fold(1, usize::saturating_mul);
        self.0.values().map(entries).fold(0, usize::saturating_add)
    }
}

impl<N: Into<ParamName>> FromIterator<(N, Shape)> for Shapes {
    fn from_iter<I: IntoIterator<Item = (N, Shape)>>(items: I) -> Self {
        Self(
            items
                .into_iter()
                .map(|(name, shape)| (name.into(), shape))
                .collect(),
        )
    }
}
