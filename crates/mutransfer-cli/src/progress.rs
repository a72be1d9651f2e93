//! A progress bar on stderr: trials done, running and diverged, and the time left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mutransfer_study::pool::Event;
use mutransfer_study::trial::{Outcome, Trial};

/// Follows a pool. Draws nothing where stderr is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Relative cost of each trial still to come or running.
    left: BTreeMap<String, f64>,
    cost: f64,
    begun: Option<Instant>,
    running: usize,
    diverged: usize,
    cost_done: f64,
}

impl Progress {
    /// A bar for these trials; `cost` in any unit.
    pub(crate) fn new(trials: &[Trial], cost: impl Fn(&Trial) -> f64) -> Self {
        let left: BTreeMap<_, _> = trials
            .iter()
            .map(|trial| (trial.id(), cost(trial)))
            .collect();
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} trials {msg}");
        let bar = ProgressBar::new(left.len() as u64)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(500));
        let cost = left.values().sum();
        Self {
            bar,
            left,
            cost,
            begun: None,
            running: 0,
            diverged: 0,
            cost_done: 0.0,
        }
    }

    /// Takes note of an event.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::Started(_) => {
                self.begun.get_or_insert_with(Instant::now);
                self.running += 1;
            }
            Event::Finished(trial, outcome) => {
                self.diverged += usize::from(matches!(outcome, Outcome::Diverged { .. }));
                self.end(trial);
            }
            Event::Failed(trial, _) => self.end(trial),
        }
        self.bar.set_message(self.message());
    }

    fn end(&mut self, trial: &Trial) {
        let cost = self.left.remove(&trial.id()).unwrap_or(0.0);
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

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
