//! `mutransfer coord --depths`, and with several values of `--active`, `--experts` or
//! `--expert-width`: whether a transformer of one width follows another of its sizes as its rule
//! promises.

mod depth;
mod experts;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::Context;
use mutransfer::{Hyper, Optimizer};
use mutransfer_analysis::{
    GrowthCell, GrowthCheck, GrowthRow, Promise, TOLERANCE, Verdict, display_name, figures,
    judge_growth, to_csv,
};
use mutransfer_models::data::{Corpus, Dataset, Language, Text};
use mutransfer_models::updates::Updates;
use mutransfer_models::{Architecture, Batches, Error, Heads, Kind, Variant, Variants};
use mutransfer_study::limits;
use mutransfer_study::rule::NamedRule;
use mutransfer_study::schedule::Schedule;
use mutransfer_study::store::Store;
use mutransfer_study::subject::ModelSizes;
use mutransfer_study::trial::Budget;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::args::CoordOptions;
use crate::coord::{STEPS, hyper, rule, rules};
use crate::failure::Failure;
use crate::say::{note, say};
use crate::table;

/// The width where none is given: heads of the usual size, small enough for 64 blocks.
const WIDTH: usize = 64;

/// Seeds where their number is not given.
const SEEDS: u64 = 10;

/// Quantities by name, with what they are or what is promised of them.
type Measured = Vec<(&'static str, f64)>;

/// Values of a size that models grow along.
trait Ladder: Sync {
    /// What the size is called in names of files.
    fn name(&self) -> &'static str;

    /// What it is called in sentences.
    fn axis(&self) -> &'static str;

    /// What is not given.
    fn usual(&self) -> Usual;

    /// The values.
    fn values(&self) -> &BTreeSet<usize>;

    /// The model at one of them.
    fn at(&self, usual: &Architecture, value: usize) -> Architecture;

    /// What a rule promises.
    fn promise(&self, rule: &NamedRule, optimizer: Optimizer) -> Result<Measured, Failure>;

    /// What updates do to a model.
    fn measure(&self, updates: &Updates, dataset: &Dataset) -> Result<Measured, Error>;
}

/// How a check is made where nothing is said of it.
struct Usual {
    /// Sequences in a batch.
    batch: usize,
    /// Tokens in one.
    context: usize,
    /// Of the base.
    learning_rate: f64,
}

pub(crate) fn along(options: &CoordOptions) -> Result<(), Failure> {
    if options.depths.is_empty() {
        experts::along(options)
    } else {
        check(options, &depth::Depths::of(options))
    }
}

fn check(options: &CoordOptions, ladder: &impl Ladder) -> Result<(), Failure> {
    let rules = rules(options, None)?;
    let expected = expected(options, &rules, ladder)?;
    let setup = Setup::of(options, ladder)?;
    setup.check(&rules)?;
    let store = Store::open(&options.out, options.foreign.policy())?;
    let file = |kind: &str| format!("{}.{kind}", ladder.name());
    let [table, svg, png] = ["csv", "svg", "png"].map(file);
    store.check([&table, &svg, &png, VERDICT])?;
    let rows = setup.measure(&rules)?;
    let checks = judge_growth(&rows, &expected)?;
    store.write(&table, to_csv(&rows).as_bytes())?;
    let verdict = serde_json::to_vec_pretty(&checks).context("cannot write JSON")?;
    store.write(VERDICT, &verdict)?;
    let figure = figures::growth(&rows, &expected, ladder.axis());
    let figure =
        figure.with_context(|| format!("cannot draw the check along {}", ladder.axis()))?;
    store.write(&svg, figure.svg.as_bytes())?;
    store.write(&png, &figure.png)?;
    if options.json {
        let text = serde_json::to_string_pretty(&checks).context("cannot print JSON")?;
        say!("{text}");
    } else {
        print(&checks, ladder.axis());
    }
    note!("figure and data: {}", options.out.display());
    match checks.iter().map(|check| check.verdict).max() {
        Some(Verdict::Fail) => Err(Failure::check_failed()),
        Some(Verdict::Undetermined) => Err(Failure::undetermined()),
        _ => Ok(()),
    }
}

const VERDICT: &str = "verdict.json";

/// What each rule promises, or the one that is asked for.
fn expected(
    options: &CoordOptions,
    rules: &[NamedRule],
    ladder: &impl Ladder,
) -> Result<BTreeMap<String, Promise>, Failure> {
    let asked = options.expect.as_deref().map(rule).transpose()?;
    let promise = |rule: &NamedRule| {
        let promising = asked.as_ref().unwrap_or(rule);
        let promise = ladder.promise(promising, options.optimizer)?;
        Ok((rule.name().to_owned(), promise))
    };
    rules.iter().map(promise).collect()
}

/// What is trained, but for rule, value and seed.
struct Setup<'a, L> {
    ladder: &'a L,
    usual: Architecture,
    width: usize,
    seeds: Range<u64>,
    optimizer: Optimizer,
    hyper: Hyper,
    batch: usize,
    steps: usize,
    dataset: Dataset,
}

/// One network to train.
struct Case<'a> {
    rule: &'a NamedRule,
    value: usize,
    seed: u64,
}

impl<'a, L: Ladder> Setup<'a, L> {
    fn of(options: &CoordOptions, ladder: &'a L) -> Result<Self, Failure> {
        let seeds = options.seeds.unwrap_or(SEEDS);
        limits::check_seeds("seeds", seeds)?;
        if ladder.values().len() < 2 || seeds < 2 {
            let hint = "give two sizes or more, such as --depths 4,8,16, and two seeds or more";
            return Err(Failure::usage("a slope has no interval", Some(hint)));
        }
        let dataset = dataset(options)?;
        let Usual {
            batch,
            context,
            learning_rate,
        } = ladder.usual();
        Ok(Self {
            ladder,
            usual: architecture(options, context, &dataset)?,
            width: options.widths.first().copied().unwrap_or(WIDTH),
            seeds: options.seed..options.seed.saturating_add(seeds),
            optimizer: options.optimizer,
            hyper: hyper(options, learning_rate),
            batch: options.batch.unwrap_or(batch),
            steps: options.steps.unwrap_or(STEPS),
            dataset,
        })
    }

    fn at(&self, value: usize) -> Architecture {
        self.ladder.at(&self.usual, value)
    }

    /// Everything that could stop it later.
    fn check(&self, rules: &[NamedRule]) -> Result<(), Failure> {
        limits::check_budget(&Budget {
            steps: self.steps,
            batch: self.batch,
            schedule: Schedule::Constant,
            warmup: 0,
            base: None,
        })?;
        for &value in self.ladder.values() {
            let architecture = self.at(value);
            limits::check_sizes(&sizes(&architecture, self.width))?;
            for rule in rules {
                let rule = rule.parametrization();
                architecture.plan(self.width, self.width, rule, self.optimizer)?;
            }
        }
        Ok(())
    }

    /// Every rule at every value with every seed, side by side.
    fn measure(&self, rules: &[NamedRule]) -> Result<Vec<GrowthRow>, Failure> {
        let values = self.ladder.values();
        let of_rule = |rule| values.iter().map(move |&value| (rule, value));
        let cases: Vec<Case> = rules
            .iter()
            .flat_map(of_rule)
            .flat_map(|(rule, value)| {
                let seeds = self.seeds.clone();
                seeds.map(move |seed| Case { rule, value, seed })
            })
            .collect();
        let rows: Result<Vec<Vec<GrowthRow>>, Error> =
            cases.par_iter().map(|case| self.rows(case)).collect();
        Ok(rows?.into_iter().flatten().collect())
    }

    fn rows(&self, case: &Case) -> Result<Vec<GrowthRow>, Error> {
        let updates = Updates {
            architecture: self.at(case.value),
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
        let measured = self.ladder.measure(&updates, &self.dataset)?;
        let row = |(quantity, size): (&str, f64)| GrowthRow {
            rule: case.rule.name().to_owned(),
            at: case.value,
            seed: case.seed,
            quantity: quantity.to_owned(),
            size,
        };
        Ok(measured.into_iter().map(row).collect())
    }
}

fn sizes(architecture: &Architecture, width: usize) -> ModelSizes {
    ModelSizes {
        base_width: width,
        width,
        depth: architecture.depth,
        base_depth: Some(architecture.base_depth),
        context: architecture.context,
        experts: architecture.experts,
        base_experts: architecture.base_experts,
    }
}

fn architecture(
    options: &CoordOptions,
    context: usize,
    dataset: &Dataset,
) -> Result<Architecture, Failure> {
    let kind: Kind = options.model.parse()?;
    if !kind.is_transformer() {
        return Err(Error::NoStream { kind }.into());
    }
    let variants = options.variants.iter().map(|name| name.parse::<Variant>());
    let variants: Vec<Variant> = variants.collect::<Result<_, _>>()?;
    let usual = Architecture::new(kind, dataset.format());
    let depth = options.depth.unwrap_or(usual.depth);
    Ok(Architecture {
        depth,
        base_depth: options.base_depth.unwrap_or(depth),
        heads: options
            .heads
            .map_or(Heads::Dim(options.head_dim), Heads::Count),
        variants: Variants(variants),
        context: options.context.unwrap_or(context),
        ..usual
    })
}

fn dataset(options: &CoordOptions) -> Result<Dataset, Failure> {
    Ok(Dataset::Text(match &options.data {
        None => Corpus::Synthetic(Language::new(0)),
        Some(path) => Corpus::Text(Text::read(path)?),
    }))
}

fn print(checks: &[GrowthCheck], axis: &str) {
    let mut grid = table::new(["rule", "quantity", "expected", "slope", "verdict"]);
    for check in checks {
        for cell in &check.cells {
            grid.add_row(row(check, cell));
        }
    }
    say!("{grid}");
    say!(
        "Slopes of log2 against log2 of the {axis} with 95% intervals over seeds. Tolerance \
         {TOLERANCE}."
    );
    for check in checks {
        say!("{}: {}", display_name(&check.rule), check.verdict);
    }
}

fn row(check: &GrowthCheck, cell: &GrowthCell) -> [String; 5] {
    let margin = (cell.interval.1 - cell.interval.0) / 2.0;
    [
        display_name(&check.rule).to_owned(),
        cell.quantity.to_owned(),
        cell.expected.to_string(),
        format!("{:.2} ± {margin:.2}", cell.slope),
        cell.verdict.to_string(),
    ]
}
