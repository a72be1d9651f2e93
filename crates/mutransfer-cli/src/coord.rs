//! `mutransfer coord`: whether activations, their changes and updates follow the width as the rule
//! promises.

mod print;
mod protocol;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::ScopedJoinHandle;

use anyhow::Context;
use mutransfer::theory::{Expectation, Layer, Quantity, Theory};
use mutransfer::{Parametrization, PlanDocument, Rule};
use mutransfer_analysis::figures::{self, Figure};
use mutransfer_analysis::{
    Check, Coordinate, CoordinateError, Layers, Looks, Measurements, Verdict, display_name, to_csv,
};
use mutransfer_study::coordinates::{judged, settled};
use mutransfer_study::error::RunError;
use mutransfer_study::rule::NamedRule;
use mutransfer_study::store::Store;
use mutransfer_study::study::Study;
use mutransfer_study::subject::{Augmentation, Description, Heads};

#[cfg(feature = "train")]
use crate::along::along;
use crate::args::CoordOptions;
use crate::failure::Failure;
use crate::say::{note, say};
use crate::subject::open_typed;
use print::print;
#[cfg(feature = "train")]
pub(crate) use protocol::{ADAM_RATE, STEPS, hyper};
use protocol::{protocol, protocol_of};

/// All that is written.
const FILES: [&str; 8] = [
    "coordinates.csv",
    "verdict.json",
    "coordinates.svg",
    "coordinates.png",
    "changes.svg",
    "changes.png",
    "own-updates.svg",
    "own-updates.png",
];

pub(crate) fn coord(options: &CoordOptions) -> Result<(), Failure> {
    if !options.depths.is_empty() || options.experts.grow() {
        return along(options);
    }
    let study = options.study.as_deref().map(Study::read).transpose()?;
    let rules = rules(options, study.as_ref())?;
    let (description, optimizer) = match &study {
        Some(study) => (study.subject().clone(), study.optimizer()),
        None => (description(options)?, options.optimizer),
    };
    let expect = options.expect.as_deref().map(rule).transpose()?;
    let judge = |coordinates: &[Coordinate], looks: &Looks| {
        let rule = |name: &str| expected(name, &rules, expect.as_ref());
        judged(coordinates, &rule, optimizer, &description, looks)
    };
    let (coordinates, looks) = if options.from.is_empty() {
        train(options, study.as_ref(), &description, &rules, &judge)?
    } else {
        let looks = options
            .seeds
            .map_or(Looks::default(), |most| Looks::up_to(most as usize));
        (read(options, &rules, expect.as_ref())?, looks)
    };
    let store = Store::open(&options.out, options.foreign.policy())?;
    store.check(FILES)?;
    // A table may be large, and none of these needs another.
    let (checks, written, pictures) = std::thread::scope(|scope| {
        let table = || store.write("coordinates.csv", to_csv(&coordinates).as_bytes());
        let table = scope.spawn(table);
        let pictures = scope.spawn(|| pictures(&coordinates));
        let checks = judge(&coordinates, &looks);
        (checks, joined(table), joined(pictures))
    });
    written?;
    let checks = checks?;
    write(&store, &checks, &pictures?)?;
    tell(options, &checks)
}

/// Prints the verdicts, and ends as they ask for.
fn tell(options: &CoordOptions, checks: &[Check]) -> Result<(), Failure> {
    if options.json {
        let text = serde_json::to_string_pretty(checks);
        say!("{}", text.context("cannot print JSON")?);
    } else {
        print(checks);
    }
    note!("figures and data: {}", options.out.display());
    match checks.iter().map(|check| check.verdict).max() {
        Some(Verdict::Fail) => Err(Failure::check_failed()),
        Some(Verdict::Undetermined) => Err(Failure::undetermined()),
        _ => Ok(()),
    }
}

/// It trains transformers.
#[cfg(not(feature = "train"))]
fn along(_: &CoordOptions) -> Result<(), Failure> {
    let refused: mutransfer_study::subject::Problem = crate::subject::Untrained.into();
    Err(refused.into())
}

fn joined<T>(thread: ScopedJoinHandle<T>) -> T {
    let panicked = |panic| std::panic::resume_unwind(panic);
    thread.join().unwrap_or_else(panicked)
}

fn write(store: &Store, checks: &[Check], pictures: &[(&str, Figure)]) -> Result<(), Failure> {
    let verdict = serde_json::to_vec_pretty(checks).context("cannot write JSON")?;
    store.write("verdict.json", &verdict)?;
    for (name, figure) in pictures {
        store.write(&format!("{name}.svg"), figure.svg.as_bytes())?;
        store.write(&format!("{name}.png"), &figure.png)?;
    }
    Ok(())
}

/// The rules typed, or else those of the study, or μP.
pub(crate) fn rules(
    options: &CoordOptions,
    study: Option<&Study>,
) -> Result<Vec<NamedRule>, Failure> {
    if options.rules.is_empty() {
        return Ok(study.map_or_else(|| vec![Rule::Mup.into()], |study| study.rules().to_vec()));
    }
    options.rules.iter().map(|typed| rule(typed)).collect()
}

pub(crate) fn rule(typed: &str) -> Result<NamedRule, Failure> {
    Ok(NamedRule::find(typed, Path::new(""))?)
}

/// What is expected of the rule of a name: what was asked for, or what it promises by itself.
fn expected(
    name: &str,
    rules: &[NamedRule],
    expect: Option<&NamedRule>,
) -> Option<Parametrization> {
    let named = rules.iter().find(|rule| rule.name() == name);
    match expect.or(named) {
        Some(rule) => Some(rule.parametrization()),
        None => NamedRule::built_in(name)
            .ok()
            .map(|rule| rule.parametrization()),
    }
}

/// Measurements of another program. Without a column `rule` they are of the one rule asked for.
fn read(
    options: &CoordOptions,
    rules: &[NamedRule],
    expect: Option<&NamedRule>,
) -> Result<Vec<Coordinate>, Failure> {
    let rule = rules.first().map_or("", NamedRule::name);
    let mut measurements = Measurements::default();
    for given in &options.from {
        let (width, path) = file_of_width(given);
        let added = measurements.add(&crate::model::text(path)?, rule, width);
        added.map_err(|error| Failure::from(error).in_file(path))?;
    }
    let layers = layers(options)?;
    let (coordinates, ends) = measurements.placed(&layers)?;
    for (module, layer, evidence) in &ends {
        note!("note: {module} is {} {evidence}", what(*layer));
    }
    let has_input = ends.iter().any(|(_, layer, _)| *layer == Layer::Input);
    if !has_input && !layers.lacks_embedding() {
        for name in Coordinate::rules(&coordinates) {
            if let Some(rule) = expected(name, rules, expect)
                && let Ok(theory) = Theory::of_rule(&rule, options.optimizer)
                && Expectation::of(&theory, false).tells_inputs()
            {
                let rule = name.to_owned();
                return Err(CoordinateError::NoEmbedding { rule }.into());
            }
        }
    }
    Ok(coordinates)
}

/// `128=wide.csv`, or a file that says its width itself.
pub(crate) fn file_of_width(given: &str) -> (Option<usize>, &Path) {
    let both = given.split_once('=');
    match both.and_then(|(width, path)| Some((width.parse().ok()?, path))) {
        Some((width, path)) => (Some(width), Path::new(path)),
        None => (None, Path::new(given)),
    }
}

/// What is said of the modules of a table.
fn layers(options: &CoordOptions) -> Result<Layers, Failure> {
    let mut layers = Layers::default();
    for module in &options.readout {
        layers = layers.with_readout(module);
    }
    for module in &options.embedding {
        layers = layers.with_embedding(module);
    }
    if let Some(plan) = plan(options)? {
        layers = layers.with_plan(&plan);
    }
    Ok(layers)
}

/// The plan by which models of a foreign table were trained.
fn plan(options: &CoordOptions) -> Result<Option<PlanDocument>, Failure> {
    let Some(path) = &options.plan else {
        return Ok(None);
    };
    let plan = serde_json::from_str(&crate::model::text(path)?).map_err(|error| {
        let message = format!("{} is no plan as JSON: {error}", path.display());
        Failure::usage(message, Some("`mutransfer plan … --json` writes one"))
    })?;
    Ok(Some(plan))
}

/// What a module at an end of the network is called.
fn what(layer: Layer) -> &'static str {
    match layer {
        Layer::Input => "an embedding or first layer",
        Layer::Hidden => "inside",
        Layer::Output => "the readout",
        Layer::Attention => "the logits of attention",
        Layer::Router => "what chooses experts",
    }
}

/// Judges measurements in as many looks.
type Judge<'a> = &'a dyn Fn(&[Coordinate], &Looks) -> Result<Vec<Check>, RunError>;

/// Measurements of a model, with as many seeds as decide, and the looks that were planned.
fn train(
    options: &CoordOptions,
    study: Option<&Study>,
    description: &Description,
    rules: &[NamedRule],
    judge: Judge,
) -> Result<(Vec<Coordinate>, Looks), Failure> {
    let subject = open_typed(description, options.data.as_deref(), Arc::default())?;
    let (subject, protocol) = match study {
        None => {
            let protocol = protocol(options, rules, &subject.usual_check())?;
            (subject, protocol)
        }
        Some(study) => {
            let protocol = protocol_of(study, options, rules, subject.as_ref())?;
            (subject.with_zero_start(), protocol)
        }
    };
    protocol.check(subject.as_ref())?;
    // What cannot be judged is said once, at the end.
    let mut failed = None;
    let stop = AtomicBool::new(false);
    let coordinates = protocol.measure(subject.as_ref(), &stop, &mut |rows| match judge(
        rows,
        &protocol.looks,
    ) {
        Ok(checks) => {
            progress(&checks);
            settled(&checks)
        }
        Err(error) => {
            failed = Some(error);
            rules.iter().map(|rule| rule.name().to_owned()).collect()
        }
    })?;
    failed.map_or(Ok((coordinates, protocol.looks)), |error| Err(error.into()))
}

/// How far each rule is.
fn progress(checks: &[Check]) {
    for check in checks {
        let cells = || check.cells.iter().filter_map(|cell| cell.verdict);
        let open = cells()
            .filter(|verdict| *verdict == Verdict::Undetermined)
            .count();
        let name = display_name(&check.rule);
        note!(
            "{name}, {} seeds: {open} of {} cells open",
            check.seeds(),
            cells().count()
        );
    }
}

/// Figures of the quantities that were measured, with their names.
fn pictures(coordinates: &[Coordinate]) -> anyhow::Result<Vec<(&'static str, Figure)>> {
    let quantities = [
        (Quantity::Activation, "coordinates"),
        (Quantity::Change, "changes"),
        (Quantity::OwnUpdate, "own-updates"),
    ];
    let is_there = |quantity: Quantity| {
        let mut rows = coordinates.iter();
        rows.any(|row| row.quantity == quantity && row.l1.is_normal())
    };
    let there = quantities.into_iter().filter(|(it, _)| is_there(*it));
    let drawn = there.map(|(quantity, name)| {
        let figure = figures::coordinates(coordinates, quantity);
        Ok((name, figure.context("cannot draw the coordinate check")?))
    });
    drawn.collect()
}

fn description(options: &CoordOptions) -> Result<Description, Failure> {
    let mut variants = options.variants.clone();
    let is_planned = |plan: PlanDocument| !plan.forward.readout.is_empty();
    if options.tied || plan(options)?.is_some_and(is_planned) {
        variants.push("tied".to_owned());
    }
    Ok(Description {
        family: options.model.clone(),
        heads: options
            .heads
            .map_or(Heads::Dim(options.head_dim), Heads::Count),
        variants,
        zero_readout: !options.random_init,
        zero_query: !options.random_init,
        augmentation: Augmentation::default(),
        program: None,
    })
}
