//! Tables of runs, made by any program: one row per run, columns in any order.

use std::collections::{BTreeSet, HashMap};

use csv::StringRecord;

use super::settings::{Clash, Settings, same};
use super::sweep::{Listed, Sweeps, arrange};
use super::{Rows, Spot, TableError};

/// Further columns that are results or names of a run, not settings, so that they may differ from
/// row to row.
const RESULTS: [&str; 14] = [
    "status",
    "run",
    "run_id",
    "id",
    "name",
    "trial",
    "date",
    "time",
    "seconds",
    "wall_time",
    "accuracy",
    "perplexity",
    "gap",
    "note",
];

/// Which column plays which part.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// What grows, such as `width`.
    pub axis: String,
    /// The hyperparameter that was swept, such as `lr`.
    pub sweep: String,
    /// The final loss in nats.
    pub loss: String,
    /// Pairs of column and value: rows with other values are left out.
    pub filters: Vec<(String, String)>,
    /// Columns that are results and no settings.
    pub ignored: Vec<String>,
}

impl Default for Columns {
    fn default() -> Self {
        let [axis, sweep, loss] = ["width", "lr", "loss"].map(str::to_owned);
        Self {
            axis,
            sweep,
            loss,
            filters: Vec::new(),
            ignored: Vec::new(),
        }
    }
}

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
    check_parts(columns)?;
    let mut reading = Reading::new(columns);
    for (file, text) in files {
        let header = csv_reader(text)
            .headers()
            .map_err(|error| broken(file, &error))?
            .clone();
        Places::of(file, &header, columns, &mut reading.settings)?;
    }
    for (index, (file, text)) in files.iter().enumerate() {
        reading.file(index as u32, file, text)?;
    }
    reading.finish(files)
}

fn check_parts(columns: &Columns) -> Result<(), TableError> {
    let parts: [(&str, &'static str); 5] = [
        ("rule", "the name of the rule"),
        ("seed", "the seed"),
        (&columns.axis, "the axis"),
        (&columns.sweep, "the swept hyperparameter"),
        (&columns.loss, "the loss"),
    ];
    for (index, (column, second)) in parts.iter().enumerate() {
        if let Some((_, first)) = parts[..index].iter().find(|earlier| earlier.0 == *column) {
            return Err(TableError::TwoParts {
                column: (*column).to_owned(),
                first,
                second,
            });
        }
    }
    Ok(())
}

fn csv_reader(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
}

fn broken(file: &str, error: &csv::Error) -> TableError {
    let line = error.position().map_or(1, csv::Position::line);
    TableError::Row {
        file: file.to_owned(),
        line,
        problem: error.to_string(),
    }
}

/// What has been read so far.
struct Reading<'a> {
    columns: &'a Columns,
    runs: Vec<Listed>,
    rules: Vec<String>,
    rule_index: HashMap<String, u32>,
    settings: Settings,
    read: usize,
    failed: usize,
    /// Values that each filter has met, to name them when none fits.
    met: Vec<BTreeSet<String>>,
}

/// Where each part is in the rows of one file.
struct Places {
    rule: usize,
    axis: usize,
    sweep: usize,
    seed: usize,
    loss: usize,
    status: Option<usize>,
    first_loss: Option<usize>,
    filters: Vec<usize>,
    /// Columns that must not vary, with their indices among the settings; none where only other
    /// files have it.
    settings: Vec<(Option<usize>, usize)>,
}

/// A row and where it is.
struct Row<'a> {
    file: &'a str,
    line: u64,
    header: &'a StringRecord,
    cells: &'a StringRecord,
}

impl Places {
    fn of(
        file: &str,
        header: &StringRecord,
        columns: &Columns,
        known: &mut Settings,
    ) -> Result<Self, TableError> {
        if header.is_empty() {
            return Err(TableError::Empty {
                file: file.to_owned(),
            });
        }
        let find = |name: &str| header.iter().position(|column| column == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| TableError::MissingColumn {
                file: file.to_owned(),
                column: name.to_owned(),
                found: header.iter().collect::<Vec<_>>().join(", "),
            })
        };
        let twice = header
            .iter()
            .enumerate()
            .find(|(index, name)| !name.is_empty() && find(name) != Some(*index));
        if let Some((_, column)) = twice {
            return Err(TableError::TwiceColumn {
                file: file.to_owned(),
                column: column.to_owned(),
            });
        }
        let [rule, axis, sweep, seed, loss] = [
            need("rule")?,
            need(&columns.axis)?,
            need(&columns.sweep)?,
            need("seed")?,
            need(&columns.loss)?,
        ];
        let parts = [rule, axis, sweep, seed, loss];
        let is_result =
            |name: &str| name.is_empty() || name.ends_with("loss") || RESULTS.contains(&name);
        let is_ignored = |name: &str| columns.ignored.iter().any(|ignored| ignored == name);
        let is_setting = |(index, name): &(usize, &str)| {
            !(parts.contains(index) || is_result(name) || is_ignored(name))
        };
        let own = header
            .iter()
            .enumerate()
            .filter(is_setting)
            .map(|(index, name)| (Some(index), known.column(name)));
        let own: Vec<(Option<usize>, usize)> = own.collect();
        let of_others =
            (0..known.len()).filter(|column| own.iter().all(|(_, known)| known != column));
        Ok(Self {
            settings: own
                .iter()
                .copied()
                .chain(of_others.map(|column| (None, column)))
                .collect(),
            status: find("status"),
            first_loss: find("first_loss"),
            filters: columns
                .filters
                .iter()
                .map(|(name, _)| need(name))
                .collect::<Result<_, _>>()?,
            rule,
            axis,
            sweep,
            seed,
            loss,
        })
    }
}

impl Row<'_> {
    fn wrong(&self, column: usize, problem: String, fix: &'static str) -> TableError {
        let (file, column) = (self.file.to_owned(), self.header[column].to_owned());
        TableError::Cell {
            spot: Box::new(Spot {
                file,
                line: self.line,
                column,
            }),
            problem,
            fix,
        }
    }

    fn number(&self, column: usize) -> Result<f64, TableError> {
        let text = &self.cells[column];
        let number = if text.is_empty() {
            None
        } else {
            text.parse::<f64>().ok()
        };
        let problem = || {
            if text.is_empty() {
                "empty".to_owned()
            } else {
                format!("`{text}` is not a number")
            }
        };
        number.ok_or_else(|| self.wrong(column, problem(), "write a number such as 0.001 or 1e-3"))
    }

    /// A number that has a logarithm.
    fn positive(&self, column: usize) -> Result<f64, TableError> {
        let fix =
            "it must be finite and above zero, because its logarithm is used; leave such rows out";
        match self.number(column)? {
            number if number.is_finite() && number > 0.0 => Ok(number),
            number => Err(self.wrong(column, format!("the value is {number}"), fix)),
        }
    }

    /// Other programs write whole numbers as `3.0` too.
    fn seed(&self, column: usize) -> Result<u64, TableError> {
        let text = &self.cells[column];
        let whole = |number: &f64| number.fract() == 0.0 && (0.0..9e15).contains(number);
        let seed = text.parse().ok().or_else(|| {
            text.parse::<f64>()
                .ok()
                .filter(whole)
                .map(|number| number as u64)
        });
        seed.ok_or_else(|| {
            self.wrong(
                column,
                format!("`{text}` is not a whole number"),
                "number the seeds: 0, 1, 2",
            )
        })
    }

    /// How the run ended.
    fn status(&self, places: &Places) -> Result<&'static str, TableError> {
        let Some(column) = places.status else {
            return Ok("ok");
        };
        let text = &self.cells[column];
        let known = ["ok", "diverged", "failed"]
            .into_iter()
            .find(|known| text.eq_ignore_ascii_case(known));
        known.ok_or_else(|| {
            self.wrong(
                column,
                format!("unknown status `{text}`"),
                "known are ok, diverged and failed",
            )
        })
    }

    /// The final loss, none for a run that diverged.
    fn loss(&self, places: &Places, status: &str) -> Result<Option<f64>, TableError> {
        if status == "diverged" {
            return Ok(None);
        }
        let loss = self.number(places.loss)?;
        let first = places
            .first_loss
            .filter(|column| !self.cells[*column].is_empty());
        let above = first
            .map(|column| self.number(column))
            .transpose()?
            .is_some_and(|first| loss > first);
        Ok((loss.is_finite() && !above).then_some(loss))
    }
}

impl<'a> Reading<'a> {
    fn new(columns: &'a Columns) -> Self {
        Self {
            columns,
            runs: Vec::new(),
            rules: Vec::new(),
            rule_index: HashMap::new(),
            settings: Settings::default(),
            read: 0,
            failed: 0,
            met: vec![BTreeSet::new(); columns.filters.len()],
        }
    }

    fn file(&mut self, index: u32, file: &str, text: &str) -> Result<(), TableError> {
        let broken = |error: csv::Error| broken(file, &error);
        let mut reader = csv_reader(text);
        let header = reader.headers().map_err(broken)?.clone();
        let places = Places::of(file, &header, self.columns, &mut self.settings)?;
        let mut cells = StringRecord::new();
        while reader.read_record(&mut cells).map_err(broken)? {
            let line = cells.position().map_or(0, csv::Position::line);
            if cells.len() != header.len() {
                let problem = format!("{} cells, but the header has {}", cells.len(), header.len());
                return Err(TableError::Row {
                    file: file.to_owned(),
                    line,
                    problem,
                });
            }
            self.row(
                index,
                &places,
                &Row {
                    file,
                    line,
                    header: &header,
                    cells: &cells,
                },
            )?;
        }
        Ok(())
    }

    fn row(&mut self, file: u32, places: &Places, row: &Row) -> Result<(), TableError> {
        if !self.passes(places, row) {
            return Ok(());
        }
        self.read += 1;
        let status = row.status(places)?;
        if status == "failed" {
            self.failed += 1;
            return Ok(());
        }
        let rule = self.rule(places, row)?;
        let run = Listed {
            rule,
            at: row.positive(places.axis)?,
            hyper: row.positive(places.sweep)?,
            seed: row.seed(places.seed)?,
            loss: row.loss(places, status)?,
            place: (file, row.line as u32),
        };
        let group = self.settings.group(run.rule, run.at);
        for &(cell, column) in &places.settings {
            let value = cell.map_or("", |cell| &row.cells[cell]);
            let added = self.settings.add(column, group, value, run.place);
            added.map_err(|clash| varies(&self.rules, row.file, clash))?;
        }
        self.runs.push(run);
        Ok(())
    }

    /// Whether a row has every value asked for.
    fn passes(&mut self, places: &Places, row: &Row) -> bool {
        const NAMED: usize = 8;
        for ((column, (_, wanted)), met) in places
            .filters
            .iter()
            .zip(&self.columns.filters)
            .zip(&mut self.met)
        {
            let value = &row.cells[*column];
            if !same(value, wanted) {
                if met.len() < NAMED {
                    met.insert(value.to_owned());
                }
                return false;
            }
        }
        true
    }

    fn rule(&mut self, places: &Places, row: &Row) -> Result<u32, TableError> {
        let name = &row.cells[places.rule];
        if let Some(index) = self.rule_index.get(name) {
            return Ok(*index);
        }
        if name.is_empty() {
            return Err(row.wrong(
                places.rule,
                "empty".to_owned(),
                "name the parametrization, such as sp or mup",
            ));
        }
        let index = self.rules.len() as u32;
        self.rules.push(name.to_owned());
        self.rule_index.insert(name.to_owned(), index);
        Ok(index)
    }

    fn finish(mut self, files: &[(String, String)]) -> Result<Sweeps, TableError> {
        if self.runs.is_empty() {
            return Err(self.nothing(files));
        }
        let varied = |clash: Clash| varies(&self.rules, &files[clash.place.0 as usize].0, clash);
        let along = self.settings.along().map_err(varied)?;
        let arranged = arrange(&mut self.runs, &self.rules);
        let sweeps = arranged.map_err(|(one, other)| self.duplicate(files, one, other))?;
        let rows = Rows {
            read: self.read,
            failed: self.failed,
            ..sweeps.rows
        };
        Ok(Sweeps {
            rows,
            along,
            ..sweeps
        })
    }

    fn nothing(&self, files: &[(String, String)]) -> TableError {
        let unmet = self
            .columns
            .filters
            .iter()
            .zip(&self.met)
            .find(|(_, met)| !met.is_empty());
        match unmet {
            Some(((column, value), met)) if self.read == 0 => TableError::NothingLeft {
                column: column.clone(),
                value: value.clone(),
                found: met.iter().cloned().collect::<Vec<_>>().join(", "),
            },
            _ => TableError::Empty {
                file: files
                    .iter()
                    .map(|(file, _)| file.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            },
        }
    }

    fn duplicate(&self, files: &[(String, String)], one: usize, other: usize) -> TableError {
        let (one, other) = (&self.runs[one], &self.runs[other]);
        let spot = |run: &Listed| {
            let (file, line) = (files[run.place.0 as usize].0.clone(), run.place.1.into());
            Box::new(Spot {
                file,
                line,
                column: self.columns.loss.clone(),
            })
        };
        TableError::Duplicate {
            spot: spot(other),
            other: spot(one),
            first: one.outcome(),
            second: other.outcome(),
        }
    }
}

fn varies(rules: &[String], file: &str, clash: Clash) -> TableError {
    let Clash {
        column,
        rule,
        first,
        second,
        place,
    } = clash;
    let [first, second] = [first, second].map(|value| {
        if value.is_empty() {
            "no value".to_owned()
        } else {
            value
        }
    });
    let spot = Spot {
        file: file.to_owned(),
        line: place.1.into(),
        column,
    };
    TableError::Varies {
        spot: Box::new(spot),
        rule: rules[rule as usize].clone(),
        first,
        second,
    }
}
