//! `mutransfer sweep`: runs what is missing of a study, and judges nothing.

use anyhow::Context;
use mutransfer_study::build;
use mutransfer_study::event::Event;
use mutransfer_study::executor::{batch, manifest};
use mutransfer_study::trial::Outcome;
use mutransfer_study::workbench::Workbench;

use crate::args::{StudyOptions, SweepOptions};
use crate::executor::{checked, executor, share, workers};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::say::say;
use crate::written::Written;

pub(crate) fn sweep(options: &SweepOptions) -> Result<(), Failure> {
    let SweepOptions {
        study: options,
        prepare: is_prepared,
    } = options;
    let written = Written::read(&options.study, options.data.as_deref())?;
    let bench = written.open(&options.run)?;
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
    let all = ended.len();
    let folder = bench.store().root().display().to_string();
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
fn prepare(bench: &Workbench, options: &StudyOptions) -> Result<(), Failure> {
    let settings = options.run.executor.over(bench.study().executor());
    let settings = checked(settings)?;
    let mut progress = Progress::new(bench, "made ready".to_owned());
    let observe = &mut |event: &Event| progress.observe(event);
    let (trials, share) = (settings.trials_per_task, share(bench, &options.run));
    let made = bench.prepare(trials, share, &mut workers(1, None)?, observe)?;
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
