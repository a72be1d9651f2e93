//! Runs put in order: per rule, a loss curve at each value of the axis that grows.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::names::BASELINE;
use crate::table::error::{Part, TableError};
use crate::table::run::{End, Run, is_same};

/// One run, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    /// Index of the rule.
    pub(crate) rule: u32,
    /// Value of the axis.
    pub(crate) at: f64,
    /// Value of the swept hyperparameter.
    pub(crate) value: f64,
    pub(crate) seed: u64,
    /// Final loss in nats; none when diverged.
    pub(crate) loss: Option<f64>,
    /// Index of the file, and the line in it.
    pub(crate) place: (u32, u32),
}

impl Listed {
    /// The loss, or that there is none, for a message.
    pub(crate) fn outcome(&self) -> String {
        self.loss
            .map_or("diverged".to_owned(), |loss| loss.to_string())
    }
}

/// All runs at one value of the swept hyperparameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Trials {
    /// The value.
    pub value: f64,
    /// Losses of the seeds that did not diverge, in nats, by seed.
    pub losses: Vec<f64>,
    /// The seeds of these losses, ascending.
    pub seeds: Vec<u64>,
    /// How many seeds diverged.
    pub diverged: usize,
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
    /// Columns with names of runs, dates, durations and hosts, which were left out.
    pub left_out: Vec<String>,
}

/// Rows of a table, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

/// Runs in the order in which they were met.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) runs: Vec<Listed>,
    /// Names of the rules.
    pub(crate) rules: Vec<String>,
    index: HashMap<String, u32>,
    pub(crate) read: usize,
    pub(crate) failed: usize,
}

impl Listing {
    /// Index of a rule.
    pub(crate) fn rule(&mut self, name: &str) -> u32 {
        if let Some(index) = self.index.get(name) {
            return *index;
        }
        let index = self.rules.len() as u32;
        self.rules.push(name.to_owned());
        self.index.insert(name.to_owned(), index);
        index
    }

    /// The runs one by one.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let runs = self.runs.iter().map(|run| Run {
            rule: self.rules[run.rule as usize].clone(),
            at: run.at,
            value: run.value,
            seed: run.seed,
            end: run.loss.map_or(End::Diverged, End::Loss),
        });
        runs.collect()
    }

    fn add(&mut self, run: &Run) -> Result<(), TableError> {
        let place = (0, self.read as u32);
        self.read += 1;
        let loss = match run.end {
            End::Failed => {
                self.failed += 1;
                return Ok(());
            }
            End::Diverged => None,
            End::Loss(loss) => Some(loss).filter(|loss| loss.is_finite()),
        };
        check(run)?;
        let rule = self.rule(&run.rule);
        self.runs.push(Listed {
            rule,
            at: run.at,
            value: run.value,
            seed: run.seed,
            loss,
            place,
        });
        Ok(())
    }

    /// Puts the runs in order. The order in which they came never matters to what comes out.
    ///
    /// Fails with the two runs that are the same but for their ends.
    pub(crate) fn arrange(&mut self) -> Result<Sweeps, [Listed; 2]> {
        self.runs.sort_unstable_by(|a, b| {
            let by_value = a
                .rule
                .cmp(&b.rule)
                .then(a.at.total_cmp(&b.at))
                .then(a.value.total_cmp(&b.value));
            by_value
                .then(a.seed.cmp(&b.seed))
                .then(a.place.cmp(&b.place))
        });
        let mut sweeps = Sweeps::default();
        sweeps.rows.read = self.read;
        sweeps.rows.failed = self.failed;
        for runs in self.runs.chunk_by(|a, b| a.rule == b.rule && a.at == b.at) {
            let curve = curve(runs, &mut sweeps.rows)?;
            let rule = &self.rules[runs[0].rule as usize];
            sweeps.rules.entry(rule.clone()).or_default().push(curve);
        }
        Ok(sweeps)
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

/// The curve of runs of one rule at one value of the axis.
fn curve(runs: &[Listed], rows: &mut Rows) -> Result<Curve, [Listed; 2]> {
    let mut trials = Vec::new();
    for group in runs.chunk_by(|a, b| is_same(a.value.log2(), b.value.log2())) {
        let kept = distinct(group)?;
        let ended = kept.iter().filter_map(|run| Some((run.loss?, run.seed)));
        let (losses, seeds): (Vec<f64>, Vec<u64>) = ended.unzip();
        let diverged = kept.len() - losses.len();
        rows.repeated += group.len() - kept.len();
        rows.diverged += diverged;
        trials.push(Trials {
            value: group[0].value,
            losses,
            seeds,
            diverged,
        });
    }
    Ok(Curve {
        at: runs[0].at,
        trials,
    })
}

/// The runs of a group by seed, each seed once.
fn distinct(group: &[Listed]) -> Result<Vec<&Listed>, [Listed; 2]> {
    let mut runs: Vec<&Listed> = group.iter().collect();
    // Values that differ by their last decimals have brought the seeds out of order.
    runs.sort_by_key(|run| (run.seed, run.place));
    for pair in runs.windows(2) {
        if pair[0].seed == pair[1].seed && pair[0].loss != pair[1].loss {
            return Err([pair[0].clone(), pair[1].clone()]);
        }
    }
    runs.dedup_by_key(|run| run.seed);
    Ok(runs)
}

impl Sweeps {
    /// The curves of runs, just as a table that lists them would give them. Runs that failed are
    /// counted and left out, and a loss that is not finite is a divergence.
    ///
    /// ```
    /// use mutransfer_analysis::{End, Run, Sweeps};
    ///
    /// let run = |value: f64, loss| Run {
    ///     rule: "mup".to_owned(),
    ///     at: 64.0,
    ///     value,
    ///     seed: 0,
    ///     end: End::Loss(loss),
    /// };
    /// let sweeps = Sweeps::of_runs([run(2e-3, 3.1), run(1e-3, 3.2)])?;
    /// assert_eq!(sweeps.rules["mup"][0].trials[0].value, 1e-3);
    /// # Ok::<(), mutransfer_analysis::TableError>(())
    /// ```
    ///
    /// # Errors
    /// When nothing but failed runs is left, a value has no logarithm, or a run is there twice with
    /// different ends.
    pub fn of_runs(runs: impl IntoIterator<Item = Run>) -> Result<Self, TableError> {
        let mut listing = Listing::default();
        for run in runs {
            listing.add(&run)?;
        }
        if listing.runs.is_empty() {
            return Err(TableError::NoRuns);
        }
        listing.arrange().map_err(|[one, other]| TableError::Twice {
            rule: listing.rules[one.rule as usize].clone(),
            at: one.at,
            value: one.value,
            seed: one.seed,
            first: one.outcome(),
            second: other.outcome(),
        })
    }

    /// Name of the rule that the others are compared with: the one asked for, else `sp` where it is
    /// present.
    ///
    /// # Errors
    /// When the rule asked for is not in the table.
    pub fn reference(&self, asked: Option<&str>) -> Result<Option<String>, TableError> {
        let name = asked.unwrap_or(BASELINE);
        if self.rules.contains_key(name) {
            return Ok(Some(name.to_owned()));
        }
        if asked.is_none() {
            return Ok(None);
        }
        Err(TableError::Reference {
            name: name.to_owned(),
            known: self.rules.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// The smallest value of the axis.
    pub(crate) fn smallest(&self) -> f64 {
        let curves = self.rules.values().flatten();
        curves.map(|curve| curve.at).fold(f64::INFINITY, f64::min)
    }
}
