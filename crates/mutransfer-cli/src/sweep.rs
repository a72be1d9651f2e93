//! `mutransfer sweep`: runs what is missing of a study, and judges nothing.

use anyhow::Context;
use mutransfer_study::build;
use mutransfer_study::event::Event;
use mutransfer_study::executor::{batch, manifest};
use mutransfer_study::study::Study;
use mutransfer_study::trial::Outcome;
use mutransfer_study::workbench::Workbench;

use crate::args::{SweepOptions, TransferOptions};
use crate::executor::{checked, executor, workers};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::say::say;
use crate::subject::open_typed;
use crate::transfer::bench;

pub(crate) fn sweep(options: &SweepOptions) -> Result<(), Failure> {
    let SweepOptions {
        study: options,
        prepare: is_prepared,
    } = options;
    let study = Study::read(&options.study)?;
    let subject = open_typed(study.subject(), options.data.as_deref())?;
    let bench = bench(study, subject, &options.run)?;
    if *is_prepared {
        return prepare(&bench, options);
    }
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

/// Makes what is missing ready for another engine.
fn prepare(bench: &Workbench, options: &TransferOptions) -> Result<(), Failure> {
    let settings = options.run.executor.over(bench.study().executor());
    let settings = checked(settings)?;
    let mut progress = Progress::new(bench, "made ready".to_owned());
    let observe = &mut |event: &Event| progress.observe(event);
    let made = bench.prepare(settings.trials_per_task, &mut workers(1, None)?, observe)?;
    let root = bench.store().root();
    let Some(made) = made else {
        say!("nothing is missing: {}", root.display());
        return Ok(());
    };
    let folder = batch::folder(root, &made.name);
    build::copy_to(&folder.join(manifest::PROGRAM)).context("cannot copy this program")?;
    let trials: usize = made.elements.iter().map(Vec::len).sum();
    say!(
        "{trials} trials are ready, in {} tasks: {}",
        made.elements.len(),
        folder.display()
    );
    Ok(())
}
