//! How far a study is: lines on stderr, and a bar with trials done, running and diverged, and the
//! time left; where stderr is no terminal, a line now and then in its place.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mutransfer_study::axis::{Axis, Rung};
use mutransfer_study::event::Event;
use mutransfer_study::search::named;
use mutransfer_study::study::Study;
use mutransfer_study::trial::{Outcome, Trial};
use mutransfer_study::workbench::Workbench;

use crate::say::note;

/// Follows a study.
pub(crate) struct Progress<'a> {
    bench: &'a Workbench,
    /// How the trials are run.
    manner: String,
    bar: Option<Bar>,
    /// What the runs of a search are for, while there are some.
    round: Option<String>,
    /// How they ended.
    ended: Vec<String>,
}

impl<'a> Progress<'a> {
    /// Of a study whose trials are run in this manner.
    pub(crate) fn new(bench: &'a Workbench, manner: String) -> Self {
        Self {
            bench,
            manner,
            bar: None,
            round: None,
            ended: Vec::new(),
        }
    }

    /// Takes note of an event.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::Sweep(trials) => {
                self.announce_sweep(trials.len());
                self.begin(trials);
            }
            Event::Transfer(trials) => {
                let study = self.bench.study();
                let target = study.words(study.target());
                note!("transfer: {} trials at {target}", trials.len());
                self.begin(trials);
            }
            Event::Round { what, trials } => {
                self.round = Some((*what).to_owned());
                self.begin(trials);
            }
            Event::Coordinates { steps, widths } => {
                let listed: Vec<String> = widths.iter().map(usize::to_string).collect();
                let listed = listed.join(", ");
                note!("coordinate check: {steps} steps at widths {listed}");
            }
            Event::Damaged { count, first } => note!(
                "{count} trials have damaged records, which are put aside, and are run again; the \
                 first: {}",
                first.display()
            ),
            Event::Notice(text) => note!("{text}"),
            Event::OtherBuild { count, is_accepted } => other_build(*count, *is_accepted),
            Event::Done => self.finish(),
            Event::Started(_) | Event::Ended(..) | Event::Waiting => {
                self.note_run(event);
                if let Some(bar) = &mut self.bar {
                    bar.observe(event);
                }
            }
        }
    }

    fn finish(&mut self) {
        self.bar = None;
        self.round = None;
        self.ended.drain(..).for_each(|line| note!("{line}"));
    }

    /// Keeps how a run of a search ended, for when the bar is gone.
    fn note_run(&mut self, event: &Event) {
        let study = self.bench.study();
        if let Event::Ended(trial, outcome) = event
            && let Some(what) = &self.round
            && let Some(searched) = study.searched()
        {
            let values = named(&searched.of(trial));
            let (rule, at) = (trial.rule.name(), study.words(&trial.rung()));
            let end = match outcome {
                Outcome::Finished { loss, .. } => format!("loss {loss:.4}"),
                Outcome::Diverged { step } => format!("diverged at step {step}"),
                Outcome::Stopped | Outcome::Failed { .. } => return,
            };
            let seed = trial.seed;
            self.ended.push(format!(
                "{what}, {rule} at {at}, seed {seed}: {values}: {end}"
            ));
        }
    }

    fn announce_sweep(&self, trials: usize) {
        let study = self.bench.study();
        let verified = if study.is_verified() {
            format!(", verified at {}", study.words(study.target()))
        } else {
            String::new()
        };
        note!(
            "{}: {trials} trials at {}{verified}, {}",
            study.name(),
            listed(study),
            self.manner
        );
    }

    fn begin(&mut self, trials: &[Trial]) {
        self.bar = Some(Bar::new(trials, |trial| {
            self.bench.parameters(trial) as f64 * trial.budget.examples() as f64
        }));
    }
}

/// The sizes of the proxies.
fn listed(study: &Study) -> String {
    let proxies = study.proxies().iter();
    if study.axis() == Axis::Compute {
        let words = proxies.map(|rung| study.words(rung));
        return words.collect::<Vec<_>>().join("; ");
    }
    let sizes = proxies.map(|rung| study.at(rung).to_string());
    format!("{} {}", study.axis(), sizes.collect::<Vec<_>>().join(", "))
}

/// Seconds after which counting something is worth a bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counts what a computation has done, with a bar once that takes long. Draws nothing where stderr
/// is no terminal.
pub(crate) struct Count {
    bar: ProgressBar,
    begun: Instant,
}

impl Count {
    pub(crate) fn new(all: usize, what: &str) -> Self {
        let style = ProgressStyle::with_template(&format!("{{bar:32}} {{pos}}/{{len}} {what}"));
        let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::hidden());
        Self {
            bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())),
            begun: Instant::now(),
        }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
        if self.bar.is_hidden() && self.begun.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn other_build(count: usize, is_accepted: bool) {
    if is_accepted {
        note!("{count} trials keep the results of another build of this program");
    } else {
        note!(
            "{count} trials have results of another build of this program and are run again; \
             --accept-build keeps them"
        );
    }
}

/// Says when it is time for another line of progress.
struct Pace {
    every: Duration,
    last: Instant,
}

/// Between two lines of progress in a log.
const PACE: Duration = Duration::from_secs(30);

impl Pace {
    fn new(now: Instant) -> Self {
        let (every, last) = (PACE, now);
        Self { every, last }
    }

    /// Whether it is time, which then begins anew.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now.duration_since(self.last) >= self.every;
        if is_due {
            self.last = now;
        }
        is_due
    }
}

/// A progress bar, or lines where stderr is no terminal.
struct Bar {
    bar: ProgressBar,
    /// Of the lines; none where there is a terminal to draw on.
    pace: Option<Pace>,
    /// Relative cost of a trial of these sizes.
    costs: Vec<(Rung, f64)>,
    /// Of all trials that were not found finished.
    cost: f64,
    begun: Option<Instant>,
    running: usize,
    diverged: usize,
    cost_done: f64,
}

impl Bar {
    /// A bar for these trials; `cost` in any unit.
    fn new(trials: &[Trial], cost: impl Fn(&Trial) -> f64) -> Self {
        let mut costs: Vec<(Rung, f64)> = Vec::new();
        for trial in trials {
            if !costs.iter().any(|(rung, _)| *rung == trial.rung()) {
                costs.push((trial.rung(), cost(trial)));
            }
        }
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} trials {msg}");
        let bar = ProgressBar::new(trials.len() as u64)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let cost = trials.iter().map(|trial| cost_of(&costs, trial)).sum();
        let pace = (!stderr().is_terminal()).then(|| Pace::new(Instant::now()));
        Self {
            bar,
            pace,
            costs,
            cost,
            begun: None,
            running: 0,
            diverged: 0,
            cost_done: 0.0,
        }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Started(_) => {
                self.begun.get_or_insert_with(Instant::now);
                self.running += 1;
            }
            Event::Ended(trial, outcome) => {
                self.diverged += usize::from(matches!(outcome, Outcome::Diverged { .. }));
                self.end(trial);
            }
            _ => {}
        }
        self.bar.set_message(self.message());
        // A moment without news is an event too.
        self.bar.tick();
        if let Some(pace) = &mut self.pace
            && pace.is_due(Instant::now())
        {
            note!("{}", self.line());
        }
    }

    fn end(&mut self, trial: &Trial) {
        let cost = cost_of(&self.costs, trial);
        match self.begun {
            // Found finished from an earlier run: it tells nothing about speed.
            None => self.cost -= cost,
            Some(_) => {
                self.cost_done += cost;
                self.running = self.running.saturating_sub(1);
            }
        }
        self.bar.inc(1);
    }

    fn line(&self) -> String {
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
        format!("{done}/{all} trials {}", self.message())
    }

    fn message(&self) -> String {
        let left = match self.begun {
            Some(begun) if self.cost_done > 0.0 => {
                let seconds = begun.elapsed().as_secs_f64() * (self.cost / self.cost_done - 1.0);
                format!(
                    ", about {} left",
                    indicatif::HumanDuration(Duration::from_secs_f64(seconds.max(0.0)))
                )
            }
            _ => String::new(),
        };
        format!(
            "done, {} running, {} diverged{left}",
            self.running, self.diverged
        )
    }
}

fn cost_of(costs: &[(Rung, f64)], trial: &Trial) -> f64 {
    let found = costs.iter().find(|(rung, _)| *rung == trial.rung());
    found.map_or(0.0, |(_, cost)| *cost)
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_a_line_now_and_then() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        let due: Vec<u64> = (0..100)
            .filter(|second| pace.is_due(begun + Duration::from_secs(*second)))
            .collect();
        assert_eq!(due, [30, 60, 90]);
    }

    #[test]
    fn a_line_says_how_far_the_study_is() {
        let bar = Bar::new(&[], |_| 1.0);
        assert_eq!(bar.line(), "0/0 trials done, 0 running, 0 diverged");
    }
}
