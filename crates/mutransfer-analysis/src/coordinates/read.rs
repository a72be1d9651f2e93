//! Measurements of other programs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use csv::StringRecord;
use mutransfer::theory::{Layer, Quantity};
use rayon::prelude::*;
use serde::Deserialize;

use crate::coordinates::error::CoordinateError;
use crate::coordinates::layers::{Evidence, Layers, Module};
use crate::coordinates::size::Coordinate;
use crate::table::text::{PartReader, parts, reader};

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
    /// All rows of all files, each layer as if it were inside.
    rows: Vec<Coordinate>,
    modules: BTreeMap<String, Seen>,
}

/// What the rows of a module say of it.
#[derive(Clone, Debug, Default)]
struct Seen {
    column: Option<Layer>,
    features: BTreeSet<usize>,
    widths: BTreeSet<usize>,
}

impl Seen {
    fn add(&mut self, layer: Option<Layer>, features: Option<usize>, width: usize) {
        self.column = self.column.or(layer);
        self.features.extend(features);
        self.widths.insert(width);
    }

    fn append(&mut self, mut other: Self) {
        self.column = self.column.or(other.column);
        self.features.append(&mut other.features);
        self.widths.append(&mut other.widths);
    }
}

/// What a table does not say of its rows.
struct Given<'a> {
    rule: &'a str,
    width: Option<usize>,
    starts_at_zero: bool,
}

impl Given<'_> {
    /// Rows with what they say of their modules.
    fn measurements(&self, written: Vec<Written>) -> Result<Measurements, String> {
        let mut rows = Vec::with_capacity(written.len());
        let mut modules: HashMap<String, Seen> = HashMap::new();
        for row in written {
            let (layer, features) = (row.layer, row.features);
            let row = self.row(row)?;
            if let Some(seen) = modules.get_mut(&row.module) {
                seen.add(layer, features, row.width);
            } else {
                let seen = modules.entry(row.module.clone()).or_default();
                seen.add(layer, features, row.width);
            }
            rows.push(row);
        }
        let modules = modules.into_iter().collect();
        Ok(Measurements { rows, modules })
    }

    fn row(&self, row: Written) -> Result<Coordinate, String> {
        let first = usize::from(!self.starts_at_zero);
        let forward = row.t.map(|t| t.saturating_sub(first));
        let (Some(width), Some(step)) = (
            row.width.or(self.width.map(|width| width as f64)),
            row.step.or(forward),
        ) else {
            return Err("a row has no width, or neither step nor t".to_owned());
        };
        if width.fract() != 0.0 || width < 1.0 {
            return Err(format!("`{width}` is no width"));
        }
        Ok(Coordinate {
            rule: row.rule.unwrap_or_else(|| self.rule.to_owned()),
            width: width as usize,
            seed: row.seed.unwrap_or(0),
            step,
            module: row.module,
            layer: Layer::Hidden,
            quantity: row.quantity.unwrap_or(Quantity::Activation),
            l1: row.l1,
            l2: row.l2.unwrap_or(f64::NAN),
            std: row.std.unwrap_or(f64::NAN),
        })
    }
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
    pub fn add(
        &mut self,
        text: &str,
        rule: &str,
        width: Option<usize>,
    ) -> Result<(), CoordinateError> {
        let written = written(text).map_err(|message| CoordinateError::Table { message })?;
        let starts_at_zero = written.iter().flatten().any(|row| row.t == Some(0));
        let given = Given {
            rule,
            width,
            starts_at_zero,
        };
        let parts = written.into_par_iter().map(|part| given.measurements(part));
        let parts: Result<Vec<Self>, String> = parts.collect();
        for part in parts.map_err(|message| CoordinateError::Table { message })? {
            if self.rows.is_empty() {
                self.rows = part.rows;
            } else {
                self.rows.extend(part.rows);
            }
            for (name, seen) in part.modules {
                self.modules.entry(name).or_default().append(seen);
            }
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
        mut self,
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
        for row in &mut self.rows {
            if let Some((layer, _)) = known.get(&row.module) {
                row.layer = *layer;
            }
        }
        Ok((self.rows, ends))
    }

    fn modules(&self) -> Vec<Module<'_>> {
        let module = |(name, seen): (_, &Seen)| Module {
            name,
            column: seen.column,
            is_fixed: seen.features.len() == 1 && seen.widths.len() > 1,
        };
        let modules = self.modules.iter();
        modules
            .map(|(name, seen)| module((name.as_str(), seen)))
            .collect()
    }
}

/// The rows of a table in parts, whether it has a row or a column for each module.
fn written(text: &str) -> Result<Vec<Vec<Written>>, String> {
    // The whole table knows the line of an error.
    in_parts(text).map_or_else(|| whole(text).map(|rows| vec![rows]), Ok)
}

/// Whether a table has a row for each module.
fn has_rows(header: &StringRecord) -> bool {
    header
        .iter()
        .any(|column| ["module", "l1"].contains(&column))
}

/// The rows of a large table in order, several parts read at a time; none where this cannot be, or a
/// row cannot be read.
fn in_parts(text: &str) -> Option<Vec<Vec<Written>>> {
    let mut readers = parts(text, rayon::current_num_threads());
    if !has_rows(readers.first_mut()?.headers().ok()?) {
        return None;
    }
    let rows = |reader: PartReader| reader.into_deserialize().collect();
    let parts: Result<Vec<Vec<Written>>, csv::Error> = readers.into_par_iter().map(rows).collect();
    parts.ok()
}

// Long, as the two shapes of a table are told apart in one place.
fn whole(text: &str) -> Result<Vec<Written>, String> {
    let mut reader = reader(text, false);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    if has_rows(&header) {
        let rows: Result<Vec<Written>, csv::Error> = reader.into_deserialize().collect();
        return rows.map_err(|error| error.to_string());
    }
    let records: Result<Vec<StringRecord>, csv::Error> = reader.into_records().collect();
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
