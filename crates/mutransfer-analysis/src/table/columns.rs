//! Which column plays which part, and where it is in the rows of a file.

use std::collections::HashSet;

use csv::StringRecord;

use crate::table::error::TableError;
use crate::table::kind::Kind;
use crate::table::settings::Settings;

/// Where the rule of a run comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// From this column.
    Column(String),
    /// It is the same for all runs.
    Rule(String),
}

/// Name of the rule of runs that name none.
const UNNAMED: &str = "runs";

/// Which column plays which part. A column is found by its name, whatever the case, also behind the
/// prefixes that search programs give to hyperparameters: `params_lr`, `config/lr`, `config.lr`.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// The parametrization; the column `rule` if none is named, or one rule where there is none.
    pub rule: Option<Naming>,
    /// The seed; the column `seed` if none is named, or one seed where there is none.
    pub seed: Option<String>,
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
    /// Columns that hold base-2 logarithms of the axis or of the swept hyperparameter. Those named
    /// `log2lr` or `log2_lr`, where `lr` is asked for, need not be named here.
    pub log2: Vec<String>,
}

impl Default for Columns {
    fn default() -> Self {
        let [axis, sweep, loss] = ["width", "lr", "loss"].map(str::to_owned);
        Self {
            rule: None,
            seed: None,
            axis,
            sweep,
            loss,
            filters: Vec::new(),
            ignored: Vec::new(),
            log2: Vec::new(),
        }
    }
}

impl Columns {
    /// Fails if one column is to play two parts.
    pub(crate) fn check(&self) -> Result<(), TableError> {
        let rule = match &self.rule {
            Some(Naming::Column(column)) => column,
            Some(Naming::Rule(_)) | None => "rule",
        };
        let parts: [(&str, &'static str); 5] = [
            (rule, "the name of the rule"),
            (self.seed.as_deref().unwrap_or("seed"), "the seed"),
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

    /// The rule of all runs, where it is not in a column.
    fn only_rule(&self) -> &str {
        match &self.rule {
            Some(Naming::Rule(name)) => name,
            Some(Naming::Column(_)) | None => UNNAMED,
        }
    }
}

/// A column of numbers.
#[derive(Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) column: usize,
    /// Whether they are base-2 logarithms.
    pub(crate) is_log2: bool,
}

/// Where each part is in the rows of one file.
pub(crate) struct Places {
    /// None where all runs have the same one.
    pub(crate) rule: Option<usize>,
    pub(crate) only_rule: String,
    pub(crate) axis: Numbers,
    pub(crate) sweep: Numbers,
    /// None where there is one seed.
    pub(crate) seed: Option<usize>,
    pub(crate) loss: usize,
    pub(crate) status: Option<usize>,
    pub(crate) first_loss: Option<usize>,
    pub(crate) filters: Vec<usize>,
    /// Columns that must not vary, with their indices among the settings; none where only other
    /// files have it.
    pub(crate) settings: Vec<(Option<usize>, usize)>,
    /// Names of columns that say who, when and where, and are left out.
    pub(crate) left_out: Vec<String>,
}

impl Places {
    /// Finds all parts, or says what is missing.
    // Long, as every part of a table is asked for in turn.
    pub(crate) fn of(
        header: &Header,
        columns: &Columns,
        known: &mut Settings,
    ) -> Result<Self, Vec<TableError>> {
        let mut problems = Vec::new();
        header.check(&mut problems);
        if header.names.is_empty() {
            return Err(problems);
        }
        let rule = match &columns.rule {
            Some(Naming::Column(name)) => header.need(name, &mut problems).map(Some),
            Some(Naming::Rule(_)) => Some(None),
            None => Some(header.find("rule")),
        };
        let seed = match &columns.seed {
            Some(name) => header.need(name, &mut problems).map(Some),
            None => Some(header.find("seed")),
        };
        let axis = header.numbers(&columns.axis, columns, &mut problems);
        let sweep = header.numbers(&columns.sweep, columns, &mut problems);
        let loss = header.need(&columns.loss, &mut problems);
        let mut filters = Vec::new();
        for (name, _) in &columns.filters {
            filters.extend(header.need(name, &mut problems));
        }
        for name in &columns.log2 {
            header.need(name, &mut problems);
        }
        let (Some(rule), Some(seed), Some(axis), Some(sweep), Some(loss), true) =
            (rule, seed, axis, sweep, loss, problems.is_empty())
        else {
            return Err(problems);
        };
        let mut places = Self {
            rule,
            only_rule: columns.only_rule().to_owned(),
            axis,
            sweep,
            seed,
            loss,
            status: STATUS.iter().find_map(|name| header.find(name)),
            first_loss: header.find("first_loss"),
            filters,
            settings: Vec::new(),
            left_out: Vec::new(),
        };
        places.settings(header, columns, known);
        Ok(places)
    }

    /// The settings of this file, and those of other files, which it lacks.
    fn settings(&mut self, header: &Header, columns: &Columns, known: &mut Settings) {
        let parts = [self.rule, self.seed, self.status, self.first_loss];
        let parts = parts.into_iter().flatten();
        let parts: Vec<usize> = parts
            .chain([self.axis.column, self.sweep.column, self.loss])
            .collect();
        for (index, name) in header.names.iter().enumerate() {
            if parts.contains(&index) || columns.ignored.iter().any(|ignored| ignored == name) {
                continue;
            }
            match header.kinds[index] {
                Kind::Setting => self.settings.push((Some(index), known.column(name))),
                Kind::Circumstance => self.left_out.push(name.to_owned()),
                Kind::Result => {}
            }
        }
        let own: HashSet<usize> = self.settings.iter().map(|(_, column)| *column).collect();
        let lacking = (0..known.len()).filter(|column| !own.contains(column));
        self.settings.extend(lacking.map(|column| (None, column)));
    }
}

/// Names of the column that says how a run ended.
const STATUS: [&str; 2] = ["status", "state"];

/// What the name of a column may have before that of a hyperparameter, and before that of its
/// logarithm.
const PREFIXES: [&str; 5] = ["params_", "config/", "config.", "param_", "hparams/"];
const LOG2: [&str; 3] = ["log2", "log2_", "log2 "];

/// The first row of a file.
pub(crate) struct Header<'a> {
    pub(crate) file: &'a str,
    pub(crate) names: &'a StringRecord,
    /// What each column holds, where it plays no part.
    pub(crate) kinds: Vec<Kind>,
}

impl Header<'_> {
    /// Finds fault with a header without columns, or with a column that is there twice.
    fn check(&self, problems: &mut Vec<TableError>) {
        let file = self.file.to_owned();
        if self.names.is_empty() {
            problems.push(TableError::Empty { file });
            return;
        }
        let mut met = HashSet::new();
        for name in self.names {
            if !met.insert(name) && !name.is_empty() {
                problems.push(TableError::TwiceColumn {
                    file: file.clone(),
                    column: name.to_owned(),
                });
            }
        }
    }

    /// A column by its name, else by the same in another case, else behind a prefix.
    fn find(&self, name: &str) -> Option<usize> {
        let position = |is_it: &dyn Fn(&str) -> bool| self.names.iter().position(is_it);
        let bare = |column: &str| {
            let stripped = PREFIXES
                .iter()
                .find_map(|prefix| column.strip_prefix(prefix));
            stripped.is_some_and(|rest| rest.eq_ignore_ascii_case(name))
        };
        position(&|column| column == name)
            .or_else(|| position(&|column| column.eq_ignore_ascii_case(name)))
            .or_else(|| position(&bare))
    }

    fn named(&self) -> Vec<&str> {
        self.names.iter().filter(|name| !name.is_empty()).collect()
    }

    fn need(&self, name: &str, problems: &mut Vec<TableError>) -> Option<usize> {
        let found = self.find(name);
        if found.is_none() {
            problems.push(TableError::MissingColumn {
                file: self.file.to_owned(),
                column: name.to_owned(),
                found: self.named().join(", "),
            });
        }
        found
    }

    /// A column of numbers, or of their logarithms.
    fn numbers(
        &self,
        name: &str,
        columns: &Columns,
        problems: &mut Vec<TableError>,
    ) -> Option<Numbers> {
        let is_named = |column: usize| {
            columns
                .log2
                .iter()
                .any(|log2| self.find(log2) == Some(column))
        };
        if let Some(column) = self.find(name) {
            let is_log2 = is_named(column) || LOG2.iter().any(|start| name.starts_with(start));
            return Some(Numbers { column, is_log2 });
        }
        let logarithm = LOG2
            .iter()
            .find_map(|start| self.find(&format!("{start}{name}")));
        match logarithm {
            Some(column) => Some(Numbers {
                column,
                is_log2: true,
            }),
            None => self.need(name, problems).map(|column| Numbers {
                column,
                is_log2: false,
            }),
        }
    }
}
