//! The table of an ablation: one row per rule, in Markdown.

use serde::Deserialize;

use crate::analysis::{Analysis, Flag, Number, RuleAnalysis, display_name, with_interval};

/// Which table to write.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Name of the file in the output folder.
    pub file: String,
    /// Numbers by their names in JSON; `E/reference` is that of the rule divided by that of the reference.
    pub columns: Vec<Column>,
    /// What to know when reading it.
    pub note: String,
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Column {
    number: Number,
    over_reference: bool,
}

impl TryFrom<String> for Column {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let (name, over_reference) = written.strip_suffix("/reference").map_or((&*written, false), |name| (name, true));
        match Number::named(name) {
            Some(number) => Ok(Self { number, over_reference }),
            None => {
                let known = Number::ALL.map(|(_, name, _)| name).join(", ");
                Err(format!("unknown number `{name}`; known: {known}"))
            }
        }
    }
}

/// Stands where there is no value.
const ABSENT: &str = "–";

impl Comparison {
    /// The table in Markdown, the reference first, with all that limits trust in a row.
    pub fn markdown(&self, analysis: &Analysis) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let header = ["rule".to_owned()].into_iter().chain(self.columns.iter().map(|column| column.label(analysis)));
        let header: Vec<String> = header.chain(["flags".to_owned()]).collect();
        let rows = analysis.ordered_rules().into_iter().map(|(name, rule)| {
            let cells = self.columns.iter().map(|column| column.cell(analysis, rule).unwrap_or(ABSENT.to_owned()));
            line([display_name(name).to_owned()].into_iter().chain(cells).chain([flags(&rule.flags)]).collect())
        });
        let rule = format!("|{}\n", "---|".repeat(header.len()));
        format!("{}{rule}{}\n{}\n", line(header), rows.collect::<String>(), self.note.trim())
    }
}

/// By their names, as in JSON.
fn flags(flags: &[Flag]) -> String {
    let names: Vec<String> =
        flags.iter().map(|flag| serde_json::json!(flag).as_str().unwrap_or("").to_owned()).collect();
    names.join(", ")
}

impl Column {
    fn label(&self, analysis: &Analysis) -> String {
        let name = Number::ALL.iter().find(|(number, ..)| *number == self.number).map_or("", |(_, _, label)| *label);
        match &analysis.reference {
            Some(reference) if self.over_reference => format!("{name}, over that of {}", display_name(reference)),
            _ => name.to_owned(),
        }
    }

    fn cell(&self, analysis: &Analysis, rule: &RuleAnalysis) -> Option<String> {
        let measured = rule.numbers.get(&self.number)?;
        if !self.over_reference {
            return Some(with_interval(measured, self.number.decimals()));
        }
        let reference = analysis.rules.get(analysis.reference.as_ref()?)?.numbers.get(&self.number)?;
        Some(format!("{:.3}", measured.value / reference.value))
    }
}
