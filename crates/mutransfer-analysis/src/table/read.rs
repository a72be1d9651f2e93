//! Tables of runs, made by any program: one row per run, columns in any order.

use std::collections::BTreeSet;

use csv::StringRecord;

use crate::table::columns::{Columns, Places};
use crate::table::error::{Spot, TableError};
use crate::table::row::Row;
use crate::table::run::End;
use crate::table::settings::{Clash, Settings, same};
use crate::table::sweep::{Listed, Listing, Sweeps};
use crate::table::text::reader;

/// Values of a filter that are named where none fits.
const NAMED: usize = 8;

/// Reads tables, given as pairs of name and CSV text, as one.
///
/// Needed are the columns `rule`, axis, sweep, `seed` and loss. `status` is `ok`, `diverged` or
/// `failed`; a run has also diverged if its loss is not finite, or above `first_loss` where there
/// is such a column. Any further column must not vary within one rule, else different experiments
/// would be averaged; it may follow the axis one to one.
///
/// # Errors
/// At the first row that cannot be used, with its file, line and column.
pub fn read_tables(files: &[(String, String)], columns: &Columns) -> Result<Sweeps, TableError> {
    columns.check()?;
    let mut reading = Reading {
        columns,
        listing: Listing::default(),
        settings: Settings::default(),
        met: vec![BTreeSet::new(); columns.filters.len()],
    };
    for (file, text) in files {
        let mut csv = reader(text, true);
        let header = csv.headers().map_err(|error| broken(file, &error))?;
        Places::of(file, header, columns, &mut reading.settings)?;
    }
    for (index, (file, text)) in files.iter().enumerate() {
        reading.file(index as u32, file, text)?;
    }
    reading.finish(files)
}

fn broken(file: &str, error: &csv::Error) -> TableError {
    TableError::Row {
        file: file.to_owned(),
        line: error.position().map_or(1, csv::Position::line),
        problem: error.to_string(),
    }
}

/// What has been read so far.
struct Reading<'a> {
    columns: &'a Columns,
    listing: Listing,
    settings: Settings,
    /// Values that each filter has met, to name them when none fits.
    met: Vec<BTreeSet<String>>,
}

impl Reading<'_> {
    fn file(&mut self, index: u32, file: &str, text: &str) -> Result<(), TableError> {
        let mut csv = reader(text, true);
        let header = csv.headers().map_err(|error| broken(file, &error))?.clone();
        let places = Places::of(file, &header, self.columns, &mut self.settings)?;
        let mut cells = StringRecord::new();
        while csv
            .read_record(&mut cells)
            .map_err(|error| broken(file, &error))?
        {
            let row = Row {
                file,
                line: cells.position().map_or(0, csv::Position::line),
                header: &header,
                cells: &cells,
            };
            if cells.len() != header.len() {
                return Err(TableError::Row {
                    file: file.to_owned(),
                    line: row.line,
                    problem: format!("{} cells, but the header has {}", cells.len(), header.len()),
                });
            }
            self.row(index, &places, &row)?;
        }
        Ok(())
    }

    fn row(&mut self, file: u32, places: &Places, row: &Row) -> Result<(), TableError> {
        if !self.passes(places, row) {
            return Ok(());
        }
        self.listing.read += 1;
        let loss = match row.end(places)? {
            End::Failed => {
                self.listing.failed += 1;
                return Ok(());
            }
            End::Diverged => None,
            End::Loss(loss) => Some(loss),
        };
        let name = &row.cells[places.rule];
        if name.is_empty() {
            let fix = "name the parametrization, such as sp or mup";
            return Err(row.wrong(places.rule, "empty".to_owned(), fix));
        }
        let run = Listed {
            rule: self.listing.rule(name),
            at: row.positive(places.axis)?,
            value: row.positive(places.sweep)?,
            seed: row.seed(places.seed)?,
            loss,
            place: (file, row.line as u32),
        };
        let group = self.settings.group(run.rule, run.at);
        for &(cell, column) in &places.settings {
            let value = cell.map_or("", |cell| &row.cells[cell]);
            let added = self.settings.add(column, group, value, run.place);
            added.map_err(|clash| varies(&self.listing, row.file, clash))?;
        }
        self.listing.runs.push(run);
        Ok(())
    }

    /// Whether a row has every value asked for.
    fn passes(&mut self, places: &Places, row: &Row) -> bool {
        for (filter, column) in places.filters.iter().enumerate() {
            let (value, wanted) = (&row.cells[*column], &self.columns.filters[filter].1);
            if !same(value, wanted) {
                let met = &mut self.met[filter];
                if met.len() < NAMED {
                    met.insert(value.to_owned());
                }
                return false;
            }
        }
        true
    }

    fn finish(self, files: &[(String, String)]) -> Result<Sweeps, TableError> {
        if self.listing.runs.is_empty() {
            return Err(self.nothing(files));
        }
        let along = self.settings.along().map_err(|clash| {
            let (file, _) = &files[clash.place.0 as usize];
            varies(&self.listing, file, clash)
        })?;
        let mut listing = self.listing;
        let arranged = listing.arrange();
        let sweeps = arranged.map_err(|pair| duplicate(files, &self.columns.loss, &pair))?;
        Ok(Sweeps { along, ..sweeps })
    }

    fn nothing(&self, files: &[(String, String)]) -> TableError {
        for ((column, value), met) in self.columns.filters.iter().zip(&self.met) {
            if self.listing.read == 0 && !met.is_empty() {
                return TableError::NothingLeft {
                    column: column.clone(),
                    value: value.clone(),
                    found: met.iter().cloned().collect::<Vec<_>>().join(", "),
                };
            }
        }
        let names: Vec<&str> = files.iter().map(|(file, _)| file.as_str()).collect();
        TableError::Empty {
            file: names.join(", "),
        }
    }
}

fn duplicate(files: &[(String, String)], column: &str, [one, other]: &[Listed; 2]) -> TableError {
    TableError::Duplicate {
        spot: spot(files, column, other),
        other: spot(files, column, one),
        first: one.outcome(),
        second: other.outcome(),
    }
}

fn spot(files: &[(String, String)], column: &str, run: &Listed) -> Box<Spot> {
    Box::new(Spot {
        file: files[run.place.0 as usize].0.clone(),
        line: run.place.1.into(),
        column: column.to_owned(),
    })
}

fn varies(listing: &Listing, file: &str, clash: Clash) -> TableError {
    let [first, second] = [clash.first, clash.second].map(|value| {
        if value.is_empty() {
            "no value".to_owned()
        } else {
            value
        }
    });
    TableError::Varies {
        spot: Box::new(Spot {
            file: file.to_owned(),
            line: clash.place.1.into(),
            column: clash.column,
        }),
        rule: listing.rules[clash.rule as usize].clone(),
        first,
        second,
    }
}
