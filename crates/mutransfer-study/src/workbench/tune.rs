//! A study with hyperparameters to be found: search on the smallest proxy, confirm on the largest,
//! carry to the target.

use mutransfer::Hyper;
use mutransfer_analysis::{End, Measured};

use super::bench::Workbench;
use super::desk::{Desk, cost};
use super::drift::Drift;
use super::tuned::{AtTarget, Compared, Confirmed, Neighbour, Tuned, TunedRule, Values};
use crate::axis::Rung;
use crate::error::RunError;
use crate::event::Event;
use crate::executor::Executor;
use crate::rule::NamedRule;
use crate::search::{Report, SearchError};
use crate::study::{RATE, Searched, Setting};
use crate::trial::{Loss, Outcome};

/// Whose best learning rate at the target is the usual way, to compare with.
const BASELINE: &str = "sp";

impl Workbench {
    /// Searches, confirms, carries and writes what was found. With `compares` the target is
    /// searched too, under the standard parametrization and under the rule of the study.
    ///
    /// # Errors
    /// When nothing of the study is to be found, every run diverged, a trial came to nothing, it
    /// was asked to stop, or the folder cannot be read or written.
    pub fn tune(
        &self,
        executor: &mut dyn Executor,
        compares: bool,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<Tuned, RunError> {
        let Some(searched) = self.study.searched() else {
            return Err(RunError::Given);
        };
        self.take_in(observe)?;
        let mut tuning = Tuning {
            bench: self,
            desk: Desk::new(self.engine(executor)),
            observe,
        };
        let mut rules = Vec::new();
        for rule in self.study.rules() {
            rules.push(tuning.rule(rule, searched)?);
        }
        let compared = match rules.first() {
            Some((_, first)) if compares => tuning.compared(first, searched)?,
            _ => Vec::new(),
        };
        let tuned = Tuned {
            rules: rules.iter().map(|(rule, _)| rule.clone()).collect(),
            compared,
        };
        let best = rules
            .first()
            .map(|(_, carried)| (&carried.rule, carried.setting.hyper));
        self.write_tuned(&tuned, best)?;
        Ok(tuned)
    }

    /// The hyperparameters where nothing is searched.
    fn usual(&self) -> Hyper {
        self.study.hyper(self.study.grid().middle())
    }
}

/// What was carried, and its losses at the target, seed by seed.
struct Carried {
    rule: NamedRule,
    setting: Setting,
    losses: Vec<f64>,
}

/// A tuning under way.
struct Tuning<'a, 'o> {
    bench: &'a Workbench,
    desk: Desk<'a>,
    observe: &'o mut dyn FnMut(&Event),
}

impl Tuning<'_, '_> {
    fn rule(
        &mut self,
        rule: &NamedRule,
        searched: &Searched,
    ) -> Result<(TunedRule, Carried), RunError> {
        let study = &self.bench.study;
        let proxies = study.proxies();
        let (Some(proxy), Some(largest)) = (proxies.first(), proxies.last()) else {
            return Err(RunError::Given);
        };
        let before = self.desk.operations(self.bench);
        let report = self.search(rule, proxy, searched, self.bench.usual().into())?;
        let confirmed = self.confirmed(rule, [proxy, largest], searched, &report)?;
        let operations = self.desk.operations(self.bench) - before;
        let point = report.point();
        let setting = searched.at(&point, self.bench.usual().into());
        let losses = self.at_target(rule, setting, "target")?;
        let drift = Drift::of(
            rule.name(),
            study.doublings(proxy, largest),
            confirmed.shift,
        );
        let ahead = study.doublings(proxy, study.target());
        let tuned = TunedRule {
            rule: rule.name().to_owned(),
            values: named(searched, &point),
            proxy: study.words(proxy),
            target: self.target(&losses, drift, &report, ahead),
            report,
            confirmed,
            operations,
        };
        let carried = Carried {
            rule: rule.clone(),
            setting,
            losses,
        };
        Ok((tuned, carried))
    }

    /// What losses of the target are worth, so many doublings from where the search was.
    fn target(&self, losses: &[f64], drift: Drift, report: &Report, ahead: f64) -> AtTarget {
        let study = &self.bench.study;
        let of_rate = report.findings.first().filter(|first| first.name == RATE);
        let curvature = of_rate.map(|finding| finding.curvature);
        AtTarget {
            at: study.words(study.target()),
            loss: measured(losses),
            expected_regret: drift.regret(report.expected_regret, curvature, ahead),
            regret_bound: drift.bound(report.regret_bound, curvature, ahead),
            drift,
            operations: cost(self.bench, study.target()),
        }
    }

    /// The target's losses at a point, seed by seed.
    fn at_target(
        &mut self,
        rule: &NamedRule,
        setting: Setting,
        what: &str,
    ) -> Result<Vec<f64>, RunError> {
        let study = &self.bench.study;
        let (target, seeds) = (study.target(), study.seeds());
        let losses = self.losses(rule, target, &[setting], seeds, what)?;
        Ok(losses.into_iter().flatten().collect())
    }

    /// Asks and tells until the search is over.
    fn search(
        &mut self,
        rule: &NamedRule,
        rung: &Rung,
        searched: &Searched,
        base: Setting,
    ) -> Result<Report, RunError> {
        let seeds = self.bench.study.search_seeds();
        let mut search = searched.begin()?;
        loop {
            let asked = search.ask().into_iter();
            let asked = asked.map(|run| (run.number, searched.at(&run.point, base)));
            let (numbers, settings): (Vec<usize>, Vec<Setting>) = asked.unzip();
            if numbers.is_empty() {
                break;
            }
            let losses = self.losses(rule, rung, &settings, seeds, "search")?;
            for (number, losses) in numbers.into_iter().zip(losses) {
                search.tell(number, &losses)?;
            }
        }
        let diverged = || RunError::AllDiverged {
            rule: rule.name().to_owned(),
            at: self.bench.study.words(rung),
        };
        let report = search.report().ok_or_else(diverged)?;
        Ok(report.with_edges(searched.space()))
    }

    /// The recommended point and its neighbours at the largest proxy, with all seeds.
    fn confirmed(
        &mut self,
        rule: &NamedRule,
        [proxy, largest]: [&Rung; 2],
        searched: &Searched,
        report: &Report,
    ) -> Result<Confirmed, RunError> {
        let study = &self.bench.study;
        let base = self.bench.usual().into();
        let points = report.confirm.iter();
        let settings: Vec<Setting> = points.map(|point| searched.at(point, base)).collect();
        let seeds = study.seeds();
        let losses = self.losses(rule, largest, &settings, seeds, "confirmation")?;
        let [chosen, beside @ ..] = &losses[..] else {
            return Err(SearchError::NoAxis.into());
        };
        let neighbours = report.confirm[1..].iter().zip(beside);
        let neighbours = neighbours.map(|(point, losses)| Neighbour {
            values: named(searched, point),
            difference: difference(losses, chosen),
        });
        let is_other = proxy != largest;
        Ok(Confirmed {
            at: study.words(largest),
            loss: measured(chosen),
            neighbours: neighbours.collect(),
            shift: shift(report, beside).filter(|_| is_other),
        })
    }

    /// The target's own best learning rate: under the standard parametrization with everything else
    /// as it is usual, and under the rule with everything else as found.
    fn compared(
        &mut self,
        carried: &Carried,
        searched: &Searched,
    ) -> Result<Vec<Compared>, RunError> {
        let usual = self.bench.usual().into();
        let baseline = NamedRule::built_in(BASELINE)?;
        let own = (&carried.rule, carried.setting);
        let is_baseline = carried.rule.name() == BASELINE;
        let other = (!is_baseline).then_some((&baseline, usual));
        let both = other.into_iter().chain([own]);
        both.map(|(rule, base)| self.tuned_there(rule, base, carried, searched))
            .collect()
    }

    fn tuned_there(
        &mut self,
        rule: &NamedRule,
        base: Setting,
        carried: &Carried,
        searched: &Searched,
    ) -> Result<Compared, RunError> {
        let study = &self.bench.study;
        let target = study.target();
        let searched = searched.of_rate(base.hyper.learning_rate)?;
        let before = self.desk.operations(self.bench);
        let report = self.search(rule, target, &searched, base)?;
        let operations = self.desk.operations(self.bench) - before;
        let point = report.point();
        let setting = searched.at(&point, base);
        let losses = self.at_target(rule, setting, "comparison")?;
        Ok(Compared {
            rule: rule.name().to_owned(),
            values: named(&searched, &point),
            report,
            loss: measured(&losses),
            difference: difference(&carried.losses, &losses),
            operations,
        })
    }

    /// The losses of every point, seed by seed; not finite where a run diverged.
    fn losses(
        &mut self,
        rule: &NamedRule,
        rung: &Rung,
        settings: &[Setting],
        seeds: u64,
        what: &str,
    ) -> Result<Vec<Vec<f64>>, RunError> {
        let study = &self.bench.study;
        let subject = self.bench.subject.as_ref();
        let trials = study.trials_of(subject, rule, rung, settings, seeds)?;
        let outcomes = self.desk.run(self.bench, &trials, what, self.observe)?;
        let losses: Vec<f64> = outcomes.iter().map(loss).collect();
        Ok(losses.chunks(seeds as usize).map(<[f64]>::to_vec).collect())
    }
}

fn loss(outcome: &Outcome) -> f64 {
    match outcome.end(Loss::Validation) {
        End::Loss(loss) => loss,
        End::Diverged | End::Failed => f64::INFINITY,
    }
}

fn named(searched: &Searched, point: &[f64]) -> Values {
    let names = searched.space().parameters().iter();
    let values = searched.space().values(point);
    Values(names.map(|one| one.name.clone()).zip(values).collect())
}

/// A mean over seeds; none where one is not finite.
fn measured(values: &[f64]) -> Option<Measured> {
    let is_whole = !values.is_empty() && values.iter().all(|value| value.is_finite());
    is_whole.then(|| Measured::of_seeds(values))
}

/// What one loses more than the other, seed by seed.
fn difference(of: &[f64], beside: &[f64]) -> Option<Measured> {
    let pairs = of.iter().zip(beside);
    measured(&pairs.map(|(one, other)| one - other).collect::<Vec<_>>())
}

/// How far off the optimum lies, by the slope between the neighbours: for a parabola of this
/// curvature exactly.
fn shift(report: &Report, beside: &[Vec<f64>]) -> Option<Measured> {
    let (Some(finding), [below, above]) = (report.findings.first(), beside) else {
        return None;
    };
    let [low, high] = [1, 2].map(|place| report.confirm[place][0]);
    if finding.name != RATE || finding.curvature <= 0.0 {
        return None;
    }
    let middle = (low + high) / 2.0 - finding.at;
    let slopes = below.iter().zip(above);
    let shifts =
        slopes.map(|(below, above)| middle - (above - below) / ((high - low) * finding.curvature));
    measured(&shifts.collect::<Vec<_>>())
}
