//! Runs put in order: per rule, a loss curve at each value of the axis that grows.

use std::collections::BTreeMap;

use super::curve::{SAME_LEARNING_RATE, mean, standard_error};
use super::{Columns, Point, TableError, read_tables};
use crate::record::{Row, to_csv};

/// One run of a table, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
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
pub(super) fn arrange(runs: &mut [Run], rules: &[String]) -> Result<Sweeps, (usize, usize)> {
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
        for group in curve.chunk_by(|a, b| b.hyper.log2() - a.hyper.log2() < SAME_LEARNING_RATE) {
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

fn gather(hyper: f64, runs: &[&Run]) -> Trials {
    let losses: Vec<f64> = runs.iter().filter_map(|run| run.loss).collect();
    Trials {
        hyper,
        diverged: runs.len() - losses.len(),
        losses,
    }
}

/// The runs of a group by seed, each seed once.
fn distinct(group: &[Run]) -> Result<Vec<&Run>, (usize, usize)> {
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
    /// The curves of a study, just as a table of the same rows would give them.
    ///
    /// # Errors
    /// When there are no rows, or they do not belong together.
    pub fn of_rows(rows: &[Row]) -> Result<Self, TableError> {
        read_tables(
            &[("results.csv".to_owned(), to_csv(rows))],
            &Columns::default(),
        )
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
