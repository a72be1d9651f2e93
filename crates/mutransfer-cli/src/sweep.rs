//! `mutransfer sweep`: runs what is missing of a study, and judges nothing.

use mutransfer_study::study::Study;
use mutransfer_study::trial::Outcome;

use crate::args::TransferOptions;
use crate::executor::executor;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::say::say;
use crate::subject::open_typed;
use crate::transfer::bench;

pub(crate) fn sweep(options: &TransferOptions) -> Result<(), Failure> {
    let study = Study::read(&options.study)?;
    let subject = open_typed(study.subject(), options.data.as_deref())?;
    let bench = bench(study, subject, &options.run)?;
    let (mut executor, manner) = executor(&bench, &options.run)?;
    let mut progress = Progress::new(&bench, manner);
    let ended = bench.sweep(executor.as_mut(), &mut |event| progress.observe(event))?;
    let is_diverged = |outcome: &Outcome| matches!(outcome, Outcome::Diverged { .. });
    let diverged = ended
        .iter()
        .filter(|(_, outcome)| is_diverged(outcome))
        .count();
    let (all, folder) = (ended.len(), bench.store().root());
    if options.run.json {
        let line = serde_json::json!({ "trials": all, "diverged": diverged, "folder": folder });
        say!("{line}");
    } else {
        say!(
            "{all} trials have ended, {diverged} of them diverged: {}",
            bench.store().path("results.csv").display()
        );
    }
    Ok(())
}
