//! `mutransfer transfer` of a study with hyperparameters to be found.

use anyhow::Context;
use mutransfer_study::study::Searched;
use mutransfer_study::workbench::{Tuned, Workbench};

use crate::args::RunOptions;
use crate::executor::executor;
use crate::failure::Failure;
use crate::found;
use crate::progress::Progress;
use crate::say::{note, say};

/// Tunes, carries, writes, and prints.
pub(crate) fn tune(
    bench: &Workbench,
    searched: &Searched,
    compares: bool,
    options: &RunOptions,
) -> Result<(), Failure> {
    let (mut executor, manner) = executor(bench, options)?;
    let mut progress = Progress::new(bench, manner);
    let tuned = bench.tune(executor.as_mut(), compares, &mut |event| {
        progress.observe(event);
    })?;
    if options.json {
        say!(
            "{}",
            serde_json::to_string_pretty(&tuned).context("cannot print JSON")?
        );
    } else {
        print(&tuned, searched);
    }
    note!("report: {}", bench.store().path("report.html").display());
    note!(
        "settings of the target, tensor by tensor: {}",
        bench.store().path("plan.json").display()
    );
    Ok(())
}

fn print(tuned: &Tuned, searched: &Searched) {
    for rule in &tuned.rules {
        say!("{}:", rule.heading());
        say!("{}", found::table(searched.space(), &rule.report));
        let together = rule.report.together(searched.space());
        let sentences = rule.sentences().into_iter().chain(together);
        sentences.for_each(|sentence| say!("{sentence}"));
    }
    tuned
        .comparison()
        .iter()
        .for_each(|sentence| say!("{sentence}"));
}
