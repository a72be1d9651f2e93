//! A program as a subject.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mutransfer::theory::Layer;
use mutransfer::{Hyper, Optimizer, Parametrization, Plan, PlanDocument, Role, Shapes};
use rayon::prelude::*;

use super::error::CommandError;
use super::follow::{Launch, follow};
use super::known::Known;
use super::ledger::Ledger;
use super::metric::Metric;
use super::program::Program;
use super::run::{PLAN, Run};
use super::told::Measured;
use super::tree;
use crate::allowance::{Allowance, pause};
use crate::data::{Data, DataKind};
use crate::error::RunError;
use crate::schedule::Schedule;
use crate::subject::{
    Listener, Measurement, Measuring, ModelSizes, Problem, Site, Subject, UsualCheck,
};
use crate::trial::{Budget, Outcome, Trial};

/// Makes the command of a guard, which takes the command of a program as its arguments; see
/// [`guard`](super::guard::guard).
pub type Guard = fn() -> process::Command;

/// The folder of a program's files in that of its trial.
const FOLDER: &str = "program";

/// A program that trains.
pub struct Command {
    program: Program,
    data: Data,
    guard: Guard,
    starts_at_zero: bool,
    shapes: Mutex<BTreeMap<(usize, usize, usize), Shapes>>,
    known: Arc<Known>,
}

impl Command {
    /// A program that trains, run under a guard, of which some shapes are known.
    pub fn new(program: Program, guard: Guard, known: Arc<Known>) -> Self {
        Self {
            program,
            data: Data {
                kind: DataKind::Own,
                path: None,
                fingerprint: String::new(),
            },
            guard,
            starts_at_zero: false,
            shapes: Mutex::default(),
            known,
        }
    }

    fn shapes(&self, sizes: &ModelSizes) -> Result<Shapes, CommandError> {
        let key = (sizes.width, sizes.depth, sizes.context);
        let all = || self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all().get(&key).cloned();
        if let Some(shapes) = found {
            return Ok(shapes);
        }
        let model = &self.program.place()?.model;
        let shapes = model.shapes(&self.program, sizes, &self.known)?;
        all().insert(key, shapes.clone());
        Ok(shapes)
    }

    /// How one run after the other ends, until one comes to something or there may be no more.
    fn tries(
        &self,
        launch: &Launch,
        listener: &mut dyn Listener,
        log: &mut dyn Write,
    ) -> Result<Outcome, CommandError> {
        let mut attempt = 0;
        loop {
            let ended = follow(launch, listener, log).and_then(|ledger| self.ended(&ledger));
            match ended {
                Err(error) if attempt < launch.allowance.retries && error.may_pass() => {
                    let pause = pause(attempt);
                    // A log that cannot be written is no reason to lose a training.
                    let _ = writeln!(log, "{error}; again in {pause:?}");
                    std::thread::sleep(pause);
                    listener.anew();
                    attempt += 1;
                }
                ended => return ended,
            }
        }
    }

    fn ended(&self, ledger: &Ledger) -> Result<Outcome, CommandError> {
        ledger.outcome().ok_or_else(|| CommandError::NoLoss {
            command: self.program.command.join(" "),
            missing: self.program.metric.as_ref().map(Metric::wanted),
        })
    }

    /// Which end of the network a module is, as the program says or by the role of its weight.
    fn layer(&self, measured: &Measured, plan: &Plan) -> Result<Layer, CommandError> {
        let of_weight = || {
            let is_of = |name: &str| {
                let rest = name.strip_prefix(measured.module.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/']))
            };
            plan.params()
                .filter(|(name, _)| is_of(name.as_str()))
                .find_map(|(_, param)| match param.role {
                    Role::Input => Some(Layer::Input),
                    Role::Hidden | Role::Router | Role::ExpertIn | Role::ExpertOut => {
                        Some(Layer::Hidden)
                    }
                    Role::Output => Some(Layer::Output),
                    Role::Fixed | Role::Vector => None,
                })
        };
        measured
            .layer
            .or_else(of_weight)
            .ok_or_else(|| CommandError::UnknownModule {
                command: self.program.command.join(" "),
                module: measured.module.clone(),
            })
    }
}

fn failed(error: CommandError) -> RunError {
    match error {
        CommandError::Stopped => RunError::Stopped,
        error => RunError::Subject(error.into()),
    }
}

impl Subject for Command {
    fn data(&self) -> &Data {
        &self.data
    }

    /// Shapes at these sizes, and that every placeholder stands for something.
    fn check(&self, sizes: &ModelSizes, hyper: &Hyper, batch: usize) -> Result<(), Problem> {
        self.shapes(sizes)?;
        let run = Run {
            rule: "mup",
            optimizer: Optimizer::AdamW,
            sizes,
            hyper: *hyper,
            budget: measured_budget(1, batch),
            seed: 0,
            coordinates: None,
        };
        self.program.fill(&run, Path::new(""))?;
        Ok(())
    }

    /// The shapes of all models that their plans are made from, side by side.
    fn expect(&self, sizes: &[ModelSizes]) -> Result<(), Problem> {
        let model = &self.program.place()?.model;
        if !model.is_asked() {
            return Ok(());
        }
        let needed = sizes.iter().flat_map(|sizes| {
            let base = sizes.base_depth();
            let needed = [
                (sizes.width, sizes.depth),
                (sizes.base_width, base),
                (model.delta_width, base),
            ];
            needed.map(|(width, depth)| ModelSizes {
                width,
                depth,
                ..*sizes
            })
        });
        let needed: BTreeMap<_, _> = needed
            .map(|sizes| ((sizes.width, sizes.depth, sizes.context), sizes))
            .collect();
        let needed: Vec<ModelSizes> = needed.into_values().collect();
        let found = needed
            .par_iter()
            .map(|sizes| self.shapes(sizes).map(drop))
            .collect::<Result<(), _>>();
        Ok(found?)
    }

    fn plan(
        &self,
        sizes: &ModelSizes,
        rule: &Parametrization,
        optimizer: Optimizer,
    ) -> Result<Plan, Problem> {
        let shapes = |width, depth| {
            self.shapes(&ModelSizes {
                width,
                depth,
                ..*sizes
            })
        };
        let model = &self.program.place()?.model;
        let mut plan = model.plan(&shapes, sizes, rule, optimizer)?;
        if self.starts_at_zero {
            let is_readout = |role| role == Role::Output;
            let readouts = plan.params().filter(|(_, param)| is_readout(param.role));
            let readouts: Vec<String> = readouts.map(|(name, _)| name.to_string()).collect();
            for readout in readouts {
                plan = plan.with_zero_init(&readout)?;
            }
        }
        Ok(plan)
    }

    fn parameters(&self, sizes: &ModelSizes) -> usize {
        self.shapes(sizes).map_or(0, |shapes| shapes.entries())
    }

    fn has_sequences(&self) -> bool {
        false
    }

    fn floor(&self) -> Option<f64> {
        None
    }

    fn with_zero_start(&self) -> Box<dyn Subject> {
        Box::new(Self {
            starts_at_zero: true,
            ..Self::new(self.program.clone(), self.guard, Arc::clone(&self.known))
        })
    }

    /// Few examples, as for the built-in models.
    fn usual_check(&self) -> UsualCheck {
        UsualCheck {
            sgd_rate: 0.1,
            widths: Vec::new(),
            depth: 2,
            batch: 4,
            context: 8,
            seeds: 16,
        }
    }

    fn prepare(&self, trial: &Trial, folder: &Path) -> Result<(), Problem> {
        let rule = &trial.rule.parametrization();
        let plan = self.plan(&trial.sizes, rule, trial.optimizer)?;
        Ok(Run::of_trial(trial)?.prepare(&folder.join(FOLDER), &plan)?)
    }

    fn train(
        &self,
        trial: &Trial,
        site: &Site,
        listener: &mut dyn Listener,
    ) -> Result<Outcome, RunError> {
        self.program.check_files().map_err(failed)?;
        // The program runs in another folder.
        let folder =
            std::path::absolute(site.folder).map_err(|error| RunError::Subject(error.into()))?;
        let folder = folder.join(FOLDER);
        if hash(&folder).map_err(failed)? != trial.plan {
            return Err(RunError::PlanChanged { id: trial.id() });
        }
        tree::adopt();
        let launch = Launch {
            program: &self.program,
            run: &Run::of_trial(trial)?,
            folder: &folder,
            guard: self.guard,
            allowance: &trial.allowance,
            stop: site.stop,
            is_alone: true,
        };
        match self.tries(&launch, listener, &mut io::stderr()) {
            Err(CommandError::Stopped) => Ok(Outcome::Stopped),
            ended => ended.map_err(failed),
        }
    }

    fn measure(
        &self,
        of: &Measuring,
        stop: &AtomicBool,
    ) -> Result<Vec<(usize, Measurement)>, RunError> {
        if stop.load(Ordering::Relaxed) {
            return Err(RunError::Stopped);
        }
        let folder = tempfile::tempdir().map_err(|error| RunError::Subject(error.into()))?;
        let run = Run {
            rule: of.rule.name(),
            optimizer: of.optimizer,
            sizes: of.sizes,
            hyper: *of.hyper,
            budget: measured_budget(of.steps, of.batches.size),
            seed: of.batches.seed,
            coordinates: Some(of.steps),
        };
        run.prepare(folder.path(), of.plan).map_err(failed)?;
        let launch = Launch {
            program: &self.program,
            run: &run,
            folder: folder.path(),
            guard: self.guard,
            allowance: &Allowance::default(),
            stop,
            is_alone: false,
        };
        let mut unheard = |_: usize, _: f64| {};
        let ledger = follow(&launch, &mut unheard, &mut io::sink()).map_err(failed)?;
        if ledger.measured.is_empty() {
            let command = self.program.command.join(" ");
            return Err(failed(CommandError::NoCoordinates { command }));
        }
        let placed = ledger.measured.into_iter().map(|(step, measured)| {
            let layer = self.layer(&measured, of.plan)?;
            Ok((step, measured.at(layer)))
        });
        placed.collect::<Result<_, _>>().map_err(failed)
    }
}

/// Every step at the peak learning rate, as a coordinate check has it.
fn measured_budget(steps: usize, batch: usize) -> Budget {
    Budget {
        steps,
        batch,
        schedule: Schedule::Constant,
        warmup: 0,
        base: None,
    }
}

/// Hash of the plan that is in the folder of a program's files.
fn hash(folder: &Path) -> Result<String, CommandError> {
    let path = folder.join(PLAN);
    let text = fs::read_to_string(&path).map_err(|source| CommandError::File {
        path: path.clone(),
        source,
    })?;
    let plan = serde_json::from_str::<PlanDocument>(&text);
    Ok(plan.map(|plan| plan.hash).unwrap_or_default())
}
