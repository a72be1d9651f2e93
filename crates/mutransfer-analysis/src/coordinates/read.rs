//! Measurements of other programs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use csv::StringRecord;
use mutransfer::theory::{Layer, Quantity};
use serde::Deserialize;

use crate::coordinates::error::CoordinateError;
use crate::coordinates::layers::{Evidence, Layers, Module};
use crate::coordinates::size::Coordinate;
use crate::table::text::reader;

/// A measurement as other programs write it.
#[derive(Deserialize)]
struct Written {
    rule: Option<String>,
    width: Option<f64>,
    seed: Option<u64>,
    step: Option<usize>,
    t: Option<usize>,
    module: String,
    layer: Option<Layer>,
    features: Option<usize>,
    quantity: Option<Quantity>,
    l1: f64,
    l2: Option<f64>,
    std: Option<f64>,
}

/// Columns that are no modules, where every module has a column.
const KEYS: [&str; 5] = ["rule", "width", "seed", "step", "t"];

/// Measurements of another program, and what its modules were taken for.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// All rows of all files.
    written: Vec<Row>,
}

/// A row of a file; `updates` is already counted from the untrained model.
#[derive(Clone, Debug)]
struct Row {
    coordinate: Coordinate,
    layer: Option<Layer>,
    features: Option<usize>,
}

impl Measurements {
    /// Adds the rows of a CSV table of any framework: columns `width`, `step` or `t`, `module` and
    /// `l1`, and where they are there `rule`, `seed`, `layer`, `features` (of the module's output),
    /// `quantity`, `l2`, `std`; others are ignored. Or a column a module, with its sizes. Without
    /// `rule` the rows are of `rule`, and without `width` of `width`; without `quantity`
    /// activations are meant. `step` counts updates, `t` forward passes as the package `mup` does,
    /// of which the first, 1, is before any update; where there is a 0, it counts updates too.
    ///
    /// # Errors
    /// When a column is missing or a cell cannot be read, with the line.
    // Long, as every column of a row is named once.
    pub fn add(
        &mut self,
        text: &str,
        rule: &str,
        width: Option<usize>,
    ) -> Result<(), CoordinateError> {
        let written = written(text).map_err(|message| CoordinateError::Table { message })?;
        let starts_at_zero = written.iter().any(|row| row.t == Some(0));
        for row in written {
            let forward = row.t.map(|t| {
                if starts_at_zero {
                    t
                } else {
                    t.saturating_sub(1)
                }
            });
            let (Some(width), Some(step)) = (
                row.width.or(width.map(|width| width as f64)),
                row.step.or(forward),
            ) else {
                let message = "a row has no width, or neither step nor t".to_owned();
                return Err(CoordinateError::Table { message });
            };
            if width.fract() != 0.0 || width < 1.0 {
                let message = format!("`{width}` is no width");
                return Err(CoordinateError::Table { message });
            }
            self.written.push(Row {
                layer: row.layer,
                features: row.features,
                coordinate: Coordinate {
                    rule: row.rule.unwrap_or_else(|| rule.to_owned()),
                    width: width as usize,
                    seed: row.seed.unwrap_or(0),
                    step,
                    module: row.module,
                    layer: Layer::Hidden,
                    quantity: row.quantity.unwrap_or(Quantity::Activation),
                    l1: row.l1,
                    l2: row.l2.unwrap_or(f64::NAN),
                    std: row.std.unwrap_or(f64::NAN),
                },
            });
        }
        Ok(())
    }

    /// The measurements with the layer of every module, and why an end of the network was taken for
    /// one. What nothing speaks of is inside.
    ///
    /// # Errors
    /// When no readout is known and none is said to be absent, or a module that was named is not
    /// there.
    #[expect(
        clippy::type_complexity,
        reason = "a table, and a line for each module"
    )]
    pub fn placed(
        self,
        layers: &Layers,
    ) -> Result<(Vec<Coordinate>, Vec<(String, Layer, Evidence)>), CoordinateError> {
        let modules = self.modules();
        let found: BTreeMap<&str, Option<(Layer, Evidence)>> = modules
            .iter()
            .map(|module| (module.name, layers.of(module)))
            .collect();
        layers.check(&found)?;
        let known: HashMap<String, (Layer, Evidence)> = found
            .into_iter()
            .filter_map(|(name, found)| Some((name.to_owned(), found?)))
            .collect();
        let is_end = |(_, (layer, _)): &(&String, &(Layer, Evidence))| *layer != Layer::Hidden;
        let mut ends: Vec<(String, Layer, Evidence)> = known
            .iter()
            .filter(is_end)
            .map(|(name, (layer, evidence))| (name.clone(), *layer, *evidence))
            .collect();
        ends.sort_by(|a, b| a.0.cmp(&b.0));
        let rows = self.written.into_iter().map(|row| Coordinate {
            layer: known
                .get(&row.coordinate.module)
                .map_or(Layer::Hidden, |(layer, _)| *layer),
            ..row.coordinate
        });
        Ok((rows.collect(), ends))
    }

    fn modules(&self) -> Vec<Module<'_>> {
        let mut modules: BTreeMap<&str, Seen> = BTreeMap::new();
        for row in &self.written {
            let entry = modules.entry(&row.coordinate.module).or_default();
            entry.column = entry.column.or(row.layer);
            entry.features.extend(row.features);
            entry.widths.insert(row.coordinate.width);
        }
        let module = |(name, seen): (_, Seen)| Module {
            name,
            column: seen.column,
            is_fixed: seen.features.len() == 1 && seen.widths.len() > 1,
        };
        modules.into_iter().map(module).collect()
    }
}

/// What the rows of a module say of it.
#[derive(Default)]
struct Seen {
    column: Option<Layer>,
    features: BTreeSet<usize>,
    widths: BTreeSet<usize>,
}

/// The rows of a table, whether it has a row or a column for each module.
// Long, as the two shapes of a table are told apart in one place.
fn written(text: &str) -> Result<Vec<Written>, String> {
    let mut reader = reader(text, false);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let has = |name: &str| header.iter().any(|column| column == name);
    if has("module") || has("l1") {
        let rows: Result<Vec<Written>, csv::Error> = reader.deserialize().collect();
        return rows.map_err(|error| error.to_string());
    }
    let records: Result<Vec<StringRecord>, csv::Error> = reader.records().collect();
    let records = records.map_err(|error| error.to_string())?;
    let is_number = |column: usize| {
        records
            .iter()
            .all(|record| record[column].parse::<f64>().is_ok())
    };
    let modules: Vec<usize> = (0..header.len())
        .filter(|column| {
            let name = &header[*column];
            let is_index = name.is_empty() || name.starts_with("Unnamed");
            !KEYS.contains(&name) && !is_index && is_number(*column)
        })
        .collect();
    if modules.is_empty() {
        return Err("there is no column `module` with `l1`, nor a column of sizes".to_owned());
    }
    let keys = |record: &StringRecord, module: usize| {
        let names = KEYS.iter().filter_map(|key| {
            let at = header.iter().position(|column| column == *key)?;
            Some((*key, record[at].to_owned()))
        });
        let own = [
            ("module", header[module].to_owned()),
            ("l1", record[module].to_owned()),
        ];
        let (names, cells): (StringRecord, StringRecord) = names.chain(own).unzip();
        cells
            .deserialize(Some(&names))
            .map_err(|error| error.to_string())
    };
    let all = records
        .iter()
        .flat_map(|record| modules.iter().map(move |module| (record, *module)));
    all.map(|(record, module)| keys(record, module)).collect()
}

/// [`Measurements::add`] and [`Measurements::placed`] of one file, of which nothing else is said.
///
/// # Errors
/// As these.
pub fn coordinates_from_csv(text: &str, rule: &str) -> Result<Vec<Coordinate>, CoordinateError> {
    let mut measurements = Measurements::default();
    measurements.add(text, rule, None)?;
    Ok(measurements.placed(&Layers::default())?.0)
}
