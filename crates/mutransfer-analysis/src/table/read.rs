//! Tables of runs, made by any program: one row per run, columns in any order.

use std::collections::BTreeSet;
use std::mem;

use csv::StringRecord;

use crate::table::columns::{Columns, Header, Places};
use crate::table::error::{Spot, TableError};
use crate::table::kind::kinds;
use crate::table::row::Row;
use crate::table::run::{End, Run};
use crate::table::settings::{Clash, Settings, same};
use crate::table::sweep::{Listed, Listing, Sweeps};
use crate::table::text::reader;

/// Values of a filter that are named where none fits.
const NAMED: usize = 8;

/// Problems of a table that are told in full.
const MOST_PROBLEMS: usize = 12;

/// Reads tables, given as pairs of name and text with commas, tabs or semicolons, as one.
///
/// Needed are columns for the axis, the swept hyperparameter and the loss; `rule` and `seed` where
/// there are several. A column `status` or `state` says how a run ended, in the words of the usual
/// programs; a run has also diverged if its loss is not finite, or above `first_loss` where there
/// is such a column, and it has failed if it has no loss. Any further column must not vary within
/// one rule, else different experiments would be averaged; it may follow the axis one to one. Names
/// of runs, dates, durations and hosts are left out, and listed.
///
/// # Errors
/// All that is wrong with the columns, or with the rows, with file, line and column.
pub fn read_tables(files: &[(String, String)], columns: &Columns) -> Result<Sweeps, TableError> {
    read(files, columns)?.finish(files)
}

/// Reads tables as [`read_tables`] does, and gives their runs one by one, those that failed left
/// out.
///
/// # Errors
/// As [`read_tables`].
pub fn read_runs(files: &[(String, String)], columns: &Columns) -> Result<Vec<Run>, TableError> {
    let reading = read(files, columns)?;
    let runs = reading.listing.runs();
    reading.finish(files)?;
    Ok(runs)
}

fn read<'a>(files: &[(String, String)], columns: &'a Columns) -> Result<Reading<'a>, TableError> {
    columns.check()?;
    let mut reading = Reading {
        columns,
        listing: Listing::default(),
        settings: Settings::default(),
        met: vec![BTreeSet::new(); columns.filters.len()],
        left_out: BTreeSet::new(),
        problems: Vec::new(),
    };
    // All headers first: a setting that only the last file has is one of the first as well.
    for (file, text) in files {
        reading.header(file, text);
    }
    TableError::all(mem::take(&mut reading.problems), MOST_PROBLEMS)?;
    for (index, (file, text)) in files.iter().enumerate() {
        reading.file(index as u32, file, text)?;
    }
    TableError::all(mem::take(&mut reading.problems), MOST_PROBLEMS)?;
    Ok(reading)
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
    /// Columns that were left out.
    left_out: BTreeSet<String>,
    problems: Vec<TableError>,
}

impl Reading<'_> {
    /// Where everything is in a file; none where something is missing, which becomes a problem.
    fn header(&mut self, file: &str, text: &str) -> Option<(StringRecord, Places)> {
        let mut csv = reader(text, true);
        let names = match csv.headers() {
            Ok(names) => names.clone(),
            Err(error) => {
                self.problems.push(broken(file, &error));
                return None;
            }
        };
        let header = Header {
            file,
            names: &names,
            kinds: kinds(&names, csv.records().filter_map(Result::ok)),
        };
        match Places::of(&header, self.columns, &mut self.settings) {
            Ok(places) => {
                self.left_out.extend(places.left_out.iter().cloned());
                Some((names, places))
            }
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    fn file(&mut self, index: u32, file: &str, text: &str) -> Result<(), TableError> {
        let Some((header, places)) = self.header(file, text) else {
            return Ok(());
        };
        let mut csv = reader(text, true);
        csv.headers().map_err(|error| broken(file, &error))?;
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
            let read = if cells.len() == header.len() {
                self.row(index, &places, &row)
            } else {
                Err(TableError::Row {
                    file: file.to_owned(),
                    line: row.line,
                    problem: format!("{} cells, but the header has {}", cells.len(), header.len()),
                })
            };
            if let Err(problem) = read {
                self.note(problem);
            }
        }
        Ok(())
    }

    /// Takes note of a problem; that a setting varies is told once for each.
    fn note(&mut self, problem: TableError) {
        let is_told = |told: &TableError| match (told, &problem) {
            (TableError::Varies { spot: one, .. }, TableError::Varies { spot: other, .. }) => {
                one.column == other.column
            }
            _ => false,
        };
        if !self.problems.iter().any(is_told) {
            self.problems.push(problem);
        }
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
        let name = places
            .rule
            .map_or(places.only_rule.as_str(), |rule| &row.cells[rule]);
        if let Some(rule) = places.rule.filter(|_| name.is_empty()) {
            let fix = "name the parametrization, such as sp or mup";
            return Err(row.wrong(rule, "empty".to_owned(), fix));
        }
        let run = Listed {
            rule: self.listing.rule(name),
            at: row.positive(places.axis)?,
            value: row.positive(places.sweep)?,
            seed: places.seed.map_or(Ok(0), |seed| row.seed(seed))?,
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
        let left_out = self.left_out.into_iter().collect();
        Ok(Sweeps {
            along,
            left_out,
            ..sweeps
        })
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
        let file = names.join(", ");
        match self.listing.failed {
            0 => TableError::Empty { file },
            failed => TableError::AllFailed { file, failed },
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
