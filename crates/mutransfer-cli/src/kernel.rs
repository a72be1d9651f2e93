//! `mutransfer theory --measure`: the exponents that the theory predicts, measured on a small
//! perceptron.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use mutransfer::error::RuleError;
use mutransfer::theory::{Regime, Theory};
use mutransfer::{Optimizer, Parametrization, Rational32, Rule};
use mutransfer_analysis::{Changed, Slope, TangentRow, display_name, figures, slopes, to_csv};
use mutransfer_models::Error;
use mutransfer_models::kernel::kernel_change;
use mutransfer_study::limits;
use mutransfer_study::store::Store;
use rayon::ThreadPoolBuilder;
use rayon::iter::{ParallelBridge, ParallelIterator};
use serde_json::json;

use crate::args::TheoryOptions;
use crate::failure::Failure;
use crate::model;
use crate::say::{note, say};
use crate::table;

/// The widest network, whose hidden matrix has a gigabyte.
const WIDEST: usize = 1 << 14;

/// Runs side by side: each may hold several matrices of that size.
const THREADS: usize = 2;

/// One network to train.
struct Run<'a> {
    rule: &'a Parametrization,
    width: usize,
    seed: u64,
}

pub(crate) fn measure(options: &TheoryOptions) -> Result<(), Failure> {
    limits::check_seeds("seeds", options.seeds)?;
    let widths = widths(options)?;
    let rules = rules(options)?;
    let mut exponents = BTreeMap::new();
    for rule in &rules {
        exponents.insert(rule.name(), exponent(rule)?);
    }
    let store = Store::open(&options.out, options.foreign.policy())?;
    store.check(["kernel.csv", "kernel.svg", "kernel.png"])?;
    let rows = train(&runs(&rules, &widths, options.seeds), &widths)?;
    let slopes = slopes(&rows)?;
    write(&store, &rows, &slopes)?;
    if options.json {
        let all = json!({"rows": rows, "slopes": slopes});
        say!(
            "{}",
            serde_json::to_string_pretty(&all).context("cannot print JSON")?
        );
    } else {
        say!("{}", summary(&slopes, &rows, &exponents));
        say!(
            "Relative change over training by plain SGD, and its exponent in width: -r for \
             features, -2r for the kernel."
        );
    }
    note!("figure and data: {}", options.out.display());
    Ok(())
}

fn write(store: &Store, rows: &[TangentRow], slopes: &[Slope]) -> Result<(), Failure> {
    store.write("kernel.csv", to_csv(rows).as_bytes())?;
    let figure = figures::tangent(slopes).context("cannot draw the change of the kernel")?;
    store.write("kernel.svg", figure.svg.as_bytes())?;
    Ok(store.write("kernel.png", &figure.png)?)
}

fn widths(options: &TheoryOptions) -> Result<BTreeSet<usize>, Failure> {
    let widths: BTreeSet<usize> = options.widths.iter().copied().collect();
    match (widths.first(), widths.last(), widths.len()) {
        (Some(0), ..) => Err(Failure::usage(
            "--widths has a zero; a width must be at least 1",
            None,
        )),
        (_, Some(widest), _) if *widest > WIDEST => Err(Failure::usage(
            format!("--widths has {widest}; a width must be at most {WIDEST}"),
            None,
        )),
        (.., 0 | 1) => Err(Failure::usage(
            "--widths has a single width, which has no slope",
            Some("give two widths or more, such as --widths 128,256,512"),
        )),
        _ => Ok(widths),
    }
}

/// The two regimes to compare, and the rule asked for, which stands in for its namesake.
fn rules(options: &TheoryOptions) -> Result<Vec<Parametrization>, Failure> {
    let mut rules: Vec<Parametrization> = [Rule::Ntk, Rule::Mup].map(Parametrization::from).into();
    if let Some(name) = &options.rule {
        let asked = model::rule(name, &options.choices)?;
        match rules.iter_mut().find(|rule| rule.name() == asked.name()) {
            Some(namesake) => *namesake = asked,
            None => rules.push(asked),
        }
    }
    Ok(rules)
}

/// The exponent of the features' change; none where the network blows up, learns nothing, or is not
/// classified.
fn exponent(rule: &Parametrization) -> Result<Option<Rational32>, Failure> {
    match Theory::of_rule(rule, Optimizer::Sgd) {
        Ok(theory) => {
            Ok(matches!(theory.regime, Regime::Kernel | Regime::Features).then_some(theory.r))
        }
        Err(mutransfer::Error::Rule(RuleError::NotClassified { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Every rule at every width for every seed.
fn runs<'a>(rules: &'a [Parametrization], widths: &BTreeSet<usize>, seeds: u64) -> Vec<Run<'a>> {
    let mut runs = Vec::new();
    for rule in rules {
        for &width in widths {
            runs.extend((0..seeds).map(|seed| Run { rule, width, seed }));
        }
    }
    runs
}

/// What came of the runs, in their order, whatever the number of threads. The narrowest width is
/// the base.
fn train(runs: &[Run], widths: &BTreeSet<usize>) -> Result<Vec<TangentRow>, Failure> {
    let base_width = widths.first().copied().unwrap_or(1);
    let bar = bar(runs);
    // The widest first, so that no thread is left alone with them; they are taken in this order.
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(runs[*index].width));
    let pool = ThreadPoolBuilder::new()
        .num_threads(THREADS)
        .build()
        .context("cannot start threads")?;
    let rows: BTreeMap<usize, Result<TangentRow, Error>> = pool.install(|| {
        let trained = order.into_iter().par_bridge().map(|index| {
            let row = row(&runs[index], base_width);
            bar.inc(cost(&runs[index]));
            (index, row)
        });
        trained.collect()
    });
    bar.finish_and_clear();
    rows.into_values()
        .collect::<Result<_, Error>>()
        .map_err(failed)
}

fn row(run: &Run, base_width: usize) -> Result<TangentRow, Error> {
    let change = kernel_change(run.rule, base_width, run.width, run.seed)?;
    Ok(TangentRow {
        rule: run.rule.name(),
        width: run.width,
        seed: run.seed,
        features: change.features,
        kernel: change.kernel,
        first_loss: change.first_loss,
        last_loss: change.last_loss,
    })
}

/// Divergence is no mistake of the request.
fn failed(error: Error) -> Failure {
    match error {
        Error::NotFinite { .. } => anyhow::Error::from(error).into(),
        _ => error.into(),
    }
}

/// In entries of the hidden matrix, in thousands.
fn cost(run: &Run) -> u64 {
    1 + (run.width as u64).pow(2) / 1000
}

fn bar(runs: &[Run]) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {percent} %, about {eta} left");
    ProgressBar::new(runs.iter().map(cost).sum())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn summary(
    slopes: &[Slope],
    rows: &[TangentRow],
    exponents: &BTreeMap<String, Option<Rational32>>,
) -> String {
    let widths: BTreeSet<usize> = rows.iter().map(|row| row.width).collect();
    let ends: Vec<&usize> = widths.first().into_iter().chain(widths.last()).collect();
    let mut header = ["rule", "change of", "predicted", "slope"]
        .map(str::to_owned)
        .to_vec();
    header.extend(ends.iter().map(|width| format!("width {width}")));
    header.push("loss".to_owned());
    let mut table = table::new(header);
    for slope in slopes {
        let r = exponents.get(&slope.rule).copied().flatten();
        let mut row = vec![
            display_name(&slope.rule).to_owned(),
            slope.changed.to_string(),
            predicted(slope.changed, r),
            slope.slope.to_string(),
        ];
        let changes = ends.iter().filter_map(|width| slope.log2_change.get(width));
        row.extend(changes.map(|log2| format!("{:.4}", log2.mean.exp2())));
        row.push(loss(rows, &slope.rule));
        table.add_row(row);
    }
    table.to_string()
}

/// The kernel has twice the exponent of the features, unless these stand so still that the
/// readout's change is more.
fn predicted(changed: Changed, r: Option<Rational32>) -> String {
    let exponent = match changed {
        Changed::Features => r.map(|r| -r),
        Changed::Kernel => r
            .map(|r| r * -2)
            .filter(|exponent| *exponent >= Rational32::from(-1)),
    };
    exponent.map_or("none".to_owned(), |exponent| exponent.to_string())
}

/// Mean losses before and after training, over all widths and seeds.
fn loss(rows: &[TangentRow], rule: &str) -> String {
    let rows: Vec<&TangentRow> = rows.iter().filter(|row| row.rule == rule).collect();
    let first = rows.iter().map(|row| row.first_loss).sum::<f64>();
    let last = rows.iter().map(|row| row.last_loss).sum::<f64>();
    let count = rows.len() as f64;
    format!("{:.3} to {:.4}", first / count, last / count)
}
