//! Shapes from the header of a safetensors file: any checkpoint, without a framework.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::json::Unique;

use crate::error::{Error, ShapesError};
use crate::shape::{ParamName, Shape, Shapes};

const FORMAT: &str = "safetensors";

impl Shapes {
    /// Reads the names and dimensions of all float tensors from the beginning of a safetensors
    /// file: its header, whose length is in the first eight bytes. Integer tensors are counters and
    /// masks, which nothing trains.
    ///
    /// # Errors
    /// When the bytes are no such header or end within it, or when a weight is of integers.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let header = header(bytes).ok_or(ShapesError::ShortHeader {
            format: FORMAT,
            bytes: bytes.len(),
        })?;
        let syntax = |error: serde_json::Error| ShapesError::Syntax {
            format: FORMAT,
            message: error.to_string(),
        };
        // The crate's own reader takes the last of two tensors of one name.
        serde_json::from_slice::<Unique<IgnoredAny>>(header).map_err(syntax)?;
        let header: Metadata = serde_json::from_slice(header).map_err(syntax)?;
        let tensors = header.tensors();
        let is_packed = |name: &str| name.ends_with(".weight") || name == "weight";
        let mut integers = tensors.iter().filter(|(_, tensor)| !is_float(tensor.dtype));
        if let Some((name, _)) = integers.find(|(name, _)| is_packed(name)) {
            let name = name.as_str().into();
            return Err(ShapesError::Packed { name }.into());
        }
        let trained = tensors.iter().filter(|(_, tensor)| is_float(tensor.dtype));
        Ok(trained
            .map(|(name, tensor)| (name.as_str(), Shape::new(tensor.shape.clone())))
            .collect())
    }
}

/// Which file has which tensor, from the index of a checkpoint in several safetensors files; none
/// where the text is something else.
pub fn shards(text: &str) -> Option<BTreeMap<ParamName, String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<ParamName, String>,
    }
    let index: Index = serde_json::from_str(text).ok()?;
    Some(index.weight_map)
}

/// The crate's own reader wants the whole file, which may be larger than memory.
fn header(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

fn is_float(dtype: Dtype) -> bool {
    !matches!(
        dtype,
        Dtype::BOOL
            | Dtype::U8
            | Dtype::I8
            | Dtype::I16
            | Dtype::U16
            | Dtype::I32
            | Dtype::U32
            | Dtype::I64
            | Dtype::U64
    )
}
