//! `mutransfer coord`: whether activations, their changes and updates follow the width as the rule
//! promises.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use mutransfer::theory::{Expectation, Quantity, Theory};
use mutransfer::{Optimizer, Parametrization, Rule};
use mutransfer_analysis::figures;
use mutransfer_analysis::record::Coordinate;
use mutransfer_analysis::{
    Cell, Check, TOLERANCE, Verdict, coordinates_from_csv, display_name, judge,
};
use mutransfer_models::{Kind, Variant};
use mutransfer_study::schedule::Schedule;
use mutransfer_study::store::Store;
use mutransfer_study::trial::{Data, Model, Trial};

use crate::args::CoordOptions;
use crate::failure::Failure;
use crate::say::{note, say};
use crate::subject::{Subject, data};
use crate::table;

pub(crate) fn coord(options: &CoordOptions) -> Result<(), Failure> {
    let rules = rules(options)?;
    let coordinates = match &options.from {
        Some(path) => read(path, &rules)?,
        None => train(options, &rules)?,
    };
    let rule = |name: &str| match (options.expect, rules.iter().find(|rule| rule.name == name)) {
        (Some(expected), _) => Some(expected.into()),
        (None, Some(named)) => Some(named.rule.clone()),
        (None, None) => name.parse::<Rule>().ok().map(Parametrization::from),
    };
    let checks = judged(&coordinates, &rule, options.optimizer, &model(options))?;
    let store = Store::open(&options.out)?;
    store.write(
        "coordinates.csv",
        mutransfer_analysis::record::to_csv(&coordinates).as_bytes(),
    )?;
    store.write(
        "verdict.json",
        &serde_json::to_vec_pretty(&checks).context("cannot write JSON")?,
    )?;
    draw(&store, &coordinates)?;
    if options.json {
        say!(
            "{}",
            serde_json::to_string_pretty(&checks).context("cannot print JSON")?
        );
    } else {
        say!("{}", slopes(&checks));
        say!(
            "Slopes of log2 mean |x| against log2 width with 95% intervals; t counts updates. Tolerance {TOLERANCE}.\n\
             !: fails; ?: undetermined; >: passes over the upper half of the widths, whose slope is shown."
        );
        for check in &checks {
            say!("{check}");
        }
    }
    note!("figures and data: {}", options.out.display());
    match checks.iter().map(|check| check.verdict).max() {
        Some(Verdict::Fail) => Err(Failure::check_failed()),
        Some(Verdict::Undetermined) => Err(Failure::undetermined()),
        _ => Ok(()),
    }
}

/// A parametrization under its name, with the text of its table where it is not built in.
struct Named {
    name: String,
    table: Option<String>,
    rule: Parametrization,
}

fn rules(options: &CoordOptions) -> Result<Vec<Named>, Failure> {
    let typed = if options.rules.is_empty() {
        vec![Rule::Mup.to_string()]
    } else {
        options.rules.clone()
    };
    let named = |typed: &String| {
        let path = Path::new(typed);
        match path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            true => {
                let name = path
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let table = crate::model::text(path)?;
                Ok(Named {
                    rule: Parametrization::from_toml(typed, &table)?,
                    table: Some(table),
                    name,
                })
            }
            false => Ok(Named {
                rule: typed.parse::<Rule>()?.into(),
                table: None,
                name: typed.clone(),
            }),
        }
    };
    typed.iter().map(named).collect()
}

/// Measurements of another program. Without a column `rule` they are of the one rule asked for.
fn read(path: &Path, rules: &[Named]) -> Result<Vec<Coordinate>, Failure> {
    let rule = rules.first().map_or("", |rule| rule.name.as_str());
    let text = crate::model::text(path)?;
    coordinates_from_csv(&text, rule).map_err(|error| Failure::from(error).in_file(path))
}

/// Measurements of a built-in model.
fn train(options: &CoordOptions, rules: &[Named]) -> Result<Vec<Coordinate>, Failure> {
    let trials = trials(options, rules)?;
    let first = trials
        .first()
        .ok_or_else(|| Failure::usage("no width is given", None))?;
    let subject = Subject::new(&first.model, &first.data)?;
    subject.check(&options.widths, first.base_width, first.batch)?;
    for trial in &trials {
        subject.plan(trial)?;
    }
    measure(&subject, &trials, options.steps)
}

/// The verdict on every rule in the table, by what the theory of the rule of that name promises for
/// the model.
pub(crate) fn judged(
    coordinates: &[Coordinate],
    rule: &dyn Fn(&str) -> Option<Parametrization>,
    optimizer: Optimizer,
    model: &Model,
) -> Result<Vec<Check>, Failure> {
    let names: BTreeSet<&str> = coordinates.iter().map(|row| row.rule.as_str()).collect();
    let known = names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), rule(name)?)));
    let expectation = |(name, rule): (String, Parametrization)| {
        let expectation =
            Expectation::of(&Theory::of_rule(&rule, optimizer)?, model.heads.is_some());
        let is_tied = model.variants.contains(&Variant::Tied.to_string());
        Ok((
            name,
            if is_tied {
                expectation.with_tied_readout()
            } else {
                expectation
            },
        ))
    };
    let expectations: BTreeMap<String, Expectation> =
        known.map(expectation).collect::<Result<_, Failure>>()?;
    Ok(judge(coordinates, &expectations)?)
}

fn draw(store: &Store, coordinates: &[Coordinate]) -> Result<(), Failure> {
    let quantities = [
        (Quantity::Activation, "coordinates"),
        (Quantity::Change, "changes"),
        (Quantity::OwnUpdate, "own-updates"),
    ];
    for (quantity, name) in quantities {
        if coordinates
            .iter()
            .any(|row| row.quantity == quantity && row.l1.is_normal())
        {
            let figure = figures::coordinates(coordinates, quantity)
                .context("cannot draw the coordinate check")?;
            store.write(&format!("{name}.svg"), figure.svg.as_bytes())?;
            store.write(&format!("{name}.png"), &figure.png)?;
        }
    }
    Ok(())
}

fn model(options: &CoordOptions) -> Model {
    Model {
        family: options.model.clone(),
        depth: options.depth,
        head_dim: options.heads.is_none().then_some(options.head_dim),
        heads: options.heads,
        variants: options.variants.clone(),
        context: options.context.unwrap_or_else(|| context(&options.model)),
        zero_readout: !options.random_init,
        zero_query: !options.random_init,
    }
}

fn trials(options: &CoordOptions, rules: &[Named]) -> Result<Vec<Trial>, Failure> {
    let lr = options
        .lr
        .unwrap_or(if options.optimizer == Optimizer::Sgd {
            SGD_RATE
        } else {
            ADAM_RATE
        });
    if !(lr.is_finite() && lr > 0.0) {
        return Err(Failure::usage(
            format!("--lr is {lr}; it must be a positive number"),
            None,
        ));
    }
    if options.widths.contains(&0) || options.batch == Some(0) {
        return Err(Failure::usage("widths and batch must be at least 1", None));
    }
    let model = model(options);
    let base_width = options
        .base_width
        .or(options.widths.iter().copied().min())
        .unwrap_or(1);
    let data = data(options.data.as_deref())?;
    let batch = options.batch.unwrap_or_else(|| self::batch(&model, &data));
    let mut trials = Vec::new();
    for Named { name, table, .. } in rules {
        for &width in &options.widths {
            for seed in options.seed..options.seed + options.seeds {
                trials.push(Trial {
                    version: env!("CARGO_PKG_VERSION").into(),
                    rule: name.clone(),
                    table: table.clone(),
                    optimizer: options.optimizer,
                    model: model.clone(),
                    base_width,
                    width,
                    lr,
                    weight_decay: 0.0,
                    init_std: options.init_std,
                    schedule: Schedule::Constant,
                    warmup: 0,
                    steps: options.steps,
                    batch,
                    data: data.clone(),
                    one_batch: true,
                    seed,
                });
            }
        }
    }
    Ok(trials)
}

/// Near the optimum of most small models.
const ADAM_RATE: f64 = 0.0078125;
const SGD_RATE: f64 = 0.1;

/// Repetitions with other weights and data.
pub(crate) const SEEDS: u64 = 10;

/// Tokens in a sequence. What an update does to the other inputs of its batch, which a narrow model
/// cannot tell apart, falls as width^-1/2 and bends the line; so they are few. Of 32 tokens BERT
/// guesses five, of 8 a single one, which it knows after an update.
pub(crate) fn context(family: &str) -> usize {
    if matches!(family.parse(), Ok(Kind::Bert)) {
        32
    } else {
        8
    }
}

/// Sequences or images in a batch, few for the same reason. Every position of an image is an input
/// of a convolution.
pub(crate) fn batch(model: &Model, data: &Data) -> usize {
    match (model.family.parse(), data) {
        (Ok(Kind::Gpt | Kind::Bert), _) | (Ok(Kind::Mlp), Data::Text { .. }) => 1,
        (Ok(Kind::Mlp), _) => 16,
        _ => 4,
    }
}

/// Every quantity of every module of every trial, before and after each of `steps` updates.
pub(crate) fn measure(
    subject: &Subject,
    trials: &[Trial],
    steps: usize,
) -> Result<Vec<Coordinate>, Failure> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(trials.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(trial) = trials.get(index) else {
                        return;
                    };
                    let measured = of_trial(subject, trial, steps);
                    found
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .insert(index, measured);
                }
            });
        }
    });
    let found = found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let measured: Result<Vec<Vec<Coordinate>>, Failure> = found.into_values().collect();
    Ok(measured?.concat())
}

fn of_trial(subject: &Subject, trial: &Trial, steps: usize) -> Result<Vec<Coordinate>, Failure> {
    let mut trainer = subject.trainer(trial)?;
    let mut coordinates = Vec::new();
    for step in 0..=steps {
        coordinates.extend(
            trainer
                .coordinates()
                .into_iter()
                .map(|measured| Coordinate {
                    rule: trial.rule.clone(),
                    width: trial.width,
                    seed: trial.seed,
                    step,
                    module: measured.module,
                    layer: measured.layer,
                    quantity: measured.quantity,
                    l1: measured.sizes.l1,
                    l2: measured.sizes.l2,
                    std: measured.sizes.std,
                }),
        );
        if step < steps {
            trainer.step(1.0);
        }
    }
    Ok(coordinates)
}

/// A row for every module and quantity: what is expected, and the slope after each number of
/// updates.
fn slopes(checks: &[Check]) -> String {
    let steps: BTreeSet<usize> = checks
        .iter()
        .flat_map(|check| &check.cells)
        .map(|cell| cell.step)
        .collect();
    let columns = steps.iter().map(|step| format!("t = {step}"));
    let header = ["rule", "module", "quantity"]
        .map(str::to_owned)
        .into_iter()
        .chain(columns);
    let mut table = table::new(header.chain(["verdict".to_owned()]));
    for check in checks {
        let mut seen = BTreeSet::new();
        for cell in check
            .cells
            .iter()
            .filter(|cell| seen.insert((&cell.module, cell.quantity)))
        {
            let same =
                |other: &&Cell| other.module == cell.module && other.quantity == cell.quantity;
            let at = |step: &usize| {
                check
                    .cells
                    .iter()
                    .filter(same)
                    .find(|cell| cell.step == *step)
            };
            let start = [
                display_name(&check.rule).to_owned(),
                cell.module.clone(),
                cell.quantity.to_string(),
            ];
            let slopes = steps
                .iter()
                .map(|step| at(step).map_or(String::new(), slope));
            let verdict = check
                .cells
                .iter()
                .filter(same)
                .filter_map(|cell| cell.verdict)
                .max();
            let verdict = verdict.map_or("not judged".to_owned(), |verdict| verdict.to_string());
            table.add_row(start.into_iter().chain(slopes).chain([verdict]));
        }
    }
    table.to_string()
}

/// `0.02 ± 0.05`, with what was expected where that is not 0, and a mark where it fails. Where the
/// upper half of the widths decides, its slope.
fn slope(cell: &Cell) -> String {
    let Some(fit) = cell.fit else {
        return "0, as it must".to_owned();
    };
    let (line, mark) = match (cell.verdict, fit.upper) {
        (Some(Verdict::Pass), Some(upper)) if !cell.passes_overall() => (upper, " >"),
        (Some(Verdict::Fail), _) => (fit.all, " !"),
        (Some(Verdict::Undetermined), _) => (fit.all, " ?"),
        _ => (fit.all, ""),
    };
    let (slope, margin) = (line.slope, (line.interval.1 - line.interval.0) / 2.0);
    match cell.expected {
        Some(expected) if expected != 0.0 => {
            format!("{slope:.2} ± {margin:.2} ({expected:.1}){mark}")
        }
        _ => format!("{slope:.2} ± {margin:.2}{mark}"),
    }
}
