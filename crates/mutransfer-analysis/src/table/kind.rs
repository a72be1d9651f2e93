//! What a column holds that plays no part in the analysis: a setting, a result, or a circumstance
//! of the run such as its name, its date or its host.

use std::collections::HashSet;

use csv::StringRecord;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It must not vary within an experiment.
    Setting,
    /// Something measured.
    Result,
    /// Who ran it, when, where, and how long it took.
    Circumstance,
}

/// Names of results. So are all that end in `loss`.
const RESULTS: [&str; 6] = [
    "accuracy",
    "perplexity",
    "gap",
    "note",
    "done",
    "training_iteration",
];

/// Names of circumstances, in small letters: those of W&B's exports, of Optuna's and Ray Tune's
/// data frames, and of scripts.
const CIRCUMSTANCES: [&str; 32] = [
    "run",
    "run_id",
    "id",
    "name",
    "trial",
    "trial_id",
    "number",
    "experiment_id",
    "experiment_tag",
    "experiment_name",
    "display_name",
    "notes",
    "user",
    "date",
    "time",
    "timestamp",
    "created",
    "updated",
    "end time",
    "runtime",
    "seconds",
    "duration",
    "wall_time",
    "host",
    "hostname",
    "node_ip",
    "pid",
    "logdir",
    "path",
    "url",
    "storage_id",
    "checkpoint_dir_name",
];

/// What names of dates and durations begin or end with.
const TIME_STARTS: [&str; 5] = ["time_", "datetime_", "date_", "_timestamp", "_runtime"];
const TIME_ENDS: [&str; 6] = ["_time", "_date", "_seconds", "_duration", "_at", "_time_s"];

/// Rows that tell a name from a setting: the values of a setting come back.
const FEWEST_ROWS: usize = 8;

/// What is seen of the values of a column.
#[derive(Default)]
struct Seen {
    rows: usize,
    /// As long as no two are the same.
    values: HashSet<String>,
    is_unique: bool,
    is_number: bool,
    is_date: bool,
}

/// What each column of a table holds, from its name, or else from as many of its values as it
/// takes.
pub(crate) fn kinds(
    header: &StringRecord,
    records: impl Iterator<Item = StringRecord>,
) -> Vec<Kind> {
    let mut kinds: Vec<Result<Kind, Seen>> = header
        .iter()
        .map(|name| of_name(name).ok_or_else(Seen::new))
        .collect();
    for record in records {
        let mut is_settled = true;
        for (kind, value) in kinds.iter_mut().zip(&record) {
            if let Err(seen) = kind {
                seen.add(value);
                is_settled &= seen.is_settled();
            }
        }
        // In a large table most rows tell nothing new.
        if is_settled {
            break;
        }
    }
    let kinds = kinds.into_iter();
    kinds
        .map(|kind| kind.unwrap_or_else(|seen| seen.kind()))
        .collect()
}

fn of_name(name: &str) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    let is_time = TIME_STARTS.iter().any(|start| lower.starts_with(start))
        || TIME_ENDS.iter().any(|end| lower.ends_with(end));
    if lower.is_empty() || lower.ends_with("loss") || RESULTS.contains(&lower.as_str()) {
        return Some(Kind::Result);
    }
    (is_time || CIRCUMSTANCES.contains(&lower.as_str())).then_some(Kind::Circumstance)
}

impl Seen {
    fn new() -> Self {
        Self {
            is_unique: true,
            is_number: true,
            is_date: true,
            ..Self::default()
        }
    }

    fn add(&mut self, value: &str) {
        if value.is_empty() || self.is_settled() {
            return;
        }
        self.rows += 1;
        self.is_date &= is_date(value);
        if self.is_unique {
            self.is_number &= value.parse::<f64>().is_ok();
            self.is_unique = self.values.insert(value.to_owned());
        }
    }

    /// Whether it is a setting, whatever comes.
    fn is_settled(&self) -> bool {
        !self.is_unique && !self.is_date
    }

    /// Dates are circumstances, and so are texts of which no two are the same.
    fn kind(&self) -> Kind {
        let is_name = self.rows >= FEWEST_ROWS && !self.is_number && self.is_unique;
        if is_name || (self.rows > 0 && self.is_date) {
            Kind::Circumstance
        } else {
            Kind::Setting
        }
    }
}

/// `2026-08-01`, whatever follows.
fn is_date(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() >= 10
        && bytes[..10]
            .iter()
            .enumerate()
            .all(|(index, byte)| match index {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
}
