//! Every trial with its end and its loss at every step, a JSON object a line.

use std::path::Path;

use serde::Serialize;
use serde::de::IgnoredAny;

use crate::error::StoreError;
use crate::store::{Part, Record, Recorded, corrupt, visit};
use crate::trial::Trial;

/// What stands in a line before the curve.
#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    trial: &'a Trial,
    record: &'a Record,
}

/// Gives `sink` a line, without its end, for every trial of the study in a folder that has ended:
/// `id`, `trial`, `record`, and `curve` with an object for every step.
///
/// # Errors
/// When there is no study, it cannot be read or is damaged, or the sink fails.
pub fn jsonl<E: From<StoreError>>(
    root: &Path,
    mut sink: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    visit(root, Part::Curve, |recorded| match line(root, &recorded)? {
        Some(line) => sink(&line),
        None => Ok(()),
    })
}

fn line(root: &Path, recorded: &Recorded) -> Result<Option<String>, StoreError> {
    let Some(record) = &recorded.record else {
        return Ok(None);
    };
    let (id, trial) = (&recorded.id, &recorded.trial);
    let head = serde_json::to_string(&Head { id, trial, record }).expect("plain data");
    // The steps are JSON already; read and written anew they would take most of the time.
    let steps: Vec<&str> = recorded.curve.lines().collect();
    for step in &steps {
        serde_json::from_str::<IgnoredAny>(step).map_err(corrupt(root))?;
    }
    let head = head.strip_suffix('}').expect("an object");
    Ok(Some(format!("{head},\"curve\":[{}]}}", steps.join(","))))
}
