//! From a study as it is written to one that can be run.

use std::collections::BTreeSet;
use std::path::Path;

use mutransfer::error::HyperError;
use mutransfer::{Hyper, Init, Optimizer};
use toml::{Table, Value};

use super::checked::{Parts, Study};
use super::file::{StudyFile, usual_hyper};
use super::ladder::Ladder;
use super::program::{PROGRAM, allowance, program};
use super::searched::Searched;
use crate::axis::Axis;
use crate::error::{ReadError, What};
use crate::limits;
use crate::rule::NamedRule;
use crate::subject::{Augmentation, Description, Heads};
use crate::trial::Budget;

/// TP5 appendix D advises heads of at least 32; the small default widths leave room for 16.
const DEFAULT_HEAD_DIM: usize = 16;

impl Study {
    /// Reads and checks a study file. Rules that are files lie relative to it.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, has unknown keys or senseless values.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text = crate::text::read(path).map_err(|source| ReadError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads and checks the text of a study; `path` is for messages, and for where rules lie.
    ///
    /// # Errors
    /// When the text is no TOML, has unknown keys or senseless values.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ReadError> {
        let toml = |source| ReadError::Toml {
            what: What::Study,
            path: path.to_owned(),
            source: Box::new(source),
        };
        let mut table: Table = toml::from_str(text).map_err(toml)?;
        let Some(searched) = Searched::take(&mut table, path)? else {
            let file: StudyFile = toml::from_str(text).map_err(toml)?;
            return Self::check(&file, path);
        };
        // One rule is tuned at the proxy alone where nothing else is asked for.
        let usual = [
            ("rules", Value::from(vec!["mup"])),
            ("verify", false.into()),
            ("seeds", 3.into()),
            ("proxy_seeds", 1.into()),
        ];
        for (key, value) in usual {
            table.entry(key).or_insert(value);
        }
        if let Some(start) = searched.rate() {
            table.insert("lr".to_owned(), start.into());
        }
        let file: StudyFile = table.try_into().map_err(toml)?;
        if !searched.has_rate() && file.lr.learning_rates().len() > 1 {
            let problem = "is a grid, and others are \"auto\"; give one number, or \"auto\"";
            return Err(ReadError::value(path, "lr", problem));
        }
        let Self(mut parts) = Self::check(&file, path)?;
        let found = searched.settings_of();
        let is_given = |(key, _): &(String, String)| found.iter().all(|(own, _)| own != key);
        parts.settings.retain(is_given);
        Ok(Self(Parts {
            settings: [parts.settings, found].concat(),
            searched: Some(searched),
            ..parts
        }))
    }

    /// The study that is written in a file at `path`.
    pub(crate) fn check(file: &StudyFile, path: &Path) -> Result<Self, ReadError> {
        if !is_name(&file.name) {
            let problem = "must consist of letters, digits, `-`, `_` and `.`, and not of dots only";
            return Err(ReadError::value(path, "name", problem));
        }
        let budget = budget(file, path)?;
        let ladder = Ladder::of(file, &budget, path)?;
        check_seeds(file, path)?;
        let rules = rules(file, path)?;
        check_horizon(file, &ladder, &rules, path)?;
        file.executor.check().map_err(|(key, problem)| {
            ReadError::value(path, &format!("executor.{key}"), problem)
        })?;
        let settings = rules.len() * (ladder.proxies.len() + 1) * file.lr.learning_rates().len();
        limits::check_trials(settings, file.seeds.max(file.proxy_seeds()))
            .map_err(|error| bad_size(path, error))?;
        Ok(Self(Parts {
            name: file.name.clone(),
            subject: subject(file, &ladder, path)?,
            rules,
            optimizer: file.optimizer,
            grid: file.lr,
            seeds: file.seeds,
            proxy_seeds: file.proxy_seeds(),
            first_seed: first_seed(file, path)?,
            hyper: hyper(file, path)?,
            allowance: allowance(file, path)?,
            is_verified: file.verify,
            check: check(file, &ladder, path)?,
            settings: settings_of(&file.filled()),
            executor: file.executor.clone(),
            searched: None,
            ladder,
        }))
    }
}

fn bad_size(path: &Path, error: limits::BadSize) -> ReadError {
    ReadError::value(path, error.what, error.problem)
}

fn check_seeds(file: &StudyFile, path: &Path) -> Result<(), ReadError> {
    limits::check_seeds("seeds", file.seeds)
        .and_then(|()| limits::check_seeds("proxy_seeds", file.proxy_seeds()))
        .map_err(|error| bad_size(path, error))
}

/// The published law of batch and duration is that of Adam, whose noise it keeps.
fn check_horizon(
    file: &StudyFile,
    ladder: &Ladder,
    rules: &[NamedRule],
    path: &Path,
) -> Result<(), ReadError> {
    let is_other = ladder.all().iter().any(|rung| rung.budget.base.is_some());
    let follows = |rule: &&NamedRule| rule.parametrization().horizon().is_some();
    match rules.iter().find(follows) {
        Some(rule) if is_other && file.optimizer == Optimizer::Sgd => {
            let problem = format!(
                "is sgd, for which `{}` has no law of batch and duration; train with adamw",
                rule.name()
            );
            Err(ReadError::value(path, "optimizer", problem))
        }
        _ => Ok(()),
    }
}

/// The first seed, which leaves room for the others.
fn first_seed(file: &StudyFile, path: &Path) -> Result<u64, ReadError> {
    let check = file.check.clone().unwrap_or_default();
    let seeds = file.seeds.max(file.proxy_seeds()).max(check.seeds);
    if file.seed.checked_add(seeds).is_none() {
        let problem = format!("is {}, beyond which there are no more", file.seed);
        return Err(ReadError::value(path, "seed", problem));
    }
    Ok(file.seed)
}

/// Widths of the coordinate check, those of the study if it has none of its own and grows in width,
/// and its seeds.
fn check(file: &StudyFile, ladder: &Ladder, path: &Path) -> Result<(Vec<usize>, u64), ReadError> {
    let check = file.check.clone().unwrap_or_default();
    let of_study = || ladder.all().into_iter().map(|rung| rung.sizes.width);
    let is_of_width = ladder.grows.is_empty() || ladder.grows.contains(&Axis::Width);
    let widths: BTreeSet<usize> = match &check.widths[..] {
        [] if is_of_width => of_study().collect(),
        own => own.iter().copied().collect(),
    };
    widths
        .iter()
        .try_for_each(|width| limits::check_width("check.widths", *width))
        .and_then(|()| limits::check_seeds("check.seeds", check.seeds))
        .map_err(|error| bad_size(path, error))?;
    Ok((widths.into_iter().collect(), check.seeds))
}

/// Whether it names a folder, and one right here.
fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.chars().all(is_allowed) && name.chars().any(|c| c != '.')
}

fn budget(file: &StudyFile, path: &Path) -> Result<Budget, ReadError> {
    let budget = Budget {
        steps: file.steps,
        batch: file.batch,
        schedule: file.schedule,
        warmup: file.warmup.unwrap_or(file.steps / 10),
        base: None,
    };
    limits::check_budget(&budget).map_err(|error| bad_size(path, error))?;
    if budget.warmup >= budget.steps {
        let problem = format!("is {}, not below `steps` = {}", budget.warmup, budget.steps);
        return Err(ReadError::value(path, "warmup", problem));
    }
    Ok(budget)
}

/// The rules by their names, each of which must be one of a kind.
fn rules(file: &StudyFile, path: &Path) -> Result<Vec<NamedRule>, ReadError> {
    if file.rules.is_empty() {
        let problem = "is empty; give \"sp\", \"mup\" or both";
        return Err(ReadError::value(path, "rules", problem));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut rules: Vec<NamedRule> = Vec::new();
    for typed in &file.rules {
        let rule = NamedRule::find(typed, folder).map_err(|source| ReadError::Rule {
            path: path.to_owned(),
            typed: typed.clone(),
            source,
        })?;
        if rules.iter().any(|other| other.name() == rule.name()) {
            let problem = format!("has two of the name `{}`", rule.name());
            return Err(ReadError::value(path, "rules", problem));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn subject(file: &StudyFile, ladder: &Ladder, path: &Path) -> Result<Description, ReadError> {
    let heads = match (file.head_dim, file.heads) {
        (Some(_), Some(_)) => {
            let problem = "and `head_dim` are both given; one of them grows with width";
            return Err(ReadError::value(path, "heads", problem));
        }
        (Some(dim), None) => ("head_dim", dim, Heads::Dim(dim)),
        (None, Some(count)) => ("heads", count, Heads::Count(count)),
        (None, None) => ("head_dim", DEFAULT_HEAD_DIM, Heads::Dim(DEFAULT_HEAD_DIM)),
    };
    let (key, size, heads) = heads;
    limits::check_width(key, size).map_err(|error| bad_size(path, error))?;
    let program = program(file, ladder, path)?;
    let family = match program {
        Some(_) => PROGRAM.to_owned(),
        None => file.model.clone(),
    };
    Ok(Description {
        family,
        program: program.map(Box::new),
        heads,
        variants: file.variants.clone(),
        zero_readout: file.zero_readout,
        zero_query: file.zero_query,
        augmentation: Augmentation {
            crop: file.crop,
            flip: file.flip,
        },
    })
}

/// What is tuned, but for the learning rate.
fn hyper(file: &StudyFile, path: &Path) -> Result<Hyper, ReadError> {
    let usual = usual_hyper();
    if file.init_std == Some(0.0) {
        let problem = "is 0; it must be a positive number";
        return Err(ReadError::value(path, "init_std", problem));
    }
    let hyper = Hyper {
        weight_decay: file.weight_decay,
        init: file.init_std.map_or(usual.init, Init::Constant),
        momentum: file.momentum.unwrap_or(usual.momentum),
        beta1: file.beta1.unwrap_or(usual.beta1),
        beta2: file.beta2.unwrap_or(usual.beta2),
        eps: file.eps.unwrap_or(usual.eps),
        factors: file.factors(),
        attention: file.attention.map_or(1.0, |own| own.multiplier),
        ..usual
    };
    match hyper.check() {
        Ok(()) => Ok(hyper),
        Err(mutransfer::Error::Hyper(HyperError::OutOfRange {
            name,
            value,
            wanted,
        })) => {
            let problem = format!("is {value}; it must be {wanted}");
            Err(ReadError::value(path, &key(&name), problem))
        }
        Err(other) => Err(ReadError::value(path, "lr", other.to_string())),
    }
}

/// The key of a study that has a hyperparameter.
fn key(hyper: &str) -> String {
    match hyper {
        "init" => "init_std".to_owned(),
        "attention" => "attention.multiplier".to_owned(),
        _ => hyper
            .trim_start_matches("factors.")
            .replace("learning_rate", "lr")
            .replace(".init_std", ".init"),
    }
}

/// Every key that has a value, as the report shows it.
fn settings_of(file: &StudyFile) -> Vec<(String, String)> {
    let written = serde_json::to_value(file).unwrap_or_default();
    let keys = written.as_object().into_iter().flatten();
    keys.filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.to_string()))
        .collect()
}
