//! What a program is told, by name: for placeholders, and for environment variables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

use super::error::CommandError;
use super::run::Run;
use crate::store::all_settings;
use crate::subject::{Heads, ModelSizes};

/// How names of environment variables begin.
const PREFIX: &str = "MUTRANSFER_";

/// `{name}`, or `{{name}}` for a name in braces.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{(\{[a-z][a-z0-9_.]*\})\}|\{([a-z][a-z0-9_.]*)\}").expect("a pattern")
});

/// Values by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values(BTreeMap<String, String>);

impl Values {
    /// Those of a model.
    pub(super) fn of_sizes(sizes: &ModelSizes, heads: Option<Heads>) -> Self {
        let mut values = Self::default();
        values.add("width", sizes.width);
        values.add("base_width", sizes.base_width);
        values.add("depth", sizes.depth);
        values.add("base_depth", sizes.base_depth());
        values.add("context", sizes.context);
        match heads {
            Some(Heads::Dim(dim)) => values.add("head_dim", dim),
            Some(Heads::Count(count)) => values.add("heads", count),
            None => {}
        }
        values
    }

    /// Those of a run.
    pub(super) fn of_run(run: &Run, heads: Option<Heads>) -> Self {
        let mut values = Self::of_sizes(run.sizes, heads);
        values.add("lr", run.hyper.learning_rate);
        for (name, value) in all_settings(&run.hyper) {
            values.add(&name, value);
        }
        values.add("rule", run.rule);
        values.add("optimizer", run.optimizer);
        values.add("seed", run.seed);
        values.add("steps", run.budget.steps);
        values.add("batch", run.budget.batch);
        values.add("schedule", run.budget.schedule.name());
        values.add("warmup", run.budget.warmup);
        values
    }

    /// The same with where the files of a run are.
    pub(super) fn with_paths(mut self, folder: &Path) -> Self {
        for (name, file) in super::run::FILES {
            self.add(name, folder.join(file).display());
        }
        self.add("out", folder.display());
        self
    }

    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    /// A text with values in place of the placeholders.
    ///
    /// # Errors
    /// When a placeholder is none.
    pub(super) fn fill(&self, text: &str) -> Result<String, CommandError> {
        let mut unknown = None;
        let filled = PLACEHOLDER.replace_all(text, |found: &Captures| {
            if let Some(literal) = found.get(1) {
                return literal.as_str().to_owned();
            }
            let name = &found[2];
            let value = self.0.get(name).cloned();
            value.unwrap_or_else(|| {
                unknown.get_or_insert(name.to_owned());
                String::new()
            })
        });
        match unknown {
            None => Ok(filled.into_owned()),
            Some(name) => Err(CommandError::Placeholder {
                text: text.to_owned(),
                name,
                known: self.0.keys().cloned().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// All texts with values in place of the placeholders.
    pub(super) fn fill_all(&self, texts: &[String]) -> Result<Vec<String>, CommandError> {
        texts.iter().map(|text| self.fill(text)).collect()
    }

    /// The same as environment variables, such as `MUTRANSFER_LR`.
    pub(super) fn environment(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().map(|(name, value)| {
            let name = name.to_ascii_uppercase().replace('.', "_");
            (format!("{PREFIX}{name}"), value.as_str())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::tests::trial;

    #[test]
    fn placeholders_stand_for_values_and_nothing_else_changes() {
        let mut trial = trial(10);
        trial.hyper.learning_rate = 2_f64.powi(-20);
        let values = Values::of_run(&Run::of_trial(&trial).unwrap(), Some(Heads::Count(4)));
        let cases = [
            ("--lr={lr}", "--lr=0.00000095367431640625"),
            ("{width}x{heads}/{input.lr}", "8x4/1"),
            ("{{width}} {\"a\": {width}} {}", "{width} {\"a\": 8} {}"),
            ("{schedule} {rule}", "constant mup"),
        ];
        for (text, filled) in cases {
            assert_eq!(values.fill(text).unwrap(), filled);
        }
        let error = values.fill("--lr={rate}").unwrap_err().to_string();
        assert!(
            error.contains("{rate}") && error.contains("lr, "),
            "{error}"
        );
        let environment: BTreeMap<_, _> = values.environment().collect();
        assert_eq!(environment["MUTRANSFER_WIDTH"], "8");
        assert_eq!(environment["MUTRANSFER_INPUT_LR"], "1");
    }
}
