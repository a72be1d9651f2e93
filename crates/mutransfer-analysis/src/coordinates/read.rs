//! Measurements of other programs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

use csv::StringRecord;
use mutransfer::theory::{Layer, Quantity};
use rayon::prelude::*;
use serde::Deserialize;

use crate::coordinates::error::CoordinateError;
use crate::coordinates::layers::{Evidence, Layers, Module};
use crate::coordinates::size::Coordinate;
use crate::table::text::{parts, reader};

/// A measurement as other programs write it.
#[derive(Deserialize)]
struct Written<'a> {
    rule: Option<&'a str>,
    width: Option<f64>,
    seed: Option<u64>,
    step: Option<usize>,
    t: Option<usize>,
    module: &'a str,
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
    modules: BTreeMap<Arc<str>, Seen>,
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
struct Given {
    rule: Arc<str>,
    width: Option<usize>,
}

/// A table, or a part of one, as far as it is read.
struct Reading<'a> {
    given: &'a Given,
    rows: Vec<Coordinate>,
    /// Places of rows whose step is the number of a forward pass so far.
    passes: Vec<usize>,
    modules: Vec<(Arc<str>, Seen)>,
    /// Places of these.
    places: HashMap<Arc<str>, usize>,
}

impl<'a> Reading<'a> {
    fn of(given: &'a Given) -> Self {
        Self {
            given,
            rows: Vec::new(),
            passes: Vec::new(),
            modules: Vec::new(),
            places: HashMap::new(),
        }
    }

    fn add(&mut self, row: &Written) -> Result<(), String> {
        let width = row.width.or(self.given.width.map(|width| width as f64));
        let (Some(width), Some(step)) = (width, row.step.or(row.t)) else {
            return Err("a row has no width, or neither step nor t".to_owned());
        };
        if width.fract() != 0.0 || width < 1.0 {
            return Err(format!("`{width}` is no width"));
        }
        let width = width as usize;
        if row.step.is_none() {
            self.passes.push(self.rows.len());
        }
        let module = self.module(row, width);
        self.rows.push(Coordinate {
            rule: self.rule(row.rule),
            width,
            seed: row.seed.unwrap_or(0),
            step,
            module,
            layer: Layer::Hidden,
            quantity: row.quantity.unwrap_or(Quantity::Activation),
            l1: row.l1,
            l2: row.l2.unwrap_or(f64::NAN),
            std: row.std.unwrap_or(f64::NAN),
        });
        Ok(())
    }

    /// A name for all rows of a rule that follow one another.
    fn rule(&self, written: Option<&str>) -> Arc<str> {
        let last = self.rows.last().map_or(&self.given.rule, |row| &row.rule);
        match written {
            None => self.given.rule.clone(),
            Some(rule) if **last == *rule => last.clone(),
            Some(rule) => rule.into(),
        }
    }

    /// A name for all rows of a module.
    fn module(&mut self, row: &Written, width: usize) -> Arc<str> {
        let place = self.places.get(row.module).copied().unwrap_or_else(|| {
            let name: Arc<str> = row.module.into();
            self.places.insert(name.clone(), self.modules.len());
            self.modules.push((name, Seen::default()));
            self.modules.len() - 1
        });
        let (name, seen) = &mut self.modules[place];
        seen.add(row.layer, row.features, width);
        name.clone()
    }

    fn starts_at_zero(&self) -> bool {
        self.passes.iter().any(|place| self.rows[*place].step == 0)
    }

    /// Steps count updates: none comes before the first forward pass, which is 1.
    fn count_updates(&mut self) {
        for place in &self.passes {
            self.rows[*place].step -= 1;
        }
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
        let rule = rule.into();
        let given = Given { rule, width };
        let parts = read(text, &given);
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
        self.rows.par_iter_mut().for_each(|row| {
            if let Some((layer, _)) = known.get(&*row.module) {
                row.layer = *layer;
            }
        });
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
            .map(|(name, seen)| module((&**name, seen)))
            .collect()
    }
}

/// A table in parts, whether it has a row or a column for each module.
fn read<'a>(text: &str, given: &'a Given) -> Result<Vec<Reading<'a>>, String> {
    // The whole table knows the line of an error.
    let parts = in_parts(text, given);
    let mut parts = parts.map_or_else(|| whole(text, given).map(|all| vec![all]), Ok)?;
    if !parts.iter().any(Reading::starts_at_zero) {
        parts.par_iter_mut().for_each(Reading::count_updates);
    }
    Ok(parts)
}

/// Whether a table has a row for each module.
fn has_rows(header: &StringRecord) -> bool {
    header
        .iter()
        .any(|column| ["module", "l1"].contains(&column))
}

/// A large table in order, several parts read at a time; none where this cannot be, or a row cannot
/// be read.
fn in_parts<'a>(text: &str, given: &'a Given) -> Option<Vec<Reading<'a>>> {
    let mut readers = parts(text, rayon::current_num_threads());
    if !has_rows(readers.first_mut()?.headers().ok()?) {
        return None;
    }
    let read = |mut reader| rows(&mut reader, given).ok();
    readers.into_par_iter().map(read).collect()
}

/// A table with a row for each module.
fn rows<'a>(reader: &mut csv::Reader<impl Read>, given: &'a Given) -> Result<Reading<'a>, String> {
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut reading = Reading::of(given);
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| error.to_string())?
    {
        let row = record.deserialize(Some(&header));
        reading.add(&row.map_err(|error| error.to_string())?)?;
    }
    Ok(reading)
}

// Long, as the two shapes of a table are told apart in one place.
fn whole<'a>(text: &str, given: &'a Given) -> Result<Reading<'a>, String> {
    let mut reader = reader(text, false);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    if has_rows(&header) {
        return rows(&mut reader, given);
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
    let place = |key: &&'static str| Some((*key, header.iter().position(|name| name == *key)?));
    let keys: Vec<(&str, usize)> = KEYS.iter().filter_map(place).collect();
    let mut reading = Reading::of(given);
    for record in &records {
        for &module in &modules {
            let own = [("module", &header[module]), ("l1", &record[module])];
            let keys = keys.iter().map(|(key, at)| (*key, &record[*at]));
            let (names, cells): (StringRecord, StringRecord) = keys.chain(own).unzip();
            let row = cells.deserialize(Some(&names));
            reading.add(&row.map_err(|error| error.to_string())?)?;
        }
    }
    Ok(reading)
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
