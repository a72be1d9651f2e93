//! `mutransfer coord`: how the size of activations follows the width over the first steps of training.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use mutransfer::Rule;
use mutransfer_lab::analysis::display_name;
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
    let trials = trials(options)?;
    let first = trials.first().ok_or_else(|| Failure::usage("no width is given", None))?;
    let subject = Subject::new(&first.model, &first.data)?;
    subject.check(&options.widths, first.base_width, options.batch)?;
    let store = Store::open(&options.out)?;
    let coordinates = measure(&subject, &trials, options.steps)?;
    store.write("coordinates.csv", mutransfer_lab::record::to_csv(&coordinates).as_bytes())?;
    let figure = figures::coordinates(&coordinates).context("cannot draw the coordinate check")?;
    store.write("coordinates.svg", figure.svg.as_bytes())?;
    store.write("coordinates.png", &figure.png)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&coordinates).context("cannot print JSON")?);
    } else {
        println!("{}", growth_table(&coordinates));
        println!(
            "Mean |activation|, averaged over seeds, on one batch; t counts updates. Healthy: does not grow with width."
        );
    }
    eprintln!("figure and data: {}", options.out.display());
    Ok(())
}

fn trials(options: &CoordOptions) -> Result<Vec<Trial>, Failure> {
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
        zero_readout: options.zero_readout,
        zero_query: options.zero_query,
    };
    let rules = if options.rules.is_empty() { Rule::ALL.to_vec() } else { options.rules.clone() };
    let base_width = options.base_width.or(options.widths.iter().copied().min()).unwrap_or(1);
    let data = data(options.data.as_deref())?;
    let mut trials = Vec::new();
    for &rule in &rules {
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

/// The size of every activation of every trial before and after each of `steps` updates.
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
        coordinates.extend(trainer.coordinates().into_iter().map(|(module, l1)| Coordinate {
            rule: trial.rule.to_string(),
            width: trial.width,
            seed: trial.seed,
            step,
            module,
            l1,
        }));
        if step < steps {
            trainer.step(1.0);
        }
    }
    Ok(coordinates)
}

/// Per rule, step and module: the size at every width, and how much it grew from the narrowest to the widest.
fn growth_table(coordinates: &[Coordinate]) -> String {
    let mut widths: Vec<usize> = coordinates.iter().map(|coordinate| coordinate.width).collect();
    widths.sort_unstable();
    widths.dedup();
    // Modules keep the order of the forward pass.
    let mut cells: Vec<((&str, usize, &str), BTreeMap<usize, (f64, f64)>)> = Vec::new();
    for coordinate in coordinates {
        let key = (coordinate.rule.as_str(), coordinate.step, coordinate.module.as_str());
        let index = cells.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            cells.push((key, BTreeMap::new()));
            cells.len() - 1
        });
        let (sum, count) = cells[index].1.entry(coordinate.width).or_default();
        *sum += coordinate.l1;
        *count += 1.0;
    }
    cells.sort_by_key(|((rule, step, _), _)| (*rule != "sp", rule.to_string(), *step));
    let last = coordinates.iter().map(|coordinate| coordinate.step).max();
    let mut table = table::new(["rule", "t", "module"]);
    let header = ["rule".into(), "t".into(), "module".into()];
    let columns = widths.iter().map(|width| format!("width {width}"));
    table.set_header(header.into_iter().chain(columns).chain(["widest / narrowest".to_owned()]));
    for ((rule, step, module), sizes) in cells.iter().filter(|((_, step, _), _)| *step == 0 || Some(*step) == last) {
        let means: Vec<f64> =
            widths.iter().map(|width| sizes.get(width).map_or(f64::NAN, |(sum, n)| sum / n)).collect();
        let growth = means.last().zip(means.first()).map_or(f64::NAN, |(last, first)| last / first);
        let start = [display_name(rule).to_owned(), step.to_string(), (*module).to_owned()];
        let numbers = means.iter().map(|mean| format!("{mean:.3}"));
        table.add_row(start.into_iter().chain(numbers).chain([format!("{growth:.2}")]));
    }
    table.to_string()
}
