//! What can be wrong with a table of runs.

use thiserror::Error;

/// A table that cannot be analysed, with the place and what to do about it.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum TableError {
    /// A file without a single run.
    #[error("{file} has no rows to analyse")]
    Empty {
        /// The file.
        file: String,
    },
    /// A column that is needed and not there.
    #[error("{file}, line 1: there is no column `{column}`; the columns are {found}")]
    MissingColumn {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// The columns there are.
        found: String,
    },
    /// A column that is there twice.
    #[error("{file}, line 1: there are two columns `{column}`")]
    TwiceColumn {
        /// The file.
        file: String,
        /// The column.
        column: String,
    },
    /// One column that is to play two parts.
    #[error("column `{column}` cannot be both {first} and {second}")]
    TwoParts {
        /// The column.
        column: String,
        /// One part.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A row that is not like the header.
    #[error("{file}, line {line}: {problem}")]
    Row {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A cell that cannot be read.
    #[error("{file}, line {line}, column `{column}`: {problem}")]
    Cell {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What is wrong with it.
        problem: String,
        /// What would be right.
        fix: &'static str,
    },
    /// A further setting with several values, which must not be averaged over.
    #[error(
        "{file}, line {line}, column `{column}`: {second} beside {first}, both for rule {rule}; they are not one experiment"
    )]
    Varies {
        /// The file.
        file: String,
        /// The line of the second value.
        line: u64,
        /// The column.
        column: String,
        /// Name of the rule.
        rule: String,
        /// One value.
        first: String,
        /// Another.
        second: String,
    },
    /// The same run twice with different outcomes.
    #[error(
        "{file}, line {line}, column `{column}`: {second}, but line {other_line}{other_file} lists the same run with {first}"
    )]
    Duplicate {
        /// The file of the second row.
        file: String,
        /// The line of the second row.
        line: u64,
        /// The column of the loss.
        column: String,
        /// The line of the first row.
        other_line: u64,
        /// ` of FILE` where that is another one, else nothing.
        other_file: String,
        /// Outcome of the first row.
        first: String,
        /// Outcome of the second row.
        second: String,
    },
    /// A filter that leaves nothing.
    #[error("no row has {column} = {value}; {column} is {found}")]
    NothingLeft {
        /// The column.
        column: String,
        /// The value asked for.
        value: String,
        /// The values there are.
        found: String,
    },
    /// A rule to compare with that is not in the table.
    #[error("--reference {name} is not a rule of the table, which has {known}")]
    Reference {
        /// The rule asked for.
        name: String,
        /// The rules there are.
        known: String,
    },
    /// A target that is not beyond any width of the table.
    #[error("--target-width {target} is not above the smallest {axis} of the table, {smallest}")]
    Target {
        /// The target asked for.
        target: f64,
        /// The axis.
        axis: String,
        /// Its smallest value in the table.
        smallest: f64,
    },
}

impl TableError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty { .. } => "a table has one row per run and the columns rule, width, lr, seed, loss".to_owned(),
            Self::MissingColumn { column, .. } => match column.as_str() {
                "rule" => "add a column rule with the name of the parametrization, such as sp or mup".to_owned(),
                "seed" => "add a column seed with a whole number, all 0 if there was one seed".to_owned(),
                _ => "--axis, --sweep and --loss name the columns to use [default: width, lr, loss]".to_owned(),
            },
            Self::TwiceColumn { .. } => "rename or remove one of them".to_owned(),
            Self::TwoParts { .. } => "name different columns".to_owned(),
            Self::Row { .. } => "every row has as many cells as the header, separated by commas".to_owned(),
            Self::Cell { fix, .. } => (*fix).to_owned(),
            Self::Varies { column, first, .. } => format!(
                "choose with --where {column}={first}, or make it the axis with --axis {column}; if it is a result and \
                 not a setting, --ignore {column}"
            ),
            Self::Duplicate { .. } => "remove the stale row, or give repetitions seeds of their own".to_owned(),
            Self::NothingLeft { .. } => "--where COLUMN=VALUE keeps the rows with that value".to_owned(),
            Self::Reference { .. } => "name one of them".to_owned(),
            Self::Target { .. } => {
                "name a target beyond the proxies; it may be one of the table or a larger one".to_owned()
            }
        }
    }
}
