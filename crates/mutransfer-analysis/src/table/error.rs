//! What can be wrong with a table of runs.

use thiserror::Error;

use crate::fix::Fix;

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// Name of the column.
    pub column: String,
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}, line {}, column `{}`",
            self.file, self.line, self.column
        )
    }
}

/// What a value of a run stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What grows.
    Axis,
    /// The swept hyperparameter.
    Sweep,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Axis => "axis",
            Self::Sweep => "swept hyperparameter",
        })
    }
}

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
    /// Not a single run of the table came to an end.
    #[error("{file}: all {failed} runs have failed, by their status or for want of a loss")]
    AllFailed {
        /// The file.
        file: String,
        /// Its runs.
        failed: usize,
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
    #[error("{spot}: {problem}")]
    Cell {
        /// The cell.
        spot: Box<Spot>,
        /// What is wrong with it.
        problem: String,
        /// What would be right.
        fix: &'static str,
    },
    /// A further setting with several values, which must not be averaged over.
    #[error("{spot}: {second} beside {first}, both for rule {rule}; they are not one experiment")]
    Varies {
        /// The second value.
        spot: Box<Spot>,
        /// Name of the rule.
        rule: String,
        /// One value.
        first: String,
        /// Another.
        second: String,
    },
    /// The same run twice with different outcomes.
    #[error(
        "{spot}: {second}, but {} lists the same run with {first}",
        other_row(spot, other)
    )]
    Duplicate {
        /// The loss in the second row.
        spot: Box<Spot>,
        /// The loss in the first row.
        other: Box<Spot>,
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
    /// Not a single run that ended.
    #[error("no runs to analyse")]
    NoRuns,
    /// A value of a run that has no logarithm.
    #[error("rule {rule}, seed {seed}: the value of the {part} is {value}")]
    NoLogarithm {
        /// Name of the rule.
        rule: String,
        /// Seed of the run.
        seed: u64,
        /// Which value it is.
        part: Part,
        /// The value.
        value: f64,
    },
    /// The same run twice with different ends.
    #[error(
        "rule {rule} at {at}, value {value}, seed {seed} is listed twice, with {first} and {second}"
    )]
    Twice {
        /// Name of the rule.
        rule: String,
        /// Value of the axis.
        at: f64,
        /// Value of the swept hyperparameter.
        value: f64,
        /// Seed of both.
        seed: u64,
        /// Outcome of the first.
        first: String,
        /// Outcome of the second.
        second: String,
    },
    /// A rule to compare with that is not in the table.
    #[error("{name} is not a rule of the table, which has {known}")]
    Reference {
        /// The rule asked for.
        name: String,
        /// The rules there are.
        known: String,
    },
    /// Several things wrong with one table.
    #[error("{}", told(problems, *more))]
    Several {
        /// What is wrong, in the order of the table.
        problems: Vec<TableError>,
        /// How many further problems there are.
        more: usize,
    },
    /// A target that is not beyond any width of the table.
    #[error("{target} is not above the smallest {axis} of the table, {smallest}")]
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
    /// Fails with all problems in one, of which so many are told.
    pub(crate) fn all(mut problems: Vec<Self>, most: usize) -> Result<(), Self> {
        let more = problems.len().saturating_sub(most);
        problems.truncate(most);
        match problems.len() {
            0 => Ok(()),
            1 => Err(problems.remove(0)),
            _ => Err(Self::Several { problems, more }),
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> Fix {
        match self {
            Self::Empty { .. } => Fix::Do(
                "a table has one row per run and the columns width, lr and loss, and rule and seed \
                     where there are several",
            ),
            Self::MissingColumn { .. } | Self::AllFailed { .. } => Fix::NameColumns,
            Self::TwiceColumn { .. } => Fix::Do("rename or remove one of them"),
            Self::TwoParts { .. } => Fix::Do("name different columns"),
            Self::Row { .. } => Fix::Do(
                "every row has as many cells as the header, separated by commas, tabs or \
                 semicolons",
            ),
            Self::Cell { fix, .. } => Fix::Do(fix),
            Self::Varies { spot, first, .. } => Fix::Separate {
                column: spot.column.clone(),
                value: first.clone(),
            },
            Self::Duplicate { .. } | Self::Twice { .. } => Fix::Repetitions,
            Self::NothingLeft { .. } => Fix::ChangeFilter,
            Self::NoRuns => Fix::Do("run the study first"),
            Self::NoLogarithm { .. } => Fix::Do("it must be finite and above zero"),
            Self::Reference { .. } => Fix::Do("name one of them"),
            Self::Several { problems, .. } => {
                let mut fixes: Vec<Fix> = Vec::new();
                for fix in problems.iter().map(Self::fix) {
                    if !fixes.contains(&fix) {
                        fixes.push(fix);
                    }
                }
                Fix::All(fixes)
            }
            Self::Target { .. } => Fix::Do(
                "name a target beyond the proxies; it may be one of the table or a larger one",
            ),
        }
    }
}

/// One problem to a line.
fn told(problems: &[TableError], more: usize) -> String {
    let mut text = format!("{} problems", problems.len() + more);
    for problem in problems {
        text += &format!("\n  {problem}");
    }
    if more > 0 {
        text += &format!("\n  and {more} more");
    }
    text
}

/// `line 2`, with the file where that is another one.
fn other_row(spot: &Spot, other: &Spot) -> String {
    let file = if spot.file == other.file {
        String::new()
    } else {
        format!(" of {}", other.file)
    };
    format!("line {}{file}", other.line)
}
