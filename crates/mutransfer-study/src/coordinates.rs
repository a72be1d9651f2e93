//! The protocol of the coordinate check: which models are measured, when, and what is expected.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use mutransfer::theory::{Expectation, Theory};
use mutransfer::{Hyper, Optimizer, Parametrization};
use mutransfer_analysis::{Check, Coordinate, Looks, judge};
use rayon::prelude::*;

use crate::error::RunError;
use crate::rule::NamedRule;
use crate::subject::{
    Batches, Description, Heads, Measurement, Measuring, ModelSizes, Session, Subject,
};

/// A coordinate check to make: every rule at every width with one seed after the other, measured
/// before and after each of some updates, on one and the same batch, until enough is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// The rules to check.
    pub rules: Vec<NamedRule>,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Widths to measure at.
    pub widths: Vec<usize>,
    /// How large the models are, but for their widths.
    pub sizes: ModelSizes,
    /// What they train with.
    pub hyper: Hyper,
    /// Sequences or images in the batch.
    pub batch: usize,
    /// Updates.
    pub steps: usize,
    /// The first seed.
    pub seed: u64,
    /// After how many seeds it is judged, and whether more are needed.
    pub looks: Looks,
}

/// The rules that more seeds would tell no more of.
pub type Settled = BTreeSet<String>;

/// One model to measure.
struct Case<'a> {
    rule: &'a NamedRule,
    sizes: ModelSizes,
    seed: u64,
}

impl Protocol {
    /// Checks everything that could stop it later.
    ///
    /// # Errors
    /// When a size does not fit the subject, or a rule not the subject or the optimizer.
    pub fn check(&self, subject: &dyn Subject) -> Result<(), RunError> {
        self.expect(subject)?;
        for width in &self.widths {
            let sizes = self.sizes(*width);
            subject
                .check(&sizes, &self.hyper, self.batch)
                .map_err(RunError::Subject)?;
            for rule in &self.rules {
                subject
                    .plan(&sizes, &rule.parametrization(), self.optimizer)
                    .map_err(RunError::Subject)?;
            }
        }
        Ok(())
    }

    /// Every quantity of every module of every model, with more seeds look by look, until `settled`
    /// names every rule or the last look is taken. Models are measured side by side, one thread
    /// each; the result depends on the seeds, and not on how many threads there are. Setting `stop`
    /// ends it.
    ///
    /// # Errors
    /// When a size does not fit the subject, a rule not the subject or the optimizer, or it was
    /// stopped.
    pub fn measure(
        &self,
        subject: &dyn Subject,
        stop: &AtomicBool,
        settled: &mut dyn FnMut(&[Coordinate]) -> Settled,
    ) -> Result<Vec<Coordinate>, RunError> {
        self.expect(subject)?;
        let mut coordinates: Vec<Coordinate> = Vec::new();
        let (mut done, mut first) = (Settled::new(), 0);
        for &look in self.looks.seeds() {
            let measured: Vec<Result<Vec<Coordinate>, RunError>> = self
                .cases(first..look as u64, &done)
                .par_iter()
                .map(|case| self.measure_case(subject, case, stop))
                .collect();
            for measured in measured {
                coordinates.extend(measured?);
            }
            self.sort(&mut coordinates);
            done = settled(&coordinates);
            if self.rules.iter().all(|rule| done.contains(rule.name())) {
                break;
            }
            first = look as u64;
        }
        Ok(coordinates)
    }

    fn expect(&self, subject: &dyn Subject) -> Result<(), RunError> {
        let sizes = self.widths.iter().map(|width| self.sizes(*width));
        let expected = subject.expect(&sizes.collect::<Vec<_>>());
        expected.map_err(RunError::Subject)
    }

    /// Rule by rule, width by width and seed by seed, as if all had been measured at once.
    fn sort(&self, coordinates: &mut [Coordinate]) {
        let place = |rule: &str| self.rules.iter().position(|one| one.name() == rule);
        coordinates.sort_by_key(|row| (place(&row.rule), row.width, row.seed));
    }

    fn cases(&self, seeds: Range<u64>, done: &Settled) -> Vec<Case<'_>> {
        let mut cases = Vec::new();
        for rule in self.rules.iter().filter(|rule| !done.contains(rule.name())) {
            for &width in &self.widths {
                let sizes = self.sizes(width);
                let seeds = seeds.clone().map(|seed| self.seed.saturating_add(seed));
                cases.extend(seeds.map(|seed| Case { rule, sizes, seed }));
            }
        }
        cases
    }

    fn sizes(&self, width: usize) -> ModelSizes {
        ModelSizes {
            width,
            ..self.sizes
        }
    }

    fn measure_case(
        &self,
        subject: &dyn Subject,
        case: &Case,
        stop: &AtomicBool,
    ) -> Result<Vec<Coordinate>, RunError> {
        let plan = subject
            .plan(&case.sizes, &case.rule.parametrization(), self.optimizer)
            .map_err(RunError::Subject)?;
        let batches = Batches {
            size: self.batch,
            seed: case.seed,
            is_fixed: true,
        };
        let measured = subject.measure(
            &Measuring {
                sizes: &case.sizes,
                rule: case.rule,
                optimizer: self.optimizer,
                plan: &plan,
                hyper: &self.hyper,
                batches,
                steps: self.steps,
            },
            stop,
        )?;
        let rows = measured.into_iter();
        Ok(rows
            .map(|(step, seen)| case.coordinate(step, seen))
            .collect())
    }
}

/// The coordinates of a model in training before and after each of `steps` updates, at its peak
/// learning rates.
///
/// # Errors
/// When it was stopped.
pub fn follow(
    session: &mut dyn Session,
    steps: usize,
    stop: &AtomicBool,
) -> Result<Vec<(usize, Measurement)>, RunError> {
    let mut coordinates = Vec::new();
    for step in 0..=steps {
        if stop.load(Ordering::Relaxed) {
            return Err(RunError::Stopped);
        }
        coordinates.extend(session.coordinates().into_iter().map(|seen| (step, seen)));
        if step < steps {
            session.step(1.0);
        }
    }
    Ok(coordinates)
}

impl Case<'_> {
    fn coordinate(&self, step: usize, seen: Measurement) -> Coordinate {
        Coordinate {
            rule: self.rule.name().into(),
            width: self.sizes.width,
            seed: self.seed,
            step,
            module: seen.module.into(),
            layer: seen.layer,
            quantity: seen.quantity,
            l1: seen.l1,
            l2: seen.l2,
            std: seen.std,
        }
    }
}

/// The verdict on every rule in the table, look by look, by what the theory of the rule of that
/// name promises for the model.
///
/// # Errors
/// When a rule is not classified, or what is measured cannot be judged.
pub fn judged(
    coordinates: &[Coordinate],
    rule: &dyn Fn(&str) -> Option<Parametrization>,
    optimizer: Optimizer,
    model: &Description,
    looks: &Looks,
) -> Result<Vec<Check>, RunError> {
    let mut expectations = BTreeMap::new();
    for name in Coordinate::rules(coordinates) {
        if let Some(rule) = rule(name) {
            let expectation = expectation(&rule, optimizer, model)?;
            expectations.insert(name.to_owned(), expectation);
        }
    }
    Ok(judge(coordinates, &expectations, looks)?)
}

/// The rules that these checks settle.
pub fn settled(checks: &[Check]) -> Settled {
    let settled = checks.iter().filter(|check| check.is_settled());
    settled.map(|check| check.rule.clone()).collect()
}

fn expectation(
    rule: &Parametrization,
    optimizer: Optimizer,
    model: &Description,
) -> Result<Expectation, RunError> {
    let theory = Theory::of_rule(rule, optimizer)?;
    let has_growing_heads = matches!(model.heads, Heads::Count(_));
    let expectation = Expectation::of(&theory, has_growing_heads);
    Ok(if model.is_tied() {
        expectation.with_tied_readout()
    } else {
        expectation
    })
}
