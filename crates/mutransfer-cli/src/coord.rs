//! `mutransfer coord`: how the size of activations follows the width over the first steps of training.

use std::collections::{BTreeMap, BTreeSet};
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
    let rules = if options.rules.is_empty() { vec![Rule::Sp, Rule::Mup] } else { options.rules.clone() };
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

/// One module of one rule after one number of updates.
struct Line<'a> {
    rule: &'a str,
    step: usize,
    module: &'a str,
    /// Sizes over the seeds, by width.
    sizes: BTreeMap<usize, Vec<f64>>,
}

/// Per rule, first and last step, and module: the size at every width, and its growth from the narrowest to the widest.
fn growth_table(coordinates: &[Coordinate]) -> String {
    let widths: BTreeSet<usize> = coordinates.iter().map(|coordinate| coordinate.width).collect();
    let last = coordinates.iter().map(|coordinate| coordinate.step).max().unwrap_or(0);
    let columns = widths.iter().map(|width| format!("width {width}"));
    let header = ["rule", "t", "module"].map(str::to_owned).into_iter().chain(columns);
    let mut table = table::new(header.chain(["widest / narrowest".to_owned()]));
    for line in lines(coordinates).iter().filter(|line| line.step == 0 || line.step == last) {
        let means: Vec<f64> = line.sizes.values().map(|sizes| sizes.iter().sum::<f64>() / sizes.len() as f64).collect();
        let growth = means.last().zip(means.first()).map_or(f64::NAN, |(last, first)| last / first);
        let start = [display_name(line.rule).to_owned(), line.step.to_string(), line.module.to_owned()];
        let numbers = means.iter().map(|mean| format!("{mean:.3}"));
        table.add_row(start.into_iter().chain(numbers).chain([format!("{growth:.2}")]));
    }
    table.to_string()
}

/// The measurements by rule and step, SP first, with modules in the order of the forward pass.
fn lines(coordinates: &[Coordinate]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line> = Vec::new();
    for Coordinate { rule, width, step, module, l1, .. } in coordinates {
        let known = |line: &Line| line.rule == rule && line.step == *step && line.module == module;
        let index = lines.iter().position(known).unwrap_or_else(|| {
            lines.push(Line { rule, step: *step, module, sizes: BTreeMap::new() });
            lines.len() - 1
        });
        lines[index].sizes.entry(*width).or_default().push(*l1);
    }
    lines.sort_by_key(|line| (line.rule != "sp", line.rule, line.step));
    lines
}
