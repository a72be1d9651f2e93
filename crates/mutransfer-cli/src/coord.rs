//! `mutransfer coord`: whether activations, their changes and updates follow the width as the rule promises.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use mutransfer::theory::{Expectation, Quantity, Theory};
use mutransfer::{Optimizer, Rule};
use mutransfer_lab::analysis::{Cell, Check, Fit, TOLERANCE, Verdict, coordinates_from_csv, display_name, judge};
use mutransfer_lab::figures;
use mutransfer_lab::record::Coordinate;
use mutransfer_lab::schedule::Schedule;
use mutransfer_lab::store::Store;
use mutransfer_lab::trial::{Model, Trial};

use crate::args::CoordOptions;
use crate::failure::Failure;
use crate::subject::{Subject, data};
use crate::table;

pub(crate) fn coord(options: &CoordOptions) -> Result<(), Failure> {
    let rules = if options.rules.is_empty() { vec![Rule::Mup] } else { options.rules.clone() };
    let coordinates = match &options.from {
        Some(path) => read(path, &rules)?,
        None => train(options, &rules)?,
    };
    let checks = judged(&coordinates, options.optimizer, options.heads.is_some())?;
    let store = Store::open(&options.out)?;
    store.write("coordinates.csv", mutransfer_lab::record::to_csv(&coordinates).as_bytes())?;
    store.write("verdict.json", &serde_json::to_vec_pretty(&checks).context("cannot write JSON")?)?;
    draw(&store, &coordinates)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&checks).context("cannot print JSON")?);
    } else {
        println!("{}", slopes(&checks));
        println!(
            "Slopes of log2 mean |x| against log2 width with 95% intervals; t counts updates. Tolerance {TOLERANCE}."
        );
        for check in &checks {
            println!("{check}");
        }
    }
    eprintln!("figures and data: {}", options.out.display());
    match checks.iter().map(|check| check.verdict).max() {
        Some(Verdict::Fail) => Err(Failure::check_failed()),
        Some(Verdict::Undetermined) => Err(Failure::undetermined()),
        _ => Ok(()),
    }
}

/// Measurements of another program. Without a column `rule` they are of the one rule asked for.
fn read(path: &Path, rules: &[Rule]) -> Result<Vec<Coordinate>, Failure> {
    let rule = rules.first().map_or(String::new(), Rule::to_string);
    let text = crate::model::text(path)?;
    coordinates_from_csv(&text, &rule).map_err(|error| Failure::from(error).in_file(path))
}

/// Measurements of a built-in model.
fn train(options: &CoordOptions, rules: &[Rule]) -> Result<Vec<Coordinate>, Failure> {
    let trials = trials(options, rules)?;
    let first = trials.first().ok_or_else(|| Failure::usage("no width is given", None))?;
    let subject = Subject::new(&first.model, &first.data)?;
    subject.check(&options.widths, first.base_width, options.batch)?;
    for trial in &trials {
        subject.plan(trial)?;
    }
    measure(&subject, &trials, options.steps)
}

/// The verdict on every rule in the table, by what its theory promises. `heads_grow` says that the size of a head follows
/// the width.
pub(crate) fn judged(
    coordinates: &[Coordinate],
    optimizer: Optimizer,
    heads_grow: bool,
) -> Result<Vec<Check>, Failure> {
    let names: BTreeSet<&str> = coordinates.iter().map(|row| row.rule.as_str()).collect();
    let known = names.into_iter().filter_map(|name| Some((name.to_owned(), name.parse::<Rule>().ok()?)));
    let expectation = |(name, rule): (String, Rule)| {
        let theory = Theory::of_rule(&rule.into(), optimizer)?;
        Ok((name, Expectation::of(&theory, heads_grow)))
    };
    let expectations: BTreeMap<String, Expectation> = known.map(expectation).collect::<Result<_, Failure>>()?;
    Ok(judge(coordinates, &expectations)?)
}

fn draw(store: &Store, coordinates: &[Coordinate]) -> Result<(), Failure> {
    let quantities =
        [(Quantity::Activation, "coordinates"), (Quantity::Change, "changes"), (Quantity::OwnUpdate, "own-updates")];
    for (quantity, name) in quantities {
        if coordinates.iter().any(|row| row.quantity == quantity && row.l1.is_normal()) {
            let figure = figures::coordinates(coordinates, quantity).context("cannot draw the coordinate check")?;
            store.write(&format!("{name}.svg"), figure.svg.as_bytes())?;
            store.write(&format!("{name}.png"), &figure.png)?;
        }
    }
    Ok(())
}

fn trials(options: &CoordOptions, rules: &[Rule]) -> Result<Vec<Trial>, Failure> {
    if !(options.lr.is_finite() && options.lr > 0.0) {
        return Err(Failure::usage(format!("--lr is {}; it must be a positive number", options.lr), None));
    }
    if options.widths.contains(&0) || options.batch == 0 {
        return Err(Failure::usage("widths and batch must be at least 1", None));
    }
    let model = Model {
        family: options.model.clone(),
        depth: options.depth,
        head_dim: options.heads.is_none().then_some(options.head_dim),
        heads: options.heads,
        context: options.context,
        zero_readout: !options.random_init,
        zero_query: !options.random_init,
    };
    let base_width = options.base_width.or(options.widths.iter().copied().min()).unwrap_or(1);
    let data = data(options.data.as_deref())?;
    let mut trials = Vec::new();
    for &rule in rules {
        for &width in &options.widths {
            for seed in options.seed..options.seed + options.seeds {
                trials.push(Trial {
                    version: env!("CARGO_PKG_VERSION").into(),
                    rule,
                    optimizer: options.optimizer,
                    model: model.clone(),
                    base_width,
                    width,
                    lr: options.lr,
                    weight_decay: 0.0,
                    init_std: options.init_std,
                    schedule: Schedule::Constant,
                    warmup: 0,
                    steps: options.steps,
                    batch: options.batch,
                    data: data.clone(),
                    seed,
                });
            }
        }
    }
    Ok(trials)
}

/// Every quantity of every module of every trial, before and after each of `steps` updates.
pub(crate) fn measure(subject: &Subject, trials: &[Trial], steps: usize) -> Result<Vec<Coordinate>, Failure> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(trials.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(trial) = trials.get(index) else { return };
                    let measured = of_trial(subject, trial, steps);
                    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(index, measured);
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let measured: Result<Vec<Vec<Coordinate>>, Failure> = found.into_values().collect();
    Ok(measured?.concat())
}

fn of_trial(subject: &Subject, trial: &Trial, steps: usize) -> Result<Vec<Coordinate>, Failure> {
    let mut trainer = subject.trainer(trial)?;
    let mut coordinates = Vec::new();
    for step in 0..=steps {
        coordinates.extend(trainer.coordinates().into_iter().map(|measured| Coordinate {
            rule: trial.rule.to_string(),
            width: trial.width,
            seed: trial.seed,
            step,
            module: measured.module,
            layer: measured.layer,
            quantity: measured.quantity,
            l1: measured.sizes.l1,
            l2: measured.sizes.l2,
            std: measured.sizes.std,
        }));
        if step < steps {
            trainer.step(1.0);
        }
    }
    Ok(coordinates)
}

/// A row for every module and quantity: what is expected, and the slope after each number of updates.
fn slopes(checks: &[Check]) -> String {
    let steps: BTreeSet<usize> = checks.iter().flat_map(|check| &check.cells).map(|cell| cell.step).collect();
    let columns = steps.iter().map(|step| format!("t = {step}"));
    let header = ["rule", "module", "quantity"].map(str::to_owned).into_iter().chain(columns);
    let mut table = table::new(header.chain(["verdict".to_owned()]));
    for check in checks {
        let mut seen = BTreeSet::new();
        for cell in check.cells.iter().filter(|cell| seen.insert((&cell.module, cell.quantity))) {
            let same = |other: &&Cell| other.module == cell.module && other.quantity == cell.quantity;
            let at = |step: &usize| check.cells.iter().filter(same).find(|cell| cell.step == *step);
            let start = [display_name(&check.rule).to_owned(), cell.module.clone(), cell.quantity.to_string()];
            let slopes = steps.iter().map(|step| at(step).map_or(String::new(), slope));
            let verdict = check.cells.iter().filter(same).filter_map(|cell| cell.verdict).max();
            let verdict = verdict.map_or("not judged".to_owned(), |verdict| verdict.to_string());
            table.add_row(start.into_iter().chain(slopes).chain([verdict]));
        }
    }
    table.to_string()
}

/// `0.02 ± 0.05`, with what was expected where that is not 0, and a mark where it fails.
fn slope(cell: &Cell) -> String {
    let Some(Fit { slope, interval, .. }) = cell.fit else { return "0, as it must".to_owned() };
    let margin = (interval.1 - interval.0) / 2.0;
    let mark = match cell.verdict {
        Some(Verdict::Fail) => " !",
        Some(Verdict::Undetermined) => " ?",
        _ => "",
    };
    match cell.expected {
        Some(expected) if expected != 0.0 => format!("{slope:.2} ± {margin:.2} ({expected:.1}){mark}"),
        _ => format!("{slope:.2} ± {margin:.2}{mark}"),
    }
}
