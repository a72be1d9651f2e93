//! Where the losses of a program are.

use std::path::Path;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use super::error::CommandError;

/// Where the losses of a program are that writes no JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Metric {
    /// What a regular expression finds in its standard output: its group `loss`, or the first, is
    /// a loss, and its group `step` the step, where there is one.
    Found(Expression),
    /// A CSV file.
    Csv(Csv),
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "an expression such as 'loss ([0-9.]+)', or { csv = \"log.csv\", loss = \"loss\" }"
)]
enum Written {
    Text(String),
    Csv(Csv),
}

/// A regular expression with a group.
#[derive(Clone, Debug)]
pub struct Expression(Regex);

/// A CSV file with a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Csv {
    /// Path of the file, with placeholders, relative to the folder of the study.
    pub csv: String,
    /// The column with losses.
    pub loss: String,
    /// The column with steps; rows are counted if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

impl Metric {
    /// In words, for who misses it.
    pub(super) fn wanted(&self) -> String {
        match self {
            Self::Found(found) => format!("no line has what '{}' finds", found.0.as_str()),
            Self::Csv(csv) => format!("the column `{}` of {} has no loss", csv.loss, csv.csv),
        }
    }
}

impl TryFrom<Written> for Metric {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        Ok(match written {
            Written::Text(pattern) => Self::Found(pattern.try_into()?),
            Written::Csv(csv) => Self::Csv(csv),
        })
    }
}

impl From<Metric> for Written {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Found(expression) => Self::Text(expression.0.as_str().to_owned()),
            Metric::Csv(csv) => Self::Csv(csv),
        }
    }
}

impl Csv {
    /// The steps, where there are any, and the losses in a file.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<(Option<usize>, f64)>, CommandError> {
        let failed = |problem: String| CommandError::Table {
            path: path.to_owned(),
            problem,
        };
        let mut table = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(true)
            .from_path(path)
            .map_err(|error| failed(error.to_string()))?;
        let header = table.headers().map_err(|error| failed(error.to_string()))?;
        let place = |name: &str| {
            let place = header.iter().position(|column| column == name);
            place.ok_or_else(|| failed(format!("there is no column `{name}`")))
        };
        let loss = place(&self.loss)?;
        let step = self.step.as_deref().map(place).transpose()?;
        let mut losses = Vec::new();
        for row in table.records() {
            let row = row.map_err(|error| failed(error.to_string()))?;
            // A row of something else has no loss.
            let Some(text) = row.get(loss).filter(|text| !text.is_empty()) else {
                continue;
            };
            let value = text
                .parse()
                .map_err(|_| failed(format!("`{text}` is no loss")))?;
            let step = step.and_then(|step| row.get(step)?.parse().ok());
            losses.push((step, value));
        }
        Ok(losses)
    }
}

impl Expression {
    /// The step, if it is told, and the loss that a line tells.
    pub(super) fn find(&self, line: &str) -> Option<(Option<usize>, f64)> {
        let found = self.0.captures(line)?;
        let loss = found.name("loss").or_else(|| found.get(1))?;
        let step = found
            .name("step")
            .and_then(|step| step.as_str().parse().ok());
        Some((step, loss.as_str().parse().ok()?))
    }
}

impl TryFrom<String> for Expression {
    type Error = String;

    fn try_from(pattern: String) -> Result<Self, String> {
        let expression = Regex::new(&pattern)
            .map_err(|error| format!("`metric` is no regular expression: {error}"))?;
        if expression.captures_len() < 2 {
            return Err(format!(
                "`metric` is '{pattern}', which has no group; put the loss into parentheses"
            ));
        }
        Ok(Self(expression))
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Expression {}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(pattern: &str) -> Result<Expression, String> {
        Expression::try_from(pattern.to_owned())
    }

    #[test]
    fn a_table_has_losses_and_steps_in_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        std::fs::write(&path, "epoch, val, train\n0, 2.5, 3\n1, , 2\n2, nan, 1\n").unwrap();
        let read = |loss: &str, step: Option<&str>| {
            let csv = Csv {
                csv: String::new(),
                loss: loss.to_owned(),
                step: step.map(str::to_owned),
            };
            csv.read(&path).map_err(|error| error.to_string())
        };
        let told = read("val", Some("epoch")).unwrap();
        assert_eq!(told[0], (Some(0), 2.5));
        assert!(told[1].0 == Some(2) && told[1].1.is_nan(), "{told:?}");
        assert_eq!(read("train", None).unwrap()[2], (None, 1.0));
        assert!(
            read("loss", None)
                .unwrap_err()
                .ends_with("there is no column `loss`")
        );
    }

    #[test]
    fn an_expression_finds_losses_and_steps() {
        let plain = expression("val loss ([0-9.]+)").unwrap();
        assert_eq!(plain.find("step 3: val loss 2.5, fine"), Some((None, 2.5)));
        assert_eq!(plain.find("train loss 2.5"), None);
        let named = expression(r"(?P<step>\d+): (?P<loss>\S+)").unwrap();
        assert_eq!(named.find("30: 1e-3"), Some((Some(30), 1e-3)));
        assert!(named.find("30: nan").unwrap().1.is_nan());
        assert!(expression("loss").unwrap_err().contains("parentheses"));
        assert!(
            expression("(")
                .unwrap_err()
                .contains("no regular expression")
        );
    }
}
