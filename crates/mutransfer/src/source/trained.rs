//! What of a checkpoint is trained, by names that frameworks give to the rest.

use std::collections::BTreeMap;

use crate::error::{Error, ShapesError};
use crate::shape::{ParamName, Shape, Shapes};

/// What wrappers put into a name: torch.compile, FSDP, activation checkpointing.
const WRAPPERS: [&str; 3] = [
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];
/// What data parallel wrappers put before all names.
const PARALLEL: &str = "module.";

/// Kinds of tensors that no optimizer has, and how their names end.
const UNTRAINED: [(&str, &[&str]); 3] = [
    (
        "running statistics",
        &["running_mean", "running_var", "num_batches_tracked"],
    ),
    (
        "quantisation scales",
        &[
            "weight_scale",
            "weight_scale_inv",
            "weight_scale_2",
            "input_scale",
            "output_scale",
            "k_scale",
            "v_scale",
            "SCB",
            "absmax",
            "quant_map",
            "nested_absmax",
            "nested_quant_map",
        ],
    ),
    (
        "constants",
        &[
            "inv_freq",
            "position_ids",
            "masked_bias",
            "relative_position_index",
            "attn_mask",
        ],
    ),
];
/// The collection in which Flax keeps running statistics.
const BATCH_STATS: &str = "batch_stats";
/// How the names of weights end that are stored as packed integers, whose sizes are not the
/// layer's.
const PACKED: [&str; 3] = ["qweight", "weight_packed", "qzeros"];

/// Tensors of one kind that were left out of a model's shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// What they are.
    pub what: &'static str,
    /// One of them.
    pub example: ParamName,
    /// How many there are.
    pub count: usize,
}

impl Shapes {
    /// The shapes of what is trained, under the names that the model itself gives: without what
    /// wrappers of torch put into names, without running statistics, scales of quantised weights
    /// and constants. What was left out is said.
    ///
    /// # Errors
    /// When a weight is packed into integers, so that its sizes are not the layer's, or when two
    /// names become one.
    pub fn trained(self) -> Result<(Self, Vec<LeftOut>), Error> {
        let is_parallel = self
            .iter()
            .all(|(name, _)| name.as_str().starts_with(PARALLEL));
        let mut kept: BTreeMap<String, Shape> = BTreeMap::new();
        let mut left: BTreeMap<&'static str, LeftOut> = BTreeMap::new();
        for (name, shape) in self.iter() {
            if PACKED.contains(&last(name)) {
                return Err(ShapesError::Packed { name: name.clone() }.into());
            }
            if let Some(what) = untrained(name, shape) {
                let of_kind = left.entry(what).or_insert_with(|| LeftOut {
                    what,
                    example: name.clone(),
                    count: 0,
                });
                of_kind.count += 1;
                continue;
            }
            let own = unwrapped(name.as_str(), is_parallel);
            if kept.insert(own.clone(), shape.clone()).is_some() {
                let (format, name) = ("the model", own.into());
                return Err(ShapesError::GivenTwice { format, name }.into());
            }
        }
        Ok((kept.into_iter().collect(), left.into_values().collect()))
    }

    /// These and those of another file of the same model.
    ///
    /// # Errors
    /// When both have a parameter of one name.
    pub fn with(self, other: Self) -> Result<Self, Error> {
        if let Some((name, _)) = other
            .iter()
            .find(|(name, _)| self.get(name.as_str()).is_some())
        {
            let (format, name) = ("several files", name.clone());
            return Err(ShapesError::GivenTwice { format, name }.into());
        }
        let both = self.iter().chain(other.iter());
        Ok(both
            .map(|(name, shape)| (name.clone(), shape.clone()))
            .collect())
    }
}

fn last(name: &ParamName) -> &str {
    name.as_str().rsplit(['.', '/']).next().unwrap_or_default()
}

fn untrained(name: &ParamName, shape: &Shape) -> Option<&'static str> {
    let own = last(name);
    let named = UNTRAINED.iter().find(|(_, ends)| ends.contains(&own));
    let of_flax = name.as_str().split(['.', '/']).next() == Some(BATCH_STATS);
    match named {
        Some((what, _)) => Some(what),
        None if of_flax => Some(UNTRAINED[0].0),
        // GPT-2 stores the mask of its attention under the name of a bias.
        None => matches!(shape.dims[..], [1, 1, rows, columns] if own == "bias" && rows == columns)
            .then_some("masks"),
    }
}

fn unwrapped(name: &str, is_parallel: bool) -> String {
    let name = if is_parallel {
        &name[PARALLEL.len()..]
    } else {
        name
    };
    let parts = name.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.collect::<Vec<_>>().join(".")
}
