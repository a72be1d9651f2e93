//! What the tuning of a study costs: operations from sizes, time from what its workers measured.

use mutransfer_analysis::{Cost, Group, Runs};

use crate::axis::Rung;
use crate::data::DataKind;
use crate::error::StoreError;
use crate::store::Records;
use crate::study::Study;
use crate::subject::Subject;
use crate::trial::Trial;

/// The cost per rule, of a study whose trials are these: the sweeps, and the direct runs at the
/// target. Rules differ in time only where one diverges sooner, so times are means over the rules.
pub(crate) fn cost(
    study: &Study,
    subject: &dyn Subject,
    records: &Records,
    sweep: &[Trial],
    direct: &[Trial],
) -> Result<Cost, StoreError> {
    let rates = study.grid().learning_rates().len() as u64;
    let group = |rung: &Rung| -> Result<Group, StoreError> {
        let trials = sweep.iter().filter(|trial| trial.rung() == *rung);
        let seconds = seconds(records, trials)?;
        Ok(Group {
            size: study.words(rung),
            runs: runs(subject, rung, (rates * study.seeds_at(rung)) as f64),
            seconds: seconds.map(|seconds| seconds / study.rules().len() as f64),
        })
    };
    let took = seconds(records, direct)?.map(|seconds| seconds / direct.len() as f64);
    let target = study.target();
    let proxies = study.proxies().iter().map(group);
    Ok(Cost {
        proxies: proxies.collect::<Result<_, _>>()?,
        target: Group {
            size: study.words(target),
            runs: runs(subject, target, 1.0),
            seconds: took,
        },
        direct: group(target)?,
        examples: match subject.data().kind {
            DataKind::Own => "examples",
            _ if subject.has_sequences() => "tokens",
            _ => "images",
        },
    })
}

/// So many trainings of a size.
pub(crate) fn runs(subject: &dyn Subject, rung: &Rung, count: f64) -> Runs {
    let Rung { sizes, budget } = rung;
    let tokens = if subject.has_sequences() {
        sizes.context
    } else {
        1
    };
    Runs {
        parameters: subject.parameters(sizes) as f64,
        tokens: budget.examples() as f64 * tokens as f64,
        count,
    }
}

/// Seconds of all trials together; none if there is none, or one of which it is not known.
fn seconds<'a>(
    records: &Records,
    trials: impl IntoIterator<Item = &'a Trial>,
) -> Result<Option<f64>, StoreError> {
    let mut sum = None;
    for trial in trials {
        let record = records.record(trial)?;
        let Some(seconds) = record.and_then(|record| record.seconds) else {
            return Ok(None);
        };
        sum = Some(sum.unwrap_or(0.0) + seconds);
    }
    Ok(sum)
}
