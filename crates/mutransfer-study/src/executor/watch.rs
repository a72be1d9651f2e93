//! How long workers take, and which take too long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::axis::Axis;
use crate::trial::Trial;

/// How many times as long as the slowest of its kind a worker may take.
const TIMES: u32 = 20;
/// How many of its kind must have ended before that is a limit.
const ENOUGH: usize = 3;
/// The least that such a limit is.
const LEAST: Duration = Duration::from_mins(5);
/// What a worker may take beside training, and to end what is overdue by itself.
const GRACE: Duration = Duration::from_secs(2);

/// Follows workers by the numbers of their trials.
#[derive(Debug, Default)]
pub(super) struct Watch {
    running: BTreeMap<usize, Worker>,
    /// How long trials took, by their kinds.
    took: BTreeMap<String, Vec<Duration>>,
}

#[derive(Debug)]
struct Worker {
    begun: Instant,
    kind: String,
    /// What its study says.
    limit: Option<Duration>,
    /// What it is called.
    name: String,
    is_named: bool,
}

impl Watch {
    pub(super) fn begin(&mut self, number: usize, trial: &Trial, now: Instant) {
        let worker = Worker {
            begun: now,
            kind: format!("{:?} {:?}", trial.sizes, trial.budget),
            limit: trial.allowance.in_all().map(|limit| limit + GRACE),
            name: format!(
                "trial {} ({}, {}, seed {})",
                trial.id(),
                trial.rule.name(),
                trial.rung().along(&[Axis::Width, Axis::Depth]),
                trial.seed
            ),
            is_named: false,
        };
        self.running.insert(number, worker);
    }

    pub(super) fn end(&mut self, number: usize, now: Instant) {
        if let Some(worker) = self.running.remove(&number) {
            let took = now.duration_since(worker.begun);
            self.took.entry(worker.kind).or_default().push(took);
        }
    }

    /// What to say of a worker that has taken half of what it may, of each once.
    pub(super) fn slow(&mut self, now: Instant) -> Option<String> {
        let numbers: Vec<usize> = self.running.keys().copied().collect();
        for number in numbers {
            let limit = self.limit(number);
            let (Some(limit), Some(worker)) = (limit, self.running.get_mut(&number)) else {
                continue;
            };
            let took = now.duration_since(worker.begun);
            if took > limit / 2 && !worker.is_named {
                worker.is_named = true;
                let name = &worker.name;
                return Some(format!(
                    "{name} has taken {took:.1?}, and is ended after {limit:.1?}"
                ));
            }
        }
        None
    }

    /// The workers that have taken more than they may, and how much that was.
    pub(super) fn overdue(&self, now: Instant) -> Vec<(usize, Duration)> {
        let overdue = self.running.iter().filter_map(|(number, worker)| {
            let limit = self.limit(*number)?;
            (now.duration_since(worker.begun) > limit).then_some((*number, limit))
        });
        overdue.collect()
    }

    /// What the study says, or else a generous multiple of what others of its kind took.
    fn limit(&self, number: usize) -> Option<Duration> {
        let worker = self.running.get(&number)?;
        if worker.limit.is_some() {
            return worker.limit;
        }
        let took = self.took.get(&worker.kind)?;
        let slowest = took.iter().max().filter(|_| took.len() >= ENOUGH)?;
        Some((*slowest * TIMES).max(LEAST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowance::Allowance;
    use crate::trial::tests::trial;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_worker_is_named_and_then_overdue_by_what_others_of_its_kind_took() {
        let begun = Instant::now();
        let mut watch = Watch::default();
        let (own, other) = (trial(10), trial(20));
        for number in 0..3 {
            watch.begin(number, &own, begun);
        }
        watch.begin(3, &other, begun);
        watch.begin(4, &own, begun);
        let late = begun + 10_000 * SECOND;
        assert_eq!(
            watch.overdue(late),
            [],
            "nothing is known of the time it takes"
        );
        for number in 0..3 {
            watch.end(number, begun + 20 * SECOND);
        }
        assert_eq!(watch.slow(begun + 199 * SECOND), None);
        let slow = watch.slow(begun + 201 * SECOND).unwrap();
        let said = ") has taken 201.0s, and is ended after 400.0s";
        assert!(slow.contains(&own.id()) && slow.ends_with(said), "{slow}");
        assert_eq!(watch.slow(begun + 202 * SECOND), None, "once is enough");
        assert_eq!(watch.overdue(begun + 399 * SECOND), []);
        assert_eq!(watch.overdue(late), [(4, 400 * SECOND)]);
    }

    #[test]
    fn what_the_study_says_holds_for_all_tries() {
        let begun = Instant::now();
        let mut watch = Watch::default();
        let mut limited = trial(10);
        limited.allowance = Allowance {
            time: Some(10 * SECOND),
            retries: 1,
            ..Allowance::default()
        };
        watch.begin(0, &limited, begun);
        assert_eq!(watch.overdue(begun + 22 * SECOND), []);
        assert_eq!(watch.overdue(begun + 23 * SECOND).len(), 1);
    }
}
