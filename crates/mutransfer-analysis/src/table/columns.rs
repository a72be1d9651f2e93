//! Which column plays which part, and where it is in the rows of a file.

use csv::StringRecord;

use crate::table::error::TableError;
use crate::table::settings::Settings;

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

impl Columns {
    /// Fails if one column is to play two parts.
    pub(crate) fn check(&self) -> Result<(), TableError> {
        let parts: [(&str, &'static str); 5] = [
            ("rule", "the name of the rule"),
            ("seed", "the seed"),
            (&self.axis, "the axis"),
            (&self.sweep, "the swept hyperparameter"),
            (&self.loss, "the loss"),
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

    /// Whether a column that plays no part is a setting, which must not vary within an experiment.
    fn is_setting(&self, name: &str) -> bool {
        let is_result = name.is_empty() || name.ends_with("loss") || RESULTS.contains(&name);
        let is_ignored = self.ignored.iter().any(|ignored| ignored == name);
        !(is_result || is_ignored)
    }
}

/// Where each part is in the rows of one file.
pub(crate) struct Places {
    pub(crate) rule: usize,
    pub(crate) axis: usize,
    pub(crate) sweep: usize,
    pub(crate) seed: usize,
    pub(crate) loss: usize,
    pub(crate) status: Option<usize>,
    pub(crate) first_loss: Option<usize>,
    pub(crate) filters: Vec<usize>,
    /// Columns that must not vary, with their indices among the settings; none where only other
    /// files have it.
    pub(crate) settings: Vec<(Option<usize>, usize)>,
}

impl Places {
    pub(crate) fn of(
        file: &str,
        header: &StringRecord,
        columns: &Columns,
        known: &mut Settings,
    ) -> Result<Self, TableError> {
        let header = Header {
            file,
            names: header,
        };
        header.check()?;
        let mut places = Self {
            rule: header.need("rule")?,
            axis: header.need(&columns.axis)?,
            sweep: header.need(&columns.sweep)?,
            seed: header.need("seed")?,
            loss: header.need(&columns.loss)?,
            status: header.find("status"),
            first_loss: header.find("first_loss"),
            filters: columns
                .filters
                .iter()
                .map(|(name, _)| header.need(name))
                .collect::<Result<_, _>>()?,
            settings: Vec::new(),
        };
        places.settings = places.settings(&header, columns, known);
        Ok(places)
    }

    /// The settings of this file, and those of other files, which it lacks.
    fn settings(
        &self,
        header: &Header,
        columns: &Columns,
        known: &mut Settings,
    ) -> Vec<(Option<usize>, usize)> {
        let parts = [self.rule, self.axis, self.sweep, self.seed, self.loss];
        let mut settings = Vec::new();
        for (index, name) in header.names.iter().enumerate() {
            if !parts.contains(&index) && columns.is_setting(name) {
                settings.push((Some(index), known.column(name)));
            }
        }
        for column in 0..known.len() {
            if settings.iter().all(|(_, own)| *own != column) {
                settings.push((None, column));
            }
        }
        settings
    }
}

/// The first row of a file.
struct Header<'a> {
    file: &'a str,
    names: &'a StringRecord,
}

impl Header<'_> {
    /// Fails on a header without columns, or with a column that is there twice.
    fn check(&self) -> Result<(), TableError> {
        let file = self.file.to_owned();
        if self.names.is_empty() {
            return Err(TableError::Empty { file });
        }
        for (index, name) in self.names.iter().enumerate() {
            if !name.is_empty() && self.find(name) != Some(index) {
                let column = name.to_owned();
                return Err(TableError::TwiceColumn { file, column });
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|column| column == name)
    }

    fn need(&self, name: &str) -> Result<usize, TableError> {
        self.find(name).ok_or_else(|| TableError::MissingColumn {
            file: self.file.to_owned(),
            column: name.to_owned(),
            found: self.names.iter().collect::<Vec<_>>().join(", "),
        })
    }
}
