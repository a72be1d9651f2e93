//! The table of an ablation: one row per rule, in Markdown.

use serde::Deserialize;

use mutransfer_analysis::{Analysis, Flag, Number, RuleAnalysis, display_name, with_interval};

/// A table of the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    file: String,
    columns: Vec<Column>,
    note: String,
}

/// As in the file of a recipe.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with file, columns and note")]
pub(super) struct ComparisonFile {
    /// Name of the file in the output folder.
    pub(super) file: String,
    /// Numbers by their names in JSON.
    columns: Vec<Column>,
    /// What to know when reading it.
    note: String,
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Column(Number);

impl TryFrom<String> for Column {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = || Number::ALL.map(|(_, name, _)| name).join(", ");
        Number::named(&name)
            .map(Self)
            .ok_or_else(|| format!("unknown number `{name}`; known: {}", known()))
    }
}

/// Stands where there is no value.
const ABSENT: &str = "–";

impl Comparison {
    /// The table that is written; its file has been looked at.
    pub(super) fn of(written: ComparisonFile) -> Self {
        Self {
            file: written.file,
            columns: written.columns,
            note: written.note,
        }
    }

    /// Name of the file in the output folder.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The table in Markdown, the reference first, with all that limits trust in a row.
    pub fn markdown(&self, analysis: &Analysis) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let header = ["rule".to_owned()]
            .into_iter()
            .chain(self.columns.iter().map(|column| column.label().to_owned()));
        let header: Vec<String> = header.chain(["flags".to_owned()]).collect();
        let rows = analysis.ordered_rules().into_iter().map(|(name, rule)| {
            let cells = self
                .columns
                .iter()
                .map(|column| column.cell(rule).unwrap_or(ABSENT.to_owned()));
            line(
                [display_name(name).to_owned()]
                    .into_iter()
                    .chain(cells)
                    .chain([flags(&rule.flags)])
                    .collect(),
            )
        });
        let rule = format!("|{}\n", "---|".repeat(header.len()));
        format!(
            "{}{rule}{}\n{}\n",
            line(header),
            rows.collect::<String>(),
            self.note.trim()
        )
    }
}

/// By their names, as in JSON.
fn flags(flags: &[Flag]) -> String {
    let names: Vec<String> = flags
        .iter()
        .map(|flag| serde_json::json!(flag).as_str().unwrap_or("").to_owned())
        .collect();
    names.join(", ")
}

impl Column {
    fn label(self) -> &'static str {
        Number::ALL
            .into_iter()
            .find(|(number, ..)| *number == self.0)
            .map_or("", |(_, _, label)| label)
    }

    fn cell(self, rule: &RuleAnalysis) -> Option<String> {
        Some(with_interval(rule.numbers.get(&self.0)?, self.0.decimals()))
    }
}
