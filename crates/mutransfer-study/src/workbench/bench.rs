//! What is done, and in what order.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mutransfer::{Parametrization, Plan};
use mutransfer_analysis::{
    Analysis, Check, Coordinate, Looks, Request, Sweeps, TableError, analyze, carried,
};

use super::names::FILES;
use crate::axis::{At, Rung};
use crate::coordinates::{self, Protocol, Settled};
use crate::engine::{Builds, Engine};
use crate::error::{RunError, StoreError, Verb};
use crate::event::Event;
use crate::executor::Executor;
use crate::executor::batch::{self, Batch, Share};
use crate::limits::TRAINED;
use crate::rule::NamedRule;
use crate::store::{Ended, Records, Store};
use crate::study::Study;
use crate::subject::Subject;
use crate::trial::{Loss, Trial};

/// A study that can be run.
pub struct Workbench {
    pub(super) study: Study,
    pub(super) subject: Box<dyn Subject>,
    store: Store,
    builds: Builds,
    stop: Arc<AtomicBool>,
    records: Records,
}

/// Why there is no coordinate check of a program that measures nothing.
const UNMEASURED: &str =
    "the program measures no coordinates, as its study has no `coordinates = true`";

/// Why there is none of a study along another axis.
const NO_WIDTHS: &str = "it is over widths, along which this study does not grow, and \
                         `check.widths` gives none";

/// A rule, and the learning rate that it carries over.
pub(super) type Carried<'a> = (&'a NamedRule, f64);

/// What the trials of a study show.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The optima, how they scale, and the transfer.
    pub analysis: Analysis,
    /// The coordinate check of every rule, or why there is none.
    pub checks: Result<Vec<Check>, String>,
    /// All trials, and how they ended.
    pub ended: Vec<Ended>,
}

/// All that a study has run.
pub(super) struct Done<'a> {
    pub(super) carried: Vec<Carried<'a>>,
    pub(super) sweep: Vec<Trial>,
    pub(super) direct: Vec<Trial>,
    pub(super) ended: Vec<Ended>,
}

impl Workbench {
    /// Checks everything that could stop the study later. Setting `stop` ends what is running.
    ///
    /// # Errors
    /// When the study does not fit its subject, or there are files in the folder that somebody else
    /// wrote and that would be overwritten, or another process runs a study there.
    pub fn new(
        study: Study,
        subject: Box<dyn Subject>,
        store: Store,
        builds: Builds,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, RunError> {
        store.check(FILES)?;
        let records = store.records()?;
        Ok(Self {
            study,
            subject,
            store,
            builds,
            stop,
            records,
        })
    }

    /// The study.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// The output folder.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Fingerprint of the program that its trials are for.
    pub fn build(&self) -> &str {
        &self.builds.own
    }

    /// The records of its trials.
    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    /// The lowest loss there is, in nats per answer, where it is known.
    pub fn floor(&self) -> Option<f64> {
        self.subject.floor()
    }

    /// Numbers to train in a trial, a measure of its cost.
    pub fn parameters(&self, trial: &Trial) -> usize {
        self.subject.parameters(&trial.sizes)
    }

    /// The sizes of the largest trial, and bytes of memory that it takes at least where it is
    /// trained; none where a program does that in its own way.
    pub fn largest(&self) -> Option<(Rung, u64)> {
        if self.study.subject().program.is_some() {
            return None;
        }
        let sized = self.study.all_sizes().into_iter().map(|rung| {
            let numbers = self.subject.parameters(&rung.sizes) as u64;
            (rung, numbers.saturating_mul(TRAINED))
        });
        sized.max_by_key(|(_, bytes)| *bytes)
    }

    /// Runs and writes everything.
    ///
    /// # Errors
    /// When a trial came to nothing, it was asked to stop, or the folder cannot be read or written.
    pub fn complete(
        &self,
        executor: &mut dyn Executor,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<Judged, RunError> {
        let done = self.run(executor, observe)?;
        let coordinates = self.coordinates(&done.carried, observe)?;
        let judged = self.judge(&done, &coordinates)?;
        self.write(&done, &coordinates, &judged)?;
        Ok(judged)
    }

    /// The sweeps, and then the target at what they found.
    fn run(
        &self,
        executor: &mut dyn Executor,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<Done<'_>, RunError> {
        let mut engine = self.engine(executor);
        let sweep = self.begin_sweep(observe)?;
        let ended = run_sweep(&mut engine, sweep.clone(), observe)?;
        let carried = self.carried(ended)?;
        let direct = self.direct(&carried)?;
        self.records.list(&[&sweep[..], &direct].concat())?;
        let missing: Vec<Trial> = direct
            .iter()
            .filter(|trial| !sweep.contains(trial))
            .cloned()
            .collect();
        observe(&Event::Transfer(&missing));
        let done = engine.run(missing, observe).map(|_| ());
        observe(&Event::Done);
        done?;
        Ok(Done {
            carried,
            sweep,
            direct,
            ended: engine.into_ended(),
        })
    }

    /// Runs what is missing of the sweeps, and judges nothing.
    ///
    /// # Errors
    /// When a trial came to nothing, it was asked to stop, or the folder cannot be read or written.
    pub fn sweep(
        &self,
        executor: &mut dyn Executor,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<Vec<Ended>, RunError> {
        let mut engine = self.engine(executor);
        run_sweep(&mut engine, self.begin_sweep(observe)?, observe)?;
        Ok(engine.into_ended())
    }

    /// Makes a batch ready of what is missing of the sweeps, for whoever runs it, with
    /// `trials_per_task` trials in each of its elements, whose workers get their share; none where
    /// nothing is missing. What was
    /// ready or queued before is forgotten. `executor` runs nothing.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or a record is damaged.
    pub fn prepare(
        &self,
        trials_per_task: usize,
        share: Share,
        executor: &mut dyn Executor,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<Option<Batch>, RunError> {
        let sweep = self.begin_sweep(observe)?;
        let root = self.store.root();
        batch::abandon(root).map_err(StoreError::of(Verb::Write, root))?;
        let missing = self.engine(executor).prepare(sweep, observe);
        observe(&Event::Done);
        let missing = missing?;
        if missing.is_empty() {
            return Ok(None);
        }
        let elements = missing.chunks(trials_per_task).map(<[String]>::to_vec);
        let batch = Batch::new(self.build(), share, elements.collect());
        batch.write(root)?;
        Ok(Some(batch))
    }

    pub(super) fn engine<'a>(&'a self, executor: &'a mut dyn Executor) -> Engine<'a> {
        let builds = self.builds.clone();
        let subject = self.subject.as_ref();
        Engine::new(
            &self.store,
            &self.records,
            subject,
            executor,
            builds,
            &self.stop,
        )
    }

    /// Takes in what earlier processes have left of trials.
    pub(super) fn take_in(&self, observe: &mut dyn FnMut(&Event)) -> Result<(), RunError> {
        let aside = self.records.take_all()?;
        if let Some(first) = aside.first() {
            let count = aside.len();
            observe(&Event::Damaged { count, first });
        }
        Ok(())
    }

    /// The trials of the sweeps, once what earlier processes have left of them is taken in.
    fn begin_sweep(&self, observe: &mut dyn FnMut(&Event)) -> Result<Vec<Trial>, RunError> {
        self.take_in(observe)?;
        let sweep = self.study.sweep(self.subject.as_ref())?;
        self.records.list(&sweep)?;
        observe(&Event::Sweep(&sweep));
        Ok(sweep)
    }

    /// What every rule carries over, where it has an optimum.
    fn carried(&self, ended: &[Ended]) -> Result<Vec<Carried<'_>>, RunError> {
        let sweeps = self.sweeps(ended, Loss::Validation)?;
        let target = self.study.at(self.study.target()).get();
        let rules = self.study.rules().iter();
        let found = rules.filter_map(|rule| {
            let lr = carried(&sweeps, rule.name(), target, None)?;
            Some((rule, lr))
        });
        Ok(found.collect())
    }

    fn direct(&self, carried: &[Carried]) -> Result<Vec<Trial>, RunError> {
        let mut direct = Vec::new();
        for (rule, lr) in carried {
            direct.extend(self.study.transfer(self.subject.as_ref(), rule, *lr)?);
        }
        Ok(direct)
    }

    /// What the trials show. A study stands without its coordinate check, so that what cannot be
    /// judged there is said and does not fail it.
    fn judge(&self, done: &Done, coordinates: &[Coordinate]) -> Result<Judged, RunError> {
        let looks = self.protocol(&done.carried).looks;
        let checks = match self.unmeasured() {
            None => self
                .checks(coordinates, &looks)
                .map_err(|error| error.to_string()),
            Some(why) => Err(why.to_owned()),
        };
        Ok(Judged {
            analysis: self.analysis(&done.ended, Loss::Validation)?,
            checks,
            ended: done.ended.clone(),
        })
    }

    fn rule(&self, name: &str) -> Option<Parametrization> {
        let mut rules = self.study.rules().iter();
        let rule = rules.find(|rule| rule.name() == name)?;
        Some(rule.parametrization())
    }

    /// What trials of the study show by one of their losses.
    ///
    /// # Errors
    /// When none of them has ended, or one is there twice with different ends.
    pub fn analysis(&self, ended: &[Ended], of: Loss) -> Result<Analysis, TableError> {
        let axis = self.study.axis().name();
        analyze(&self.sweeps(ended, of)?, axis, "lr", &self.request())
    }

    /// The loss curves of trials along the axis of the study.
    pub(super) fn sweeps(&self, ended: &[Ended], of: Loss) -> Result<Sweeps, TableError> {
        let axis = self.study.axis();
        Sweeps::of_runs(
            ended
                .iter()
                .map(|(trial, outcome)| trial.run(outcome, of, axis)),
        )
    }

    /// What is asked of the trials. Their seeds are shared: each means the same data and the same
    /// initial draws everywhere.
    pub(super) fn request(&self) -> Request {
        let smallest = self.study.proxies().first().map(|rung| self.study.at(rung));
        let target = Some(self.study.at(self.study.target()));
        Request {
            target: target.filter(|at| Some(*at) > smallest).map(At::get),
            ..Request::default()
        }
    }

    /// The coordinate check's measurements at all widths, by its own protocol, at one learning rate
    /// for all rules.
    fn coordinates(
        &self,
        carried: &[Carried],
        observe: &mut dyn FnMut(&Event),
    ) -> Result<Vec<Coordinate>, RunError> {
        if self.unmeasured().is_some() {
            return Ok(Vec::new());
        }
        let protocol = self.protocol(carried);
        observe(&Event::Coordinates {
            steps: protocol.steps,
            widths: &protocol.widths,
        });
        let subject = self.subject.with_zero_start();
        protocol.measure(subject.as_ref(), &self.stop, &mut |rows| {
            self.checks(rows, &protocol.looks)
                .map_or_else(|_| self.all_rules(), |checks| coordinates::settled(&checks))
        })
    }

    /// Why there is no coordinate check, where there is none.
    fn unmeasured(&self) -> Option<&'static str> {
        let reasons = [
            (!self.study.subject().is_measured(), UNMEASURED),
            (self.study.check_widths().is_empty(), NO_WIDTHS),
        ];
        let found = reasons.into_iter().find(|(holds, _)| *holds);
        found.map(|(_, why)| why)
    }

    fn checks(&self, rows: &[Coordinate], looks: &Looks) -> Result<Vec<Check>, RunError> {
        let rule = |name: &str| self.rule(name);
        let (optimizer, model) = (self.study.optimizer(), self.study.subject());
        coordinates::judged(rows, &rule, optimizer, model, looks)
    }

    fn all_rules(&self) -> Settled {
        let rules = self.study.rules().iter();
        rules.map(|rule| rule.name().to_owned()).collect()
    }

    fn protocol(&self, carried: &[Carried]) -> Protocol {
        let middle = || self.study.grid().middle();
        let lr = best(carried).map_or_else(middle, |(_, lr)| lr);
        self.study.protocol(self.subject.as_ref(), lr)
    }

    /// The target's plan under a rule.
    pub(super) fn plan(&self, rule: &NamedRule) -> Result<Plan, RunError> {
        let sizes = &self.study.target().sizes;
        self.subject
            .plan(sizes, &rule.parametrization(), self.study.optimizer())
            .map_err(RunError::Subject)
    }
}

/// What μP carries over, or else the first rule.
pub(super) fn best<'a>(carried: &[Carried<'a>]) -> Option<Carried<'a>> {
    let mup = carried.iter().find(|(rule, _)| rule.name() == "mup");
    mup.or(carried.first()).copied()
}

/// Runs what is missing of the sweeps, of which the last is told.
fn run_sweep<'e>(
    engine: &'e mut Engine,
    sweep: Vec<Trial>,
    observe: &mut dyn FnMut(&Event),
) -> Result<&'e [Ended], RunError> {
    let ended = engine.run(sweep, observe);
    observe(&Event::Done);
    ended
}
