//! Measurements of other programs.

use mutransfer::theory::{Layer, Quantity};
use serde::Deserialize;

use crate::coordinates::error::CoordinateError;
use crate::coordinates::size::Coordinate;
use crate::table::text::reader;

/// A measurement as other programs write it.
#[derive(Deserialize)]
struct Written {
    rule: Option<String>,
    width: usize,
    seed: Option<u64>,
    #[serde(alias = "t")]
    step: usize,
    module: String,
    layer: Option<Layer>,
    quantity: Option<Quantity>,
    l1: f64,
    l2: Option<f64>,
    std: Option<f64>,
}

/// Reads measurements of any framework from CSV: columns `width`, `step` (or `t`), `module` and
/// `l1`, and where they are there `rule`, `seed`, `layer`, `quantity`, `l2`, `std`; others are
/// ignored. Without `rule` the rows are of `rule`, without `layer` a module is placed by its name,
/// and without `quantity` activations are meant. Steps count from the first one in the table, which
/// is taken to be untrained.
///
/// # Errors
/// When a column is missing or a cell cannot be read, with the line.
pub fn coordinates_from_csv(text: &str, rule: &str) -> Result<Vec<Coordinate>, CoordinateError> {
    let written: Result<Vec<Written>, csv::Error> = reader(text, false).deserialize().collect();
    let written = written.map_err(|error| CoordinateError::Table {
        message: error.to_string(),
    })?;
    let first = written.iter().map(|row| row.step).min().unwrap_or(0);
    Ok(written
        .into_iter()
        .map(|row| coordinate(row, rule, first))
        .collect())
}

fn coordinate(row: Written, rule: &str, first: usize) -> Coordinate {
    Coordinate {
        rule: row.rule.unwrap_or_else(|| rule.to_owned()),
        width: row.width,
        seed: row.seed.unwrap_or(0),
        step: row.step - first,
        layer: row.layer.unwrap_or_else(|| layer_of(&row.module)),
        quantity: row.quantity.unwrap_or(Quantity::Activation),
        module: row.module,
        l1: row.l1,
        l2: row.l2.unwrap_or(f64::NAN),
        std: row.std.unwrap_or(f64::NAN),
    }
}

/// The end of the network that a module's name speaks of.
fn layer_of(module: &str) -> Layer {
    const NAMES: [(Layer, &[&str]); 3] = [
        (Layer::Attention, &["attention.logits", "attn_logits"]),
        (
            Layer::Output,
            &[
                "readout",
                "lm_head",
                "logits",
                "unembed",
                "classifier",
                "output layer",
            ],
        ),
        (Layer::Input, &["embed", "wte", "wpe", "input"]),
    ];
    let lower = module.to_ascii_lowercase();
    let named = NAMES
        .iter()
        .find(|(_, names)| names.iter().any(|name| lower.contains(name)));
    named.map_or(Layer::Hidden, |(layer, _)| *layer)
}
