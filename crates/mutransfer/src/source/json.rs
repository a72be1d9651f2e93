//! Shapes as JSON: `{"name": [dims]}` or `{"name": {"dims": [..], "fan_in": axis, "fan_out":
//! axis}}`, nested as a tree of modules too, and the header of a safetensors file.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, ShapesError};
use crate::shape::{Axes, Shape, Shapes};

/// What the header of a safetensors file holds beside tensors.
const METADATA: &str = "__metadata__";

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a list of sizes, \
                 or {\"dims\": [...], \"fan_in\": axis, \"fan_out\": axis}, \
                 or an object of these"
)]
enum Written {
    Dims(Vec<usize>),
    Oriented(Oriented),
    Header(Header),
    Tree(Unique<Written>),
}

/// As in the header of a safetensors file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(rename = "dtype")]
    _dtype: String,
    shape: Vec<usize>,
    #[serde(rename = "data_offsets")]
    _data_offsets: Option<[u64; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Oriented {
    dims: Vec<usize>,
    fan_in: Option<usize>,
    fan_out: Option<usize>,
}

impl Written {
    /// The shapes of it, with the names of a tree joined by dots.
    fn flatten(self, name: String, found: &mut Vec<(String, Shape)>) {
        let shape = match self {
            Self::Dims(dims) => Shape::new(dims),
            Self::Header(Header { shape, .. }) => Shape::new(shape),
            Self::Oriented(Oriented {
                dims,
                fan_in: None,
                fan_out: None,
            }) => Shape::new(dims),
            Self::Oriented(Oriented {
                dims,
                fan_in,
                fan_out,
            }) => Shape::new(dims).with_axes(Axes { fan_in, fan_out }),
            Self::Tree(tree) => {
                for (part, written) in tree.0 {
                    written.flatten(format!("{name}.{part}"), found);
                }
                return;
            }
        };
        found.push((name, shape));
    }
}

impl Shapes {
    /// Reads shapes written as JSON, with axes where they are given.
    ///
    /// ```
    /// use mutransfer::Shapes;
    ///
    /// let text = r#"{"w": {"dims": [64, 10], "fan_in": 0, "fan_out": 1}, "b": [10]}"#;
    /// let shapes = Shapes::from_json(text)?;
    /// let axes = shapes.get("w").and_then(|shape| shape.axes);
    /// assert_eq!(axes.and_then(|axes| axes.fan_in), Some(0));
    /// # Ok::<(), mutransfer::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the text is not such JSON, with line and column.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let written: Unique<Written> =
            serde_json::from_str(text).map_err(|error| ShapesError::Syntax {
                format: "JSON",
                message: error.to_string(),
            })?;
        let mut found = Vec::new();
        for (name, written) in written.0 {
            written.flatten(name, &mut found);
        }
        Ok(found.into_iter().collect())
    }
}

/// A map that refuses a name given twice, which a plain one would silently overwrite.
pub(super) struct Unique<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Unique<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with a shape for each parameter name")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<Self::Value, A::Error> {
                let mut map = BTreeMap::new();
                while let Some(name) = access.next_key::<String>()? {
                    if name == METADATA {
                        access.next_value::<serde::de::IgnoredAny>()?;
                        continue;
                    }
                    let named =
                        |error| serde::de::Error::custom(format!("parameter `{name}`: {error}"));
                    let value = access.next_value().map_err(named)?;
                    if map.insert(name.clone(), value).is_some() {
                        return Err(serde::de::Error::custom(format!(
                            "parameter `{name}` is given twice"
                        )));
                    }
                }
                Ok(Unique(map))
            }
        }
        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}
