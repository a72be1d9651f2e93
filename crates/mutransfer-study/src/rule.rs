//! The one way from what is typed to a rule: a name, or a file with a table.

use std::fmt;
use std::path::{Path, PathBuf};

use mutransfer::{Options, Parametrization, Rule};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A rule under the name that results have it by, with its table where it is not built in.
///
/// Written, it is self-contained: what reads it needs no file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct NamedRule {
    name: String,
    origin: Origin,
}

/// Where a rule is from. A built-in one is a word until it is asked for: a study has many trials.
#[derive(Clone)]
enum Origin {
    BuiltIn(Rule),
    /// A built-in one with choices.
    Chosen(Box<Parametrization>),
    Table(Box<Table>),
}

#[derive(Clone)]
struct Table {
    text: String,
    parametrization: Parametrization,
}

/// Why a rule is none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FindError {
    /// Neither a name nor a file.
    #[error(transparent)]
    Unknown(mutransfer::Error),
    /// A file that cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that holds no table.
    #[error(transparent)]
    Table(mutransfer::Error),
    /// A table under the name of a rule that is built in.
    #[error("the table in {path} has the name of the rule `{name}`, which is built in")]
    Namesake {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

impl NamedRule {
    /// A built-in rule, with choices behind a colon where the literature disagrees:
    /// `mup:hidden-decay=sqrt,depth=none`.
    ///
    /// ```
    /// use mutransfer_study::rule::NamedRule;
    ///
    /// let plain = NamedRule::built_in("mup:depth=none")?;
    /// assert_eq!(plain.name(), "mup:depth=none");
    /// assert!(NamedRule::built_in("mup:depth=deep").is_err());
    /// # Ok::<(), mutransfer::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such rule or no such choice; the message lists those there are.
    pub fn built_in(name: &str) -> Result<Self, mutransfer::Error> {
        let Some((rule, choices)) = chosen(name) else {
            return Ok(name.parse::<Rule>()?.into());
        };
        let pairs = choices
            .split(',')
            .filter_map(|choice| choice.split_once('='));
        let rule = Parametrization::from(rule.parse::<Rule>()?);
        let chosen = rule.with_options(Options::from_pairs(pairs)?);
        Ok(Self {
            name: name.to_owned(),
            origin: Origin::Chosen(Box::new(chosen)),
        })
    }

    /// A built-in rule, or else the table in a file, whose path is relative to `folder`. The
    /// table goes by its own name, or else by that of the file without its ending.
    ///
    /// # Errors
    /// When there is neither such a rule nor such a file, the file holds no table, or its table has
    /// the name of a built-in rule.
    pub fn find(typed: &str, folder: &Path) -> Result<Self, FindError> {
        let unknown = match Self::built_in(typed) {
            Ok(rule) => return Ok(rule),
            Err(error) => error,
        };
        let path = folder.join(typed);
        let is_table = path.extension().is_some_and(|ending| ending == "toml");
        if is_table || path.is_file() {
            Self::read(&path)
        } else {
            Err(FindError::Unknown(unknown))
        }
    }

    fn read(path: &Path) -> Result<Self, FindError> {
        let table = crate::text::read(path).map_err(|source| FindError::File {
            path: path.to_owned(),
            source,
        })?;
        // Problems are told of the file, and results by the name.
        Parametrization::from_toml(&path.display().to_string(), &table)
            .map_err(FindError::Table)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let parametrization =
            Parametrization::from_toml(&stem, &table).map_err(FindError::Table)?;
        let name = parametrization.name();
        if Self::built_in(&name).is_ok() {
            let path = path.to_owned();
            return Err(FindError::Namesake { path, name });
        }
        Ok(Self {
            name,
            origin: Origin::Table(Box::new(Table {
                text: table,
                parametrization,
            })),
        })
    }

    /// The name that results have it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rule itself.
    pub fn parametrization(&self) -> Parametrization {
        match &self.origin {
            Origin::BuiltIn(rule) => (*rule).into(),
            Origin::Chosen(chosen) => Parametrization::clone(chosen),
            Origin::Table(table) => table.parametrization.clone(),
        }
    }

    /// Text of the table, where it is no built-in one.
    fn table(&self) -> Option<&String> {
        match &self.origin {
            Origin::BuiltIn(_) | Origin::Chosen(_) => None,
            Origin::Table(table) => Some(&table.text),
        }
    }
}

/// A rule and its choices, all of the form KEY=VALUE; none where there are none.
fn chosen(name: &str) -> Option<(&str, &str)> {
    let (rule, choices) = name.split_at(name.find('=')?);
    let (rule, first) = rule.rsplit_once(':')?;
    let choices = &name[name.len() - choices.len() - first.len()..];
    let is_pair = |choice: &str| choice.contains('=');
    choices.split(',').all(is_pair).then_some((rule, choices))
}

impl From<Rule> for NamedRule {
    fn from(rule: Rule) -> Self {
        Self {
            name: rule.to_string(),
            origin: Origin::BuiltIn(rule),
        }
    }
}

impl PartialEq for NamedRule {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.table()) == (&other.name, other.table())
    }
}

impl fmt::Debug for NamedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedRule")
            .field("name", &self.name)
            .field("table", &self.table())
            .finish_non_exhaustive()
    }
}

/// As in `trial.json`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    /// Text of the table, where it is no built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<String>,
}

impl From<NamedRule> for Written {
    fn from(rule: NamedRule) -> Self {
        Self {
            table: rule.table().cloned(),
            name: rule.name,
        }
    }
}

impl TryFrom<Written> for NamedRule {
    type Error = mutransfer::Error;

    fn try_from(written: Written) -> Result<Self, mutransfer::Error> {
        let Written { name, table } = written;
        let Some(table) = table else {
            return Self::built_in(&name);
        };
        let parametrization = Parametrization::from_toml(&name, &table)?;
        Ok(Self {
            name,
            origin: Origin::Table(Box::new(Table {
                text: table,
                parametrization,
            })),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const TABLE: &str = "[input]\n[hidden]\nlr = \"m_in^-1\"\n[output]\n";

    #[test]
    fn a_name_is_a_rule_and_anything_else_a_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.toml"), TABLE).unwrap();
        fs::write(folder.path().join("bare"), TABLE).unwrap();
        fs::write(folder.path().join("mup"), "not a table").unwrap();
        let find = |typed: &str| NamedRule::find(typed, folder.path());
        for (typed, name) in [
            ("mup", "mup"),
            ("uniform:1/4", "uniform:1/4"),
            ("mup:depth=none", "mup:depth=none"),
            (
                "uniform:1/4:depth=1,eps=constant",
                "uniform:1/4:depth=1,eps=constant",
            ),
            ("mine.toml", "mine"),
            ("bare", "bare"),
        ] {
            assert_eq!(find(typed).unwrap().name(), name);
        }
        let depth = |typed: &str| find(typed).unwrap().parametrization().options().depth;
        assert_ne!(depth("mup:depth=none"), depth("mup"));
        for none in [
            "magic",
            "magic:depth=none",
            "mup:depth",
            "mup:deep=1",
            "mup:depth=1,x",
        ] {
            assert!(matches!(find(none), Err(FindError::Unknown(_))), "{none}");
        }
        assert!(matches!(find("no.toml"), Err(FindError::File { .. })));
    }

    #[test]
    fn a_table_needs_a_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sp.toml"), TABLE).unwrap();
        let found = NamedRule::find("sp.toml", folder.path());
        assert!(matches!(found, Err(FindError::Namesake { .. })));
        fs::write(
            folder.path().join("sp.toml"),
            format!("name = \"a.b/c\"\n{TABLE}"),
        )
        .unwrap();
        let found = NamedRule::find("sp.toml", folder.path()).unwrap();
        assert_eq!(found.name(), "a.b/c");
    }

    #[test]
    fn a_written_rule_keeps_its_choices() {
        let rule = NamedRule::built_in("mup:hidden-decay=sqrt").unwrap();
        let text = serde_json::to_string(&rule).unwrap();
        let read: NamedRule = serde_json::from_str(&text).unwrap();
        assert_eq!(read, rule);
        let decay = |rule: &NamedRule| rule.parametrization().options().hidden_decay;
        assert_eq!(decay(&read), decay(&rule));
        assert_ne!(decay(&read), decay(&Rule::Mup.into()));
    }

    #[test]
    fn a_written_rule_carries_its_table() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.toml"), TABLE).unwrap();
        let rule = NamedRule::find("mine.toml", folder.path()).unwrap();
        let text = serde_json::to_string(&rule).unwrap();
        let read: NamedRule = serde_json::from_str(&text).unwrap();
        assert_eq!(read, rule);
        assert!(serde_json::from_str::<NamedRule>("{\"name\": \"magic\"}").is_err());
    }
}
