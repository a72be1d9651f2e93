//! `results.csv`: a row per trial that ended, a column for each hyperparameter that is set.

use std::collections::{BTreeMap, BTreeSet};

use mutransfer::{Hyper, Init};
use serde::Serialize;

use super::Recorded;
use crate::axis::{At, Axis, Rung};
use crate::study::usual_hyper;
use crate::trial::{Outcome, Trial};

/// A trial and how it ended.
pub type Ended = (Trial, Outcome);

/// The columns of a table of results: those that every study has, sizes in which this one grows
/// beside them, and the hyperparameters that it sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    sizes: Vec<Axis>,
    set: Vec<String>,
    /// Whether trials of one size differ in their warm-up.
    has_warmup: bool,
}

/// A cell of a table of results; a text that is empty where there is nothing to tell.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Count(u64),
    Number(f64),
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Count,
    Number,
}

/// What every table begins and ends with, about what its study sets.
const FIRST: [(&str, Kind); 3] = [
    ("rule", Kind::Text),
    ("width", Kind::Count),
    ("depth", Kind::Count),
];
const RATE: (&str, Kind) = ("lr", Kind::Number);
const WARMUP: (&str, Kind) = ("warmup", Kind::Count);
const LAST: [(&str, Kind); 5] = [
    ("seed", Kind::Count),
    ("steps", Kind::Count),
    ("status", Kind::Text),
    ("train_loss", Kind::Number),
    ("loss", Kind::Number),
];

impl Columns {
    /// Those of these trials.
    pub(crate) fn of<'a>(trials: impl IntoIterator<Item = &'a Trial> + Clone) -> Self {
        let rungs = Rung::distinct(trials.clone());
        let (sizes, has_warmup) = (sizes(&rungs), differ_in_warmup(&rungs));
        let mut set = BTreeSet::new();
        let mut last = None;
        for trial in trials {
            let hyper = Hyper {
                learning_rate: 0.0,
                ..trial.hyper
            };
            // Neighbours mostly differ in nothing but the rate, and there may be many.
            if last != Some(hyper) {
                set.extend(settings(&hyper).into_keys());
                last = Some(hyper);
            }
        }
        let set = set.into_iter().collect();
        Self {
            sizes,
            set,
            has_warmup,
        }
    }

    /// Names and kinds, in order.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, Kind)> {
        let number = |name| (name, Kind::Number);
        let sizes = self.sizes.iter().map(move |axis| number(axis.name()));
        let set = self.set.iter().map(move |name| number(name.as_str()));
        FIRST
            .into_iter()
            .chain(sizes)
            .chain([RATE])
            .chain(set)
            .chain(self.has_warmup.then_some(WARMUP))
            .chain(LAST)
    }

    fn header(&self) -> Vec<Cell<'_>> {
        self.named().map(|(name, _)| Cell::Text(name)).collect()
    }

    /// The row of a trial; none where it has nothing to tell.
    fn row<'a>(&self, trial: &'a Trial, outcome: &Outcome) -> Option<Vec<Cell<'a>>> {
        let (status, train_loss, loss) = match *outcome {
            Outcome::Finished { train_loss, loss } => ("ok", train_loss, loss),
            Outcome::Diverged { .. } => ("diverged", f64::NAN, f64::NAN),
            Outcome::Stopped | Outcome::Failed { .. } => return None,
        };
        let mut row = vec![
            Cell::Text(trial.rule.name()),
            Cell::Count(trial.sizes.width as u64),
            Cell::Count(trial.sizes.depth as u64),
        ];
        let rung = trial.rung();
        row.extend(
            self.sizes
                .iter()
                .map(|axis| Cell::Number(axis.at(&rung).get())),
        );
        row.push(Cell::Number(trial.hyper.learning_rate));
        row.extend(self.settings(&trial.hyper));
        if self.has_warmup {
            row.push(Cell::Count(trial.budget.warmup as u64));
        }
        row.extend([
            Cell::Count(trial.seed),
            Cell::Count(trial.budget.steps as u64),
            Cell::Text(status),
            Cell::Number(train_loss),
            Cell::Number(loss),
        ]);
        Some(row)
    }
}

impl Columns {
    fn sorted<'a>(
        &self,
        ended: impl IntoIterator<Item = (&'a Trial, &'a Outcome)>,
    ) -> impl Iterator<Item = Vec<Cell<'a>>> {
        let mut ended: Vec<_> = ended.into_iter().collect();
        ended.sort_by_key(|(trial, _)| {
            let lr = trial.hyper.learning_rate.to_bits();
            (trial.rule.name(), place(trial), lr, trial.seed)
        });
        let rows = ended.into_iter();
        rows.filter_map(|(trial, outcome)| self.row(trial, outcome))
    }

    fn settings(&self, hyper: &Hyper) -> Vec<Cell<'static>> {
        if self.set.is_empty() {
            return Vec::new();
        }
        let set = all_settings(hyper);
        let value = |column| {
            set.get(column)
                .copied()
                .map_or(Cell::Text(""), Cell::Number)
        };
        self.set.iter().map(value).collect()
    }
}

/// The sizes in which these differ that have no column in every table.
fn sizes(rungs: &[Rung]) -> Vec<Axis> {
    let mut sizes = Axis::growing(rungs);
    if Axis::of(rungs) == Axis::Compute {
        sizes.push(Axis::Compute);
    }
    sizes.retain(|axis| ![Axis::Width, Axis::Depth].contains(axis));
    sizes
}

fn differ_in_warmup(rungs: &[Rung]) -> bool {
    let without = |rung: &Rung| {
        let mut rung = *rung;
        rung.budget.warmup = 0;
        rung
    };
    let mut sizes = Vec::new();
    rungs.iter().for_each(|rung| without(rung).join(&mut sizes));
    sizes.len() < rungs.len()
}

/// Where its row stands: by every size.
fn place(trial: &Trial) -> [At; 7] {
    let rung = trial.rung();
    Axis::SINGLE.map(|axis| axis.at(&rung))
}

/// What is set beside the learning rate, by the names of columns.
fn settings(hyper: &Hyper) -> BTreeMap<String, f64> {
    let usual = all_settings(&usual_hyper());
    let mut set = all_settings(hyper);
    set.retain(|column, value| usual.get(column) != Some(value));
    set
}

/// Every hyperparameter but the learning rate, by the names of columns.
pub(crate) fn all_settings(hyper: &Hyper) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut add = |column: &str, value: f64| all.insert(column.to_owned(), value);
    add("weight_decay", hyper.weight_decay);
    add("momentum", hyper.momentum);
    add("beta1", hyper.beta1);
    add("beta2", hyper.beta2);
    add("eps", hyper.eps);
    add("attention.multiplier", hyper.attention);
    if let Init::Constant(std) = hyper.init {
        add("init_std", std);
    }
    for (role, factors) in hyper.factors.iter() {
        add(&format!("{role}.lr"), factors.learning_rate);
        add(&format!("{role}.init"), factors.init_std);
        add(&format!("{role}.multiplier"), factors.multiplier);
        add(&format!("{role}.weight_decay"), factors.weight_decay);
    }
    all
}

/// The table of the trials that ended, as CSV, in an order that depends on the trials only.
pub fn csv(trials: &[Recorded]) -> Vec<u8> {
    let (columns, rows) = rows(trials);
    text(Some(columns.header()), rows)
}

/// The columns and the rows of the table of the trials that ended, in an order that depends on the
/// trials only.
pub(crate) fn rows(trials: &[Recorded]) -> (Columns, Vec<Vec<Cell<'_>>>) {
    let ended = trials.iter().filter_map(|recorded| {
        let record = recorded.record.as_ref()?;
        Some((&recorded.trial, &record.outcome))
    });
    let all = trials.iter().map(|recorded| &recorded.trial);
    let columns = Columns::of(all);
    let rows = columns.sorted(ended).collect();
    (columns, rows)
}

/// All rows behind a header, in an order that depends on the rows only.
pub(super) fn table<'a>(
    columns: &Columns,
    ended: impl IntoIterator<Item = (&'a Trial, &'a Outcome)>,
) -> Vec<u8> {
    text(Some(columns.header()), columns.sorted(ended))
}

/// The row of a trial, with its line end; nothing where it has nothing to tell.
pub(super) fn line(columns: &Columns, trial: &Trial, outcome: &Outcome) -> Vec<u8> {
    text(None, columns.row(trial, outcome))
}

fn text<'a>(
    header: Option<Vec<Cell<'_>>>,
    rows: impl IntoIterator<Item = Vec<Cell<'a>>>,
) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    if let Some(header) = header {
        writer.serialize(header).expect("memory takes any row");
    }
    for row in rows {
        writer.serialize(row).expect("memory takes any row");
    }
    writer.into_inner().expect("memory can be written to")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    #[cfg(feature = "parquet")]
    use crate::store::Record;
    use crate::trial::tests::trial;

    #[cfg(feature = "parquet")]
    /// Two trials that ended, one of which diverged, and one that has not.
    pub(crate) fn recorded() -> Vec<Recorded> {
        let ends = [
            Some(Outcome::Finished {
                train_loss: 1.5,
                loss: 2.0,
            }),
            Some(Outcome::Diverged { step: 3 }),
            None,
        ];
        let trials = (0..).zip(ends).map(|(seed, end)| {
            let trial = Trial { seed, ..trial(10) };
            Recorded {
                id: trial.id(),
                record: end.map(|end| Record::imported(&trial.id(), end)),
                trial,
                curve: String::new(),
            }
        });
        trials.collect()
    }

    const FINISHED: Outcome = Outcome::Finished {
        train_loss: 1.5,
        loss: 2.0,
    };

    /// Of two seeds, of which the second comes first in a table.
    fn trials() -> [Trial; 2] {
        let hyper = Hyper {
            learning_rate: 0.5,
            weight_decay: 0.25,
            ..usual_hyper()
        };
        [1, 0].map(|seed| Trial {
            seed,
            hyper,
            ..trial(10)
        })
    }

    fn row(columns: &Columns, trial: &Trial, outcome: &Outcome) -> String {
        String::from_utf8_lossy(&line(columns, trial, outcome)).into_owned()
    }

    #[test]
    fn a_row_for_each_run_and_a_column_for_what_is_set() {
        let [one, other] = trials();
        let columns = Columns::of([&one, &other]);
        let lost = Outcome::Diverged { step: 3 };
        let failed = Outcome::Failed { error: "no".into() };
        let header = "rule,width,depth,lr,weight_decay,seed,steps,status,train_loss,loss\n";
        let first = "mup,8,1,0.5,0.25,1,10,ok,1.5,2.0\n";
        let second = "mup,8,1,0.5,0.25,0,10,diverged,NaN,NaN\n";
        assert_eq!(row(&columns, &one, &FINISHED), first);
        assert_eq!(row(&columns, &other, &lost), second);
        assert_eq!(row(&columns, &other, &failed), "");
        let all = table(&columns, [(&one, &FINISHED), (&other, &lost)]);
        let all = String::from_utf8_lossy(&all);
        assert_eq!(all, format!("{header}{second}{first}"));
    }

    #[test]
    fn sizes_that_grow_have_columns_too() {
        let [one, _] = trials();
        let mut deeper = one.clone();
        deeper.sizes.base_depth = Some(1);
        deeper.sizes.depth = 4;
        deeper.budget.base = Some(deeper.budget.base());
        deeper.budget.steps = 20;
        let columns = Columns::of([&one, &deeper]);
        let all = table(&columns, [(&one, &FINISHED), (&deeper, &FINISHED)]);
        let header = "rule,width,depth,tokens,compute,lr,weight_decay,seed,steps,";
        let rows = [
            "mup,8,1,1.0,1.0,0.5,0.25,1,10,ok",
            "mup,8,4,2.0,8.0,0.5,0.25,1,20,ok",
        ];
        let all = String::from_utf8(all).unwrap();
        let starts = [&[header], &rows[..]].concat();
        assert!(
            all.lines()
                .zip(starts)
                .all(|(row, start)| row.starts_with(start)),
            "{all}"
        );
    }
}
