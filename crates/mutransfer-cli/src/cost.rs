//! What the tuning of a study costs: operations from sizes, time from what its workers measured.

use mutransfer::Rule;
use mutransfer_analysis::{Cost, Group, Runs};
use mutransfer_study::store::Store;
use mutransfer_study::study::Study;
use mutransfer_study::trial::{Data, Trial};

use crate::failure::Failure;
use crate::subject::Subject;

/// The cost per rule. Rules differ in time only where one diverges sooner, so times are means over
/// the rules.
pub(crate) fn cost(
    study: &Study,
    data: &Data,
    subject: &Subject,
    store: &Store,
    carried: &[(Rule, f64)],
) -> Result<Cost, Failure> {
    let sweep = study.sweep(data);
    let of_grid = (study.lr.learning_rates().len() as u64 * study.seeds) as f64;
    let group = |width: usize, count: f64| -> Result<Group, Failure> {
        let trials: Vec<&Trial> = sweep.iter().filter(|trial| trial.width == width).collect();
        let seconds = seconds(store, &trials)?.map(|seconds| seconds / study.rules.len() as f64);
        Ok(Group {
            width,
            runs: runs(study, subject, width, count),
            seconds,
        })
    };
    let direct: Vec<Trial> = carried
        .iter()
        .flat_map(|&(rule, lr)| study.transfer(data, rule, lr))
        .collect();
    let took = seconds(store, &direct.iter().collect::<Vec<_>>())?
        .map(|seconds| seconds / direct.len() as f64);
    let target = study.target_width;
    Ok(Cost {
        proxies: study
            .proxies()
            .into_iter()
            .map(|width| group(width, of_grid))
            .collect::<Result<_, _>>()?,
        target: Group {
            width: target,
            runs: runs(study, subject, target, 1.0),
            seconds: took,
        },
        direct: group(target, of_grid)?,
        examples: if subject.sequence().is_some() {
            "tokens"
        } else {
            "images"
        },
    })
}

fn runs(study: &Study, subject: &Subject, width: usize, count: f64) -> Runs {
    let examples = study.steps * study.batch * subject.sequence().unwrap_or(1);
    Runs {
        parameters: subject.entries(width) as f64,
        tokens: examples as f64,
        count,
    }
}

/// Seconds of all trials together; none if there is none, or one of which it is not known.
fn seconds(store: &Store, trials: &[&Trial]) -> Result<Option<f64>, Failure> {
    let each = trials
        .iter()
        .map(|trial| store.seconds(trial))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(each
        .into_iter()
        .sum::<Option<f64>>()
        .filter(|_| !trials.is_empty()))
}
