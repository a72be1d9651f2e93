//! Runs put in order: per rule, a loss curve at each value of the axis that grows.

use std::collections::{BTreeMap, HashMap};

use super::curve::{mean, standard_error};
use super::run::{End, Run, is_same};
use super::{Part, Point, TableError};
use crate::record::{Row, Status};

/// One run of a table, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    /// Index of the rule.
    pub(super) rule: u32,
    /// Value of the axis.
    pub(super) at: f64,
    /// Value of the swept hyperparameter.
    pub(super) hyper: f64,
    pub(super) seed: u64,
    /// Final loss in nats; none when diverged.
    pub(super) loss: Option<f64>,
    /// Index of the file, and the line in it.
    pub(super) place: (u32, u32),
}

impl Listed {
    /// The loss, or that there is none, for a message.
    pub(super) fn outcome(&self) -> String {
        self.loss
            .map_or("diverged".to_owned(), |loss| loss.to_string())
    }
}

/// All runs at one value of the swept hyperparameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Trials {
    /// The value.
    pub hyper: f64,
    /// Losses of the seeds that did not diverge, in nats, by seed.
    pub losses: Vec<f64>,
    /// How many seeds diverged.
    pub diverged: usize,
}

impl Trials {
    /// Mean and standard error; a value with any diverged seed is unstable and has no loss.
    pub fn point(&self) -> Point {
        let stable = self.diverged == 0;
        Point {
            lr: self.hyper,
            log2_lr: self.hyper.log2(),
            loss: stable.then(|| mean(&self.losses)),
            standard_error: stable.then(|| standard_error(&self.losses)).flatten(),
            seeds: self.losses.len() + self.diverged,
        }
    }
}

/// Loss against the swept hyperparameter, at one value of the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Value of the axis, such as the width.
    pub at: f64,
    /// Smallest value of the hyperparameter first.
    pub trials: Vec<Trials>,
}

/// What a table holds, by name of the rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweeps {
    /// The curves of each rule, narrowest first.
    pub rules: BTreeMap<String, Vec<Curve>>,
    /// What became of the rows.
    pub rows: Rows,
    /// Further columns that change along with the axis, so that no slope can tell the two apart.
    pub along: Vec<String>,
}

/// Rows of a table, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Rows that were read, those of other values of a filter excluded.
    pub read: usize,
    /// Runs that failed for reasons that have nothing to do with training; left out.
    pub failed: usize,
    /// Runs that diverged.
    pub diverged: usize,
    /// Rows that repeat another one, loss and all.
    pub repeated: usize,
}

/// Puts runs in order. Their order never matters to what comes out.
///
/// # Errors
/// When a run is listed twice with different losses; the indices of both are given.
pub(super) fn arrange(runs: &mut [Listed], rules: &[String]) -> Result<Sweeps, (usize, usize)> {
    runs.sort_unstable_by(|a, b| {
        let by_value = a
            .rule
            .cmp(&b.rule)
            .then(a.at.total_cmp(&b.at))
            .then(a.hyper.total_cmp(&b.hyper));
        by_value
            .then(a.seed.cmp(&b.seed))
            .then(a.place.cmp(&b.place))
    });
    let mut sweeps = Sweeps::default();
    let mut start = 0;
    for curve in runs.chunk_by(|a, b| a.rule == b.rule && a.at == b.at) {
        let mut trials = Vec::new();
        for group in curve.chunk_by(|a, b| is_same(a.hyper.log2(), b.hyper.log2())) {
            let kept =
                distinct(group).map_err(|(first, second)| (start + first, start + second))?;
            sweeps.rows.repeated += group.len() - kept.len();
            trials.push(gather(group[0].hyper, &kept));
            start += group.len();
        }
        sweeps.rows.diverged += trials.iter().map(|trials| trials.diverged).sum::<usize>();
        let rule = rules[curve[0].rule as usize].clone();
        sweeps.rules.entry(rule).or_default().push(Curve {
            at: curve[0].at,
            trials,
        });
    }
    sweeps.rows.read = runs.len();
    Ok(sweeps)
}

fn gather(hyper: f64, runs: &[&Listed]) -> Trials {
    let losses: Vec<f64> = runs.iter().filter_map(|run| run.loss).collect();
    Trials {
        hyper,
        diverged: runs.len() - losses.len(),
        losses,
    }
}

/// Both values of a run need a logarithm.
fn check(run: &Run) -> Result<(), TableError> {
    for (part, value) in [(Part::Axis, run.at), (Part::Sweep, run.value)] {
        if !(value.is_finite() && value > 0.0) {
            return Err(TableError::NoLogarithm {
                rule: run.rule.clone(),
                seed: run.seed,
                part,
                value,
            });
        }
    }
    Ok(())
}

fn twice(rules: &[String], runs: &[Listed], one: usize, other: usize) -> TableError {
    let (one, other) = (&runs[one], &runs[other]);
    TableError::Twice {
        rule: rules[one.rule as usize].clone(),
        at: one.at,
        value: one.hyper,
        seed: one.seed,
        first: one.outcome(),
        second: other.outcome(),
    }
}

/// The runs of a group by seed, each seed once.
fn distinct(group: &[Listed]) -> Result<Vec<&Listed>, (usize, usize)> {
    let mut order: Vec<usize> = (0..group.len()).collect();
    // Values that differ by their last decimals have brought the seeds out of order.
    order.sort_by_key(|&index| (group[index].seed, group[index].place));
    let clash = order.windows(2).find(|pair| {
        let (one, other) = (&group[pair[0]], &group[pair[1]]);
        one.seed == other.seed && one.loss != other.loss
    });
    if let Some(pair) = clash {
        return Err((pair[0], pair[1]));
    }
    order.dedup_by_key(|index| group[*index].seed);
    Ok(order.into_iter().map(|index| &group[index]).collect())
}

impl Sweeps {
    /// The curves of runs, just as a table that lists them would give them. Runs that failed are
    /// counted and left out, and a loss that is not finite is a divergence.
    ///
    /// # Errors
    /// When nothing but failed runs is left, a value has no logarithm, or a run is there twice with
    /// different ends.
    pub fn of_runs(runs: impl IntoIterator<Item = Run>) -> Result<Self, TableError> {
        let mut rules = Vec::new();
        let mut index = HashMap::new();
        let mut listed = Vec::new();
        let mut failed = 0;
        for (place, run) in runs.into_iter().enumerate() {
            let loss = match run.end {
                End::Failed => {
                    failed += 1;
                    continue;
                }
                End::Diverged => None,
                End::Loss(loss) => Some(loss).filter(|loss| loss.is_finite()),
            };
            check(&run)?;
            let rule = *index.entry(run.rule).or_insert_with_key(|name| {
                rules.push(name.clone());
                rules.len() as u32 - 1
            });
            listed.push(Listed {
                rule,
                at: run.at,
                hyper: run.value,
                seed: run.seed,
                loss,
                place: (0, place as u32),
            });
        }
        if listed.is_empty() {
            return Err(TableError::NoRuns);
        }
        let arranged = arrange(&mut listed, &rules);
        let mut sweeps = arranged.map_err(|(one, other)| twice(&rules, &listed, one, other))?;
        sweeps.rows.read += failed;
        sweeps.rows.failed = failed;
        Ok(sweeps)
    }

    /// The curves of a study.
    ///
    /// # Errors
    /// As [`Sweeps::of_runs`].
    pub fn of_rows(rows: &[Row]) -> Result<Self, TableError> {
        Self::of_runs(rows.iter().map(|row| Run {
            rule: row.rule.clone(),
            at: row.width as f64,
            value: row.lr,
            seed: row.seed,
            end: match row.status {
                Status::Ok => End::Loss(row.loss),
                Status::Diverged => End::Diverged,
            },
        }))
    }

    /// Name of the rule that the others are compared with: the one asked for, else `sp` where it is
    /// present.
    ///
    /// # Errors
    /// When the rule asked for is not in the table.
    pub fn reference(&self, asked: Option<&str>) -> Result<Option<String>, TableError> {
        match asked {
            None => Ok(self.rules.contains_key("sp").then(|| "sp".to_owned())),
            Some(name) if self.rules.contains_key(name) => Ok(Some(name.to_owned())),
            Some(name) => Err(TableError::Reference {
                name: name.to_owned(),
                known: self.rules.keys().cloned().collect::<Vec<_>>().join(", "),
            }),
        }
    }
}
