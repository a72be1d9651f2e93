//! What of a study is searched for in place of being given: keys that are `"auto"`.

use std::path::Path;

use mutransfer::{Hyper, Init, Optimizer, Plan, Role};
use toml::{Table, Value};

use super::file::StudyFile;
use crate::asking::{is_manner, number_of, searched_of, settings_of};
use crate::error::ReadError;
use crate::grid::Grid;
use crate::search::{Hyperparameter, Kind, Search, SearchError, Settings, Space};
use crate::trial::Trial;

/// The key of how it is searched.
const SETTINGS: &str = "search";

/// What a search sets of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setting {
    /// The hyperparameters.
    pub(crate) hyper: Hyper,
    /// Steps of warm-up of the base; those of the study if none.
    pub(crate) warmup: Option<f64>,
}

impl From<Hyper> for Setting {
    fn from(hyper: Hyper) -> Self {
        let warmup = None;
        Self { hyper, warmup }
    }
}

/// The hyperparameters of a study that are to be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Searched {
    space: Space,
    settings: Settings,
}

impl Searched {
    /// Takes what is to be found, and how, out of the keys of a study; none where all is given.
    pub(super) fn take(table: &mut Table, path: &Path) -> Result<Option<Self>, ReadError> {
        let settings = table.remove(SETTINGS);
        let taken = taken(table);
        if let Some((name, word)) = misspelt(table) {
            let problem = format!("is \"{word}\"; write a number, or \"auto\"");
            return Err(ReadError::value(path, &name, problem));
        }
        if taken.is_empty() {
            return match settings {
                None => Ok(None),
                Some(_) => Err(ReadError::value(path, SETTINGS, NOTHING)),
            };
        }
        let sgd = Value::String(Optimizer::Sgd.to_string());
        let is_sgd = table.get("optimizer") == Some(&sgd);
        let steps = table.get("steps").and_then(Value::as_integer);
        let steps = steps.map_or(StudyFile::default().steps as f64, |steps| steps as f64);
        let found = taken.into_iter().map(|(name, value)| {
            let wrong = |problem| ReadError::value(path, &name, problem);
            let value = if name == WARMUP {
                of_warmup(value, steps).map_err(wrong)?
            } else {
                value
            };
            let parameter = parameter(&name, &value).map_err(wrong)?;
            Ok(usual(parameter, &value, is_sgd))
        });
        let wrong = |problem| ReadError::Search {
            path: path.to_owned(),
            problem,
        };
        let space = Space::new(found.collect::<Result<_, ReadError>>()?).map_err(wrong)?;
        let settings = settings_of(settings, &space)
            .map_err(|problem| ReadError::value(path, SETTINGS, problem))?;
        let searched = Self { space, settings };
        // The settings are checked with the axes.
        searched.begin().map_err(wrong)?;
        Ok(Some(searched))
    }

    /// What is to be found.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// How.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is searched and how, in the words of the file, as the report shows it.
    pub(super) fn settings_of(&self) -> Vec<(String, String)> {
        let parameters = self.space.parameters().iter();
        let mut settings: Vec<(String, String)> = parameters.map(in_words).collect();
        let how = serde_json::to_string(&self.settings).unwrap_or_default();
        settings.push((SETTINGS.to_owned(), how));
        settings
    }

    /// A search for all of it.
    ///
    /// # Errors
    /// None of a study that was read.
    pub(crate) fn begin(&self) -> Result<Search, SearchError> {
        Search::of(&self.space, self.settings)
    }

    /// What is set at a point of the search, and as it is where nothing is searched.
    pub(crate) fn at(&self, point: &[f64], mut setting: Setting) -> Setting {
        let parameters = self.space.parameters().iter();
        for (parameter, value) in parameters.zip(self.space.values(point)) {
            if let Some(number) = number(&mut setting, &parameter.name) {
                *number = value;
            }
        }
        setting
    }

    /// What of a trial is searched for, by its names; without an initial standard deviation that is
    /// of another kind.
    pub fn of(&self, trial: &Trial) -> Vec<(String, f64)> {
        let mut setting = Setting {
            hyper: trial.hyper,
            warmup: Some(trial.budget.warmup_of_base()),
        };
        let is_constant = matches!(trial.hyper.init, Init::Constant(_));
        let parameters = self.space.parameters().iter();
        let parameters = parameters.filter(|one| is_constant || one.name != INIT);
        let named = parameters.filter_map(|parameter| {
            let value = *number(&mut setting, &parameter.name)?;
            Some((parameter.name.clone(), value))
        });
        named.collect()
    }

    /// The hyperparameters half an octave from where the search begins, in all directions at once.
    pub(super) fn elsewhere(&self, hyper: Hyper) -> Hyper {
        let moved = self.space.axes().into_iter().map(|axis| axis.start - 0.5);
        self.at(&moved.collect::<Vec<_>>(), hyper.into()).hyper
    }

    /// A hyperparameter that changes nothing under a plan: one of another optimizer, or of a role
    /// that no parameter has.
    pub(super) fn useless(&self, plan: &Plan) -> Option<String> {
        let is_sgd = plan.optimizer() == Optimizer::Sgd;
        let is_useless = |name: &&String| match &name[..] {
            "momentum" => !is_sgd,
            "beta1" | "beta2" => is_sgd,
            name => name
                .split_once('.')
                .and_then(|(part, _)| part.parse::<Role>().ok())
                .is_some_and(|role| plan.params().all(|(_, own)| own.role != role)),
        };
        let mut names = self
            .space
            .parameters()
            .iter()
            .map(|parameter| &parameter.name);
        names.find(is_useless).cloned()
    }

    /// The same search from where another has ended, of the learning rate alone.
    pub(crate) fn of_rate(&self, start: f64) -> Result<Self, SearchError> {
        let rate = Hyperparameter {
            name: RATE.to_owned(),
            kind: Kind::LearningRate,
            start,
            from: None,
            to: None,
            step: None,
        };
        Ok(Self {
            space: Space::new(vec![rate])?,
            settings: self.settings,
        })
    }

    /// Whether the learning rate is among what is searched, and so on the first axis.
    pub(super) fn has_rate(&self) -> bool {
        self.rate().is_some()
    }

    /// Where the search of the learning rate begins, if it is searched.
    pub(super) fn rate(&self) -> Option<f64> {
        let first = self.space.parameters().first();
        let rate = first.filter(|parameter| parameter.kind == Kind::LearningRate);
        rate.map(|rate| rate.start)
    }
}

/// The key of the initial standard deviation.
const INIT: &str = "init_std";
/// The key of the steps of warm-up.
const WARMUP: &str = "warmup";
/// The key of the learning rate.
pub(crate) const RATE: &str = "lr";
const NOTHING: &str =
    "is given, and no hyperparameter is \"auto\", or a grid beside the learning rate";
/// Where SGD is begun, whose learning rates are much larger than those of Adam.
const RATE_OF_SGD: f64 = 0.1;

/// The keys that are to be found, with the tables that they are in before them. A grid of learning
/// rates is one of them where another key is a grid too; by itself it is swept at every size.
fn taken(table: &mut Table) -> Vec<(String, Value)> {
    let mut taken = sought(table);
    let is_grid = |(_, value): &(String, Value)| value.get("auto").is_none() && value.is_table();
    let is_given = table.get(RATE).is_some_and(|rate| !rate.is_table());
    let is_taken = taken.iter().any(|(name, _)| name == RATE);
    if taken.iter().any(is_grid) && !is_given && !is_taken {
        let rates = table.remove(RATE).or_else(usual_rates);
        taken.extend(rates.map(|rates| (RATE.to_owned(), rates)));
    }
    taken
}

/// A word in place of a number, which was to be `"auto"`.
fn misspelt(table: &Table) -> Option<(String, &str)> {
    let word = |name: String, value| {
        let text = Value::as_str(value).filter(|_| name != RATE && is_known(&name))?;
        Some((name, text))
    };
    table.iter().find_map(|(key, value)| match value {
        Value::Table(inner) if is_part(key) => {
            let mut inner = inner.iter();
            inner.find_map(|(own, value)| word(format!("{key}.{own}"), value))
        }
        _ => word(key.clone(), value),
    })
}

/// The grid of a study that says nothing of it.
fn usual_rates() -> Option<Value> {
    Value::try_from(Grid::default()).ok()
}

fn sought(table: &mut Table) -> Vec<(String, Value)> {
    let mut taken = own("", table);
    let of_parts: Vec<String> = table.keys().filter(|key| is_part(key)).cloned().collect();
    for part in of_parts {
        if let Some(Value::Table(inner)) = table.get_mut(&part) {
            taken.extend(own(&format!("{part}."), inner));
            if inner.is_empty() {
                table.remove(&part);
            }
        }
    }
    taken
}

fn own(prefix: &str, table: &mut Table) -> Vec<(String, Value)> {
    let keys: Vec<String> = table.keys().cloned().collect();
    let sought = keys.into_iter().filter_map(|key| {
        let name = format!("{prefix}{key}");
        let value = table.get(&key).filter(|value| is_sought(&name, value))?;
        let value = value.clone();
        table.remove(&key);
        Some((name, value))
    });
    sought.collect()
}

/// `{ auto = true, from = .. }`, or `"auto"`, which may be the name of anything else.
fn is_sought(name: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => text == "auto" && is_known(name),
        Value::Table(table) if table.contains_key("auto") => true,
        Value::Table(table) => name != RATE && is_known(name) && is_manner(table),
        _ => false,
    }
}

fn is_known(name: &str) -> bool {
    number(&mut Hyper::default().into(), name).is_some()
}

/// What is usual for steps of warm-up, which are between one and half of all: to begin at a tenth.
fn of_warmup(value: Value, steps: f64) -> Result<Value, String> {
    let mut given = match value {
        Value::Table(table) => table,
        _ => Table::from_iter([("auto".to_owned(), true.into())]),
    };
    let is_bare = given.len() == 1;
    if given.contains_key("auto") {
        for (key, usual) in [("from", 1.0), ("to", (steps / 2.0).max(1.0))] {
            given.entry(key).or_insert(usual.into());
        }
    }
    if is_bare {
        given.insert("start".to_owned(), (steps / 10.0).max(1.0).into());
    }
    let longest = given.get("to").and_then(number_of).unwrap_or(0.0);
    if longest >= steps {
        return Err(format!(
            "is searched up to {longest}, not below `steps` = {steps}"
        ));
    }
    Ok(Value::Table(given))
}

/// Whether a table of this name has factors.
fn is_part(key: &str) -> bool {
    key == "attention" || key.parse::<Role>().is_ok()
}

fn parameter(name: &str, value: &Value) -> Result<Hyperparameter, String> {
    if !is_known(name) {
        let problem = "is \"auto\" or a grid, and is none of what can be searched for: lr, \
                       weight_decay, momentum, beta1, beta2, init_std, warmup, and factors such as \
                       input.lr, hidden.init, output.multiplier and attention.multiplier";
        return Err(problem.to_owned());
    }
    searched_of(name, value)?.ok_or_else(|| "is not to be searched for".to_owned())
}

fn in_words(parameter: &Hyperparameter) -> (String, String) {
    let mut words = match parameter.step {
        Some(step) => format!("grid, step = {step}"),
        None => format!("auto, start = {}", parameter.start),
    };
    for (key, end) in [("from", parameter.from), ("to", parameter.to)] {
        if let Some(end) = end {
            words += &format!(", {key} = {end}");
        }
    }
    (parameter.name.clone(), words)
}

/// What is usual in a study where the file does not say it.
fn usual(mut parameter: Hyperparameter, value: &Value, is_sgd: bool) -> Hyperparameter {
    let is_plain = value.is_str();
    if parameter.kind == Kind::LearningRate && is_sgd && is_plain {
        parameter.start = RATE_OF_SGD;
    }
    if parameter.kind == Kind::Average {
        // A mean over nothing, below which there are no more.
        parameter.from.get_or_insert(0.0);
    }
    parameter
}

/// The number that a key of a study stands for.
fn number<'a>(setting: &'a mut Setting, name: &str) -> Option<&'a mut f64> {
    if name == WARMUP {
        return Some(setting.warmup.get_or_insert(0.0));
    }
    let hyper = &mut setting.hyper;
    if let Some((part, key)) = name.split_once('.') {
        return factor(hyper, part, key);
    }
    match name {
        RATE => Some(&mut hyper.learning_rate),
        "weight_decay" => Some(&mut hyper.weight_decay),
        "momentum" => Some(&mut hyper.momentum),
        "beta1" => Some(&mut hyper.beta1),
        "beta2" => Some(&mut hyper.beta2),
        INIT => {
            if !matches!(hyper.init, Init::Constant(_)) {
                hyper.init = Init::Constant(1.0);
            }
            match &mut hyper.init {
                Init::Constant(std) => Some(std),
                _ => None,
            }
        }
        _ => None,
    }
}

fn factor<'a>(hyper: &'a mut Hyper, part: &str, key: &str) -> Option<&'a mut f64> {
    if part == "attention" {
        return (key == "multiplier").then_some(&mut hyper.attention);
    }
    let factors = &mut hyper.factors[part.parse::<Role>().ok()?];
    match key {
        "lr" => Some(&mut factors.learning_rate),
        "init" => Some(&mut factors.init_std),
        "multiplier" => Some(&mut factors.multiplier),
        "weight_decay" => Some(&mut factors.weight_decay),
        _ => None,
    }
}
