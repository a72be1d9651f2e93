//! What is searched, as it is written.

use std::path::Path;

use toml::{Table, Value};

use crate::error::{ReadError, What};
use crate::grid::LearningRate;
use crate::search::{Hyperparameter, Kind, Settings, Space};

/// The table of what is no hyperparameter.
const SETTINGS: &str = "search";

/// Settings of what is searched for, which a grid has no use for.
const OF_AUTO: [&str; 2] = ["budget", "at_once"];

/// What a hyperparameter is by its name, and where its search begins if that is not said. Of those
/// with a dot the last part counts.
const KNOWN: [(&str, Kind, f64); 10] = [
    ("learning_rate", Kind::LearningRate, 0.004),
    ("lr", Kind::LearningRate, 0.004),
    ("batch", Kind::Batch, 32.0),
    ("weight_decay", Kind::Decay, 0.1),
    ("momentum", Kind::Average, 0.9),
    ("beta1", Kind::Average, 0.9),
    ("beta2", Kind::Average, 0.95),
    ("init_std", Kind::Factor, 0.02),
    ("init", Kind::Factor, 1.0),
    ("multiplier", Kind::Factor, 1.0),
];

/// A factor on the numbers of a role, as `input.lr`.
const OF_ROLE: (Kind, f64) = (Kind::Factor, 1.0);

/// A file that says what is searched: hyperparameters by their names, each a value or `"auto"`, and
/// a table `search` of how.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// What is searched.
    pub space: Space,
    /// How.
    pub settings: Settings,
    /// What every run has alike.
    pub fixed: Vec<(String, Value)>,
}

impl Written {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, nothing in it is `"auto"`, or a value makes no sense.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text = std::fs::read_to_string(path).map_err(|source| ReadError::File {
            path: path.to_owned(),
            source,
        })?;
        let table = toml::from_str(&text);
        table
            .map_err(toml(path))
            .and_then(|table| Self::of(table, path))
    }

    /// The same as a JSON object, as whoever has no file writes it.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let path = Path::new("the search");
        let table: Result<Table, _> = serde_json::from_str(text);
        let table = table.map_err(|error| {
            let problem = format!("is not what a search is made of: {error}");
            ReadError::value(path, "keys", problem)
        });
        Self::of(table?, path)
    }

    /// The keys of a search; `path` is for messages.
    fn of(mut table: Table, path: &Path) -> Result<Self, ReadError> {
        let settings = table.remove(SETTINGS);
        let (mut searched, mut fixed) = (Vec::new(), Vec::new());
        for (name, value) in flat("", table) {
            match searched_of(&name, &value) {
                Ok(Some(parameter)) => searched.push(parameter),
                Ok(None) => fixed.push((name, value)),
                Err(problem) => return Err(ReadError::value(path, &name, problem)),
            }
        }
        if searched.is_empty() {
            let problem = "and everything else is fixed; what is to be found is \"auto\"";
            let first = fixed.first().map_or("lr", |(name, _)| name);
            return Err(ReadError::value(path, first, problem));
        }
        let space = Space::new(searched).map_err(|problem| ReadError::Search {
            path: path.to_owned(),
            problem,
        })?;
        let settings = settings_of(settings, &space);
        Ok(Self {
            settings: settings.map_err(|problem| ReadError::value(path, SETTINGS, problem))?,
            space,
            fixed,
        })
    }
}

fn toml(path: &Path) -> impl Fn(toml::de::Error) -> ReadError {
    move |source| ReadError::Toml {
        what: What::Search,
        path: path.to_owned(),
        source: Box::new(source),
    }
}

/// Keys with the tables that they are in before them, `input.lr`. What says how one is searched is
/// no table of others.
fn flat(prefix: &str, table: Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            Value::Table(inner) if !is_manner(&inner) => {
                all.extend(flat(&format!("{name}."), inner));
            }
            value => all.push((name, value)),
        }
    }
    all
}

pub(crate) fn is_manner(table: &Table) -> bool {
    ["auto", "from", "to"]
        .iter()
        .any(|key| table.contains_key(*key))
}

/// A hyperparameter that is to be found; none if it has a value.
pub(crate) fn searched_of(name: &str, value: &Value) -> Result<Option<Hyperparameter>, String> {
    let (kind, usual) = known(name);
    let of = |start, from, to, step| Hyperparameter {
        name: name.to_owned(),
        kind,
        start,
        from,
        to,
        step,
    };
    let missing =
        || "has no usual value; say where to begin, { auto = true, start = 1 }".to_owned();
    match value {
        Value::String(text) if text == "auto" => {
            Ok(Some(of(usual.ok_or_else(missing)?, None, None, None)))
        }
        Value::Table(table) => {
            let [start, from, to, step] = manner(table)?;
            let middle = middle(kind, from, to);
            let inside = usual.filter(|usual| {
                from.is_none_or(|from| from <= *usual) && to.is_none_or(|to| *usual <= to)
            });
            let start = start.or(middle).or(inside).or(from).or(to);
            Ok(Some(of(start.ok_or_else(missing)?, from, to, step)))
        }
        // A misspelt `"auto"` must not pass for a value.
        Value::String(text) if usual.is_some() => {
            let read: Result<LearningRate, _> = value.clone().try_into();
            let problem = |_| format!("is \"{text}\"; write a number, \"2^-12\" or \"auto\"");
            read.map_err(problem).map(|_| None)
        }
        Value::Array(_) => Err("is a list; give a value, or \"auto\"".to_owned()),
        _ => Ok(None),
    }
}

/// What it is by its name, and its usual value.
fn known(name: &str) -> (Kind, Option<f64>) {
    let (of_role, last) = name
        .rsplit_once('.')
        .map_or((false, name), |(_, last)| (true, last));
    let found = KNOWN.iter().find(|(known, _, _)| *known == last);
    match found {
        Some(_) if of_role => (OF_ROLE.0, Some(OF_ROLE.1)),
        Some((_, kind, usual)) => (*kind, Some(*usual)),
        None => (Kind::Factor, None),
    }
}

/// Start, range and, of a grid, the octaves between its values.
fn manner(table: &Table) -> Result<[Option<f64>; 4], String> {
    let is_auto = match table.get("auto") {
        None => false,
        Some(Value::Boolean(true)) => true,
        Some(other) => return Err(format!("has auto = {other}; there is only auto = true")),
    };
    let keys: &[&str] = if is_auto {
        &["auto", "start", "from", "to"]
    } else {
        &["from", "to", "step"]
    };
    if let Some(other) = table.keys().find(|key| !keys.contains(&&key[..])) {
        return Err(format!(
            "has a key `{other}`; there are {} in {}",
            keys.join(", "),
            if is_auto { "a search" } else { "a grid" }
        ));
    }
    let [start, from, to] = ["start", "from", "to"].map(|key| written(table, key));
    let (start, from, to) = (start?, from?, to?);
    if is_auto {
        return Ok([start, from, to, None]);
    }
    let (Some(low), Some(high)) = (from, to) else {
        return Err("is a grid without an end; write { from, to, step }".to_owned());
    };
    if low >= high {
        return Err(format!("is a grid from {low} to {high}, which is none"));
    }
    let step = table.get("step").map_or(Some(1.0), number_of);
    let step = step.ok_or("has a step that is no number of octaves")?;
    Ok([None, from, to, Some(step)])
}

pub(crate) fn number_of(value: &Value) -> Option<f64> {
    let whole = value.as_integer().map(|whole| whole as f64);
    value.as_float().or(whole)
}

/// A positive number, or a power of two.
fn written(table: &Table, key: &str) -> Result<Option<f64>, String> {
    let Some(value) = table.get(key) else {
        return Ok(None);
    };
    let read: Result<LearningRate, _> = value.clone().try_into();
    let read =
        read.map_err(|_| format!("has {key} = {value}; write a positive number, or \"2^-12\""))?;
    // A number is itself, which its logarithm may miss by a bit.
    Ok(Some(number_of(value).unwrap_or_else(|| read.log2.exp2())))
}

/// How it is searched, where that is said.
pub(crate) fn settings_of(written: Option<Value>, space: &Space) -> Result<Settings, String> {
    let Some(written) = written else {
        return Ok(Settings::default());
    };
    let is_grid = !space.grid().is_empty();
    let useless = OF_AUTO.iter().find(|key| written.get(**key).is_some());
    if let Some(key) = useless.filter(|_| is_grid) {
        return Err(format!("has `{key}`, and every point of a grid is run"));
    }
    let settings: Result<Settings, _> = written.try_into();
    settings.map_err(|error: toml::de::Error| format!("cannot be read: {}", error.message()))
}

/// The middle of a range, on the scale on which it is searched.
fn middle(kind: Kind, from: Option<f64>, to: Option<f64>) -> Option<f64> {
    let (from, to) = (from?, to?);
    Some(match kind {
        Kind::Average => 1.0 - ((1.0 - from) * (1.0 - to)).sqrt(),
        _ => (from * to).sqrt(),
    })
}
