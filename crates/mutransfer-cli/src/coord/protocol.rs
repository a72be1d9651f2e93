//! What is measured, with how many seeds and at which sizes.

use mutransfer::{Hyper, Init, Optimizer};
use mutransfer_analysis::Looks;
use mutransfer_study::coordinates::Protocol;
use mutransfer_study::limits;
use mutransfer_study::rule::NamedRule;
use mutransfer_study::schedule::Schedule;
use mutransfer_study::study::{Study, usual_hyper};
use mutransfer_study::subject::{ModelSizes, Subject, UsualCheck};
use mutransfer_study::trial::Budget;

use crate::args::CoordOptions;
use crate::failure::Failure;

/// Updates to follow, as in TP5 figure 5.
pub(crate) const STEPS: usize = 4;

/// Near the optimum of most small models.
pub(crate) const ADAM_RATE: f64 = 0.0078125;

/// The protocol of a study, but for what was typed.
pub(super) fn protocol_of(
    study: &Study,
    options: &CoordOptions,
    rules: &[NamedRule],
    subject: &dyn Subject,
) -> Result<Protocol, Failure> {
    if !study.subject().is_measured() {
        let message = "the program of the study measures no coordinates";
        let hint = "docs/trainers.md says how it does; then give the study `coordinates = true`";
        return Err(Failure::usage(message, Some(hint)));
    }
    let middle = study.grid().middle();
    let mut protocol = study.protocol(subject, options.lr.unwrap_or(middle));
    protocol.rules = rules.to_vec();
    if !options.widths.is_empty() {
        protocol.widths.clone_from(&options.widths);
    }
    if protocol.widths.is_empty() {
        let message = "the study does not grow in width, and its `check.widths` gives none";
        let hint = "give --widths; --depths checks a transformer over its depth";
        return Err(Failure::usage(message, Some(hint)));
    }
    protocol.steps = options.steps.unwrap_or(protocol.steps);
    protocol.batch = options.batch.unwrap_or(protocol.batch);
    if let Some(seeds) = options.seeds {
        protocol.looks = Looks::up_to(seeds as usize);
    }
    check_protocol(&protocol)?;
    Ok(protocol)
}

/// Checks that the sizes of a protocol are within reason.
fn check_protocol(protocol: &Protocol) -> Result<(), Failure> {
    for width in &protocol.widths {
        limits::check_width("widths", *width)?;
    }
    limits::check_sizes(&protocol.sizes)?;
    limits::check_budget(&Budget {
        steps: protocol.steps.max(1),
        batch: protocol.batch,
        schedule: Schedule::Constant,
        warmup: 0,
        base: None,
    })?;
    Ok(())
}

/// The protocol of a model, by what was typed.
pub(super) fn protocol(
    options: &CoordOptions,
    rules: &[NamedRule],
    usual: &UsualCheck,
) -> Result<Protocol, Failure> {
    let widths = if options.widths.is_empty() {
        usual.widths.clone()
    } else {
        options.widths.clone()
    };
    let widest = widths.iter().copied().max();
    let widest = widest.ok_or_else(|| Failure::usage("no width is given", None))?;
    let narrowest = widths.iter().copied().min().unwrap_or(widest);
    let base_width = options.base_width.unwrap_or(narrowest);
    let sizes = ModelSizes {
        base_width,
        width: widest,
        depth: options.depth.unwrap_or(usual.depth),
        base_depth: options.base_depth,
        context: options.context.unwrap_or(usual.context),
        experts: options.experts.at(base_width),
        base_experts: None,
    };
    let protocol = Protocol {
        rules: rules.to_vec(),
        optimizer: options.optimizer,
        widths,
        sizes,
        hyper: hyper(options, rate(options, usual)),
        batch: options.batch.unwrap_or(usual.batch),
        steps: options.steps.unwrap_or(STEPS),
        seed: options.seed,
        looks: Looks::up_to(seeds(options, usual)? as usize),
    };
    check_protocol(&protocol)?;
    Ok(protocol)
}

fn rate(options: &CoordOptions, usual: &UsualCheck) -> f64 {
    match options.optimizer {
        Optimizer::Sgd => usual.sgd_rate,
        _ => ADAM_RATE,
    }
}

/// The most seeds, which must be there after the first.
fn seeds(options: &CoordOptions, usual: &UsualCheck) -> Result<u64, Failure> {
    let seeds = options.seeds.unwrap_or(usual.seeds as u64);
    limits::check_seeds("seeds", seeds)?;
    if options.seed.checked_add(seeds).is_none() {
        let message = format!("--seed is {}, beyond which there are no more", options.seed);
        return Err(Failure::usage(message, None));
    }
    Ok(seeds)
}

/// What is typed, with this learning rate where none is.
pub(crate) fn hyper(options: &CoordOptions, learning_rate: f64) -> Hyper {
    let usual = usual_hyper();
    Hyper {
        learning_rate: options.lr.unwrap_or(learning_rate),
        init: options.init_std.map_or(usual.init, Init::Constant),
        ..usual
    }
}
