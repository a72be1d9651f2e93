//! `mutransfer coord --depths`: whether a transformer follows its depth as its rule promises.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::Context;
use mutransfer::theory::DepthSlopes;
use mutransfer::{Hyper, Optimizer};
use mutransfer_analysis::{
    DepthCell, DepthCheck, DepthRow, TOLERANCE, Verdict, display_name, figures, judge_depth, to_csv,
};
use mutransfer_models::data::{Corpus, Dataset, Language, Text};
use mutransfer_models::depth::{DepthRun, depth_change};
use mutransfer_models::{Architecture, Batches, Error, Heads, Kind, Variant, Variants};
use mutransfer_study::limits;
use mutransfer_study::rule::NamedRule;
use mutransfer_study::schedule::Schedule;
use mutransfer_study::store::Store;
use mutransfer_study::trial::Budget;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::args::CoordOptions;
use crate::coord::{STEPS, hyper, rules};
use crate::failure::Failure;
use crate::say::{note, say};
use crate::table;

/// The width where none is given: heads of the usual size, small enough for 64 blocks.
const WIDTH: usize = 64;

/// Seeds where their number is not given.
const SEEDS: u64 = 10;

const FILES: [&str; 4] = ["depth.csv", "verdict.json", "depth.svg", "depth.png"];

/// One network to train.
struct Case<'a> {
    rule: &'a NamedRule,
    depth: usize,
    seed: u64,
}

pub(crate) fn depths(options: &CoordOptions) -> Result<(), Failure> {
    let rules = rules(options, None)?;
    let expected = expected(options, &rules)?;
    let setup = Setup::of(options)?;
    setup.check(&rules)?;
    let store = Store::open(&options.out, options.foreign.policy())?;
    store.check(FILES)?;
    let rows = setup.measure(&rules)?;
    let checks = judge_depth(&rows, &expected)?;
    store.write(FILES[0], to_csv(&rows).as_bytes())?;
    let verdict = serde_json::to_vec_pretty(&checks).context("cannot write JSON")?;
    store.write(FILES[1], &verdict)?;
    let figure = figures::depth(&rows, &expected).context("cannot draw the check along depth")?;
    store.write(FILES[2], figure.svg.as_bytes())?;
    store.write(FILES[3], &figure.png)?;
    if options.json {
        let text = serde_json::to_string_pretty(&checks).context("cannot print JSON")?;
        say!("{text}");
    } else {
        print(&checks);
    }
    note!("figure and data: {}", options.out.display());
    match checks.iter().map(|check| check.verdict).max() {
        Some(Verdict::Fail) => Err(Failure::check_failed()),
        Some(Verdict::Undetermined) => Err(Failure::undetermined()),
        _ => Ok(()),
    }
}

/// What each rule promises, or the one that is asked for.
fn expected(
    options: &CoordOptions,
    rules: &[NamedRule],
) -> Result<BTreeMap<String, DepthSlopes>, Failure> {
    let asked = options
        .expect
        .as_deref()
        .map(crate::coord::rule)
        .transpose()?;
    let mut expected = BTreeMap::new();
    for rule in rules {
        let promising = asked.as_ref().unwrap_or(rule);
        let table = promising.parametrization().table(options.optimizer)?;
        let slopes = DepthSlopes::of(&table, options.optimizer).ok_or_else(|| {
            let optimizer = options.optimizer;
            let message = format!("nothing is known of slopes along depth under {optimizer}");
            Failure::usage(message, Some("take adam or adamw"))
        })?;
        expected.insert(rule.name().to_owned(), slopes);
    }
    Ok(expected)
}

/// What is trained, but for rule, depth and seed.
struct Setup {
    base: Architecture,
    width: usize,
    depths: BTreeSet<usize>,
    seeds: Range<u64>,
    optimizer: Optimizer,
    hyper: Hyper,
    batch: usize,
    steps: usize,
    dataset: Dataset,
}

impl Setup {
    fn of(options: &CoordOptions) -> Result<Self, Failure> {
        let depths: BTreeSet<usize> = options.depths.iter().copied().collect();
        let dataset = dataset(options)?;
        let shallowest = depths.first().copied().unwrap_or_default();
        let base = Architecture {
            base_depth: options.base_depth.unwrap_or(shallowest),
            ..architecture(options, &dataset)?
        };
        for depth in depths.iter().copied().chain([base.base_depth]) {
            limits::check_depth("depths", depth)?;
        }
        let seeds = options.seeds.unwrap_or(SEEDS);
        limits::check_seeds("seeds", seeds)?;
        if depths.len() < 2 || seeds < 2 {
            let hint = "give two depths or more, such as --depths 4,8,16, and two seeds or more";
            return Err(Failure::usage("a slope has no interval", Some(hint)));
        }
        Ok(Self {
            base,
            width: options.widths.first().copied().unwrap_or(WIDTH),
            depths,
            seeds: options.seed..options.seed.saturating_add(seeds),
            optimizer: options.optimizer,
            hyper: hyper(options),
            batch: options.batch.unwrap_or(1),
            steps: options.steps.unwrap_or(STEPS),
            dataset,
        })
    }

    fn at(&self, depth: usize) -> Architecture {
        Architecture {
            depth,
            ..self.base.clone()
        }
    }

    /// Everything that could stop it later.
    fn check(&self, rules: &[NamedRule]) -> Result<(), Failure> {
        limits::check_width("widths", self.width)?;
        limits::check_budget(&Budget {
            steps: self.steps,
            batch: self.batch,
            schedule: Schedule::Constant,
            warmup: 0,
            base: None,
        })?;
        for rule in rules {
            for &depth in &self.depths {
                let rule = rule.parametrization();
                let architecture = self.at(depth);
                architecture.plan(self.width, self.width, rule, self.optimizer)?;
            }
        }
        Ok(())
    }

    /// Every rule at every depth with every seed, side by side.
    fn measure(&self, rules: &[NamedRule]) -> Result<Vec<DepthRow>, Failure> {
        let of_rule = |rule| self.depths.iter().map(move |&depth| (rule, depth));
        let cases: Vec<Case> = rules
            .iter()
            .flat_map(of_rule)
            .flat_map(|(rule, depth)| {
                let seeds = self.seeds.clone();
                seeds.map(move |seed| Case { rule, depth, seed })
            })
            .collect();
        let rows: Result<Vec<DepthRow>, Error> =
            cases.par_iter().map(|case| self.row(case)).collect();
        Ok(rows?)
    }

    fn row(&self, case: &Case) -> Result<DepthRow, Error> {
        let run = DepthRun {
            architecture: self.at(case.depth),
            width: self.width,
            rule: &case.rule.parametrization(),
            optimizer: self.optimizer,
            hyper: &self.hyper,
            batches: Batches {
                size: self.batch,
                seed: case.seed,
                is_fixed: true,
            },
            steps: self.steps,
        };
        let change = depth_change(&run, &self.dataset)?;
        Ok(DepthRow {
            rule: case.rule.name().to_owned(),
            depth: case.depth,
            seed: case.seed,
            change: change.residual,
            inside: change.inside,
            ends: change.ends,
        })
    }
}

fn architecture(options: &CoordOptions, dataset: &Dataset) -> Result<Architecture, Failure> {
    let kind: Kind = options.model.parse()?;
    if !kind.is_transformer() {
        return Err(Error::NoStream { kind }.into());
    }
    let variants = options.variants.iter().map(|name| name.parse::<Variant>());
    let variants: Vec<Variant> = variants.collect::<Result<_, _>>()?;
    Ok(Architecture {
        heads: options
            .heads
            .map_or(Heads::Dim(options.head_dim), Heads::Count),
        variants: Variants(variants),
        context: options.context.unwrap_or(CONTEXT),
        ..Architecture::new(kind, dataset.format())
    })
}

const CONTEXT: usize = 8;

fn dataset(options: &CoordOptions) -> Result<Dataset, Failure> {
    Ok(Dataset::Text(match &options.data {
        None => Corpus::Synthetic(Language::new(0)),
        Some(path) => Corpus::Text(Text::read(path)?),
    }))
}

fn print(checks: &[DepthCheck]) {
    let mut grid = table::new(["rule", "quantity", "expected", "slope", "verdict"]);
    for check in checks {
        for cell in &check.cells {
            grid.add_row(row(check, cell));
        }
    }
    say!("{grid}");
    say!(
        "Slopes of log2 against log2 of the depth with 95% intervals over seeds. Tolerance \
         {TOLERANCE}."
    );
    for check in checks {
        say!("{}: {}", display_name(&check.rule), check.verdict);
    }
}

fn row(check: &DepthCheck, cell: &DepthCell) -> [String; 5] {
    let margin = (cell.interval.1 - cell.interval.0) / 2.0;
    [
        display_name(&check.rule).to_owned(),
        cell.quantity.to_owned(),
        cell.expected.to_string(),
        format!("{:.2} ± {margin:.2}", cell.slope),
        cell.verdict.to_string(),
    ]
}
