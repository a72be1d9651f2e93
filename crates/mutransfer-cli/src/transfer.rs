//! `mutransfer transfer` and `mutransfer demo`: sweep the proxies, carry the optimum over, verify,
//! report.

use std::path::{Path, PathBuf};

use anyhow::Context;
use mutransfer::Lint;
use mutransfer_analysis::{Check, Transfers, Verdict, findings};
use mutransfer_study::build;
use mutransfer_study::engine::Builds;
use mutransfer_study::store::{Salvaged, Store};
use mutransfer_study::study::Study;
use mutransfer_study::subject::Subject;
use mutransfer_study::workbench::{Judged, Workbench};

use crate::args::{RunOptions, StudyOptions, TransferOptions};
use crate::executor::executor;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::say::{note, say};
use crate::written::Written;
use crate::{signals, table, tuned};

/// What to know of a check made in passing, at the widths of a study.
const UNSETTLED: &str =
    "Slopes at small widths bend whatever the rule; `mutransfer coord` tests at larger ones.";

/// The study of `mutransfer demo`; also an example of a study file.
const DEMO: &str = include_str!("../../../examples/demo.toml");

/// Tokens that should reach an expert in a step at least.
const FEW: f64 = 64.0;

pub(crate) fn demo(options: &RunOptions) -> Result<(), Failure> {
    let demo = Written::of(DEMO.to_owned(), Path::new("examples/demo.toml"), None)?;
    let bench = demo.open(options)?;
    let judged = complete(&bench, options)?;
    print(&bench, &judged, options.json)?;
    if !options.json {
        say!("\n{}", closing(&judged));
    }
    Ok(())
}

/// What the demo has just shown, and what to do next.
fn closing(judged: &Judged) -> String {
    let of = |rule: &str| judged.analysis.rules.get(rule);
    let verdicts = ["sp", "mup"].map(|rule| of(rule).map(|rule| rule.verdict));
    let seen = if verdicts == [Some(Transfers::Fails), Some(Transfers::Transfers)] {
        "You have just seen the learning rate that is best for a small model fail on one four \
         times as wide under the standard parametrization, and be right for it under μP"
    } else {
        "These verdicts are not the usual ones, in which SP fails and μP transfers"
    };
    format!(
        "{seen}. Next: `mutransfer plan --base SMALL --target LARGE` reads two checkpoints of your \
         own model and says what each of its tensors needs, and `mutransfer analyze RUNS.csv` \
         judges your own sweeps."
    )
}

pub(crate) fn transfer(options: &TransferOptions) -> Result<(), Failure> {
    let StudyOptions {
        study,
        data,
        run: how,
    } = &options.study;
    let bench = Written::read(study, data.as_deref())?.open(how)?;
    if let Some(searched) = bench.study().searched() {
        let compares = options.compare || bench.study().is_verified();
        return tuned::tune(&bench, searched, compares, how);
    }
    if options.compare {
        let message = "`--compare` is for a study with hyperparameters that are \"auto\"";
        let hint = "this one has none: `rules` and `verify` say what is compared";
        return Err(Failure::usage(message, Some(hint)));
    }
    let judged = complete(&bench, how)?;
    print(&bench, &judged, how.json)
}

/// A study that can be run, in its output folder.
pub(crate) fn bench(
    study: Study,
    subject: Box<dyn Subject>,
    out: &Path,
    options: &RunOptions,
) -> Result<Workbench, Failure> {
    let sizes: Vec<_> = study
        .all_sizes()
        .into_iter()
        .map(|rung| rung.sizes)
        .collect();
    subject.expect(&sizes)?;
    for _ in study.check_on(subject.as_ref())? {
        let Lint { code, why, fix, .. } = *"MU009".parse::<&Lint>()?;
        note!("warning[{code}]: {why} {fix}");
    }
    if let Some(tokens) = study.tokens_per_expert().filter(|tokens| *tokens < FEW) {
        note!(
            "warning: {tokens} tokens reach an expert in a step, and with fewer than {FEW} its \
             noise is what is measured; raise `batch` or `context`"
        );
    }
    let store = Store::open(out, options.foreign.policy())?;
    if options.salvage {
        salvage(&store)?;
    }
    let builds = Builds {
        own: build::fingerprint().context("cannot read this program itself")?,
        accepts_others: options.accept_build,
    };
    let stop = signals::stop().context("cannot listen for signals")?;
    Ok(Workbench::new(study, subject, store, builds, stop)?)
}

fn salvage(store: &Store) -> Result<(), Failure> {
    match store.salvage()? {
        None => note!("there is no database to salvage"),
        Some(Salvaged { kept, lost, aside }) => note!(
            "{kept} results of the database are whole and kept, {lost} that were found are not, \
             and what is missing is run again; as it was it is {}",
            aside.display()
        ),
    }
    Ok(())
}

/// The output folder of a study, which was begun in another one than usual or was not.
pub(crate) fn out(study: &Study, begun: Option<&Path>, options: &RunOptions) -> PathBuf {
    let usual = || Path::new("mutransfer-out").join(study.name());
    let typed = options.out.as_deref().or(begun);
    typed.map_or_else(usual, Path::to_owned)
}

/// Runs and writes everything, and prints nothing on stdout.
pub(crate) fn complete(bench: &Workbench, options: &RunOptions) -> Result<Judged, Failure> {
    let (mut executor, manner) = executor(bench, options)?;
    let mut progress = Progress::new(bench, manner);
    Ok(bench.complete(executor.as_mut(), &mut |event| progress.observe(event))?)
}

pub(crate) fn print(bench: &Workbench, judged: &Judged, json: bool) -> Result<(), Failure> {
    if json {
        let record = serde_json::to_string_pretty(&judged.record());
        say!("{}", record.context("cannot print JSON")?);
    } else {
        say!("{}", table::summary(&judged.analysis));
        if let Some(legend) = bench.study().legend() {
            say!("Of compute, width squared times depth times tokens, {legend}.");
        }
        for sentence in findings(&judged.analysis) {
            say!("{sentence}");
        }
        print_checks(&judged.checks);
        if let Some(floor) = bench.floor() {
            say!("No model can get below {floor:.4} nats per token, the entropy of this language.");
        }
    }
    note!("report: {}", bench.store().path("report.html").display());
    Ok(())
}

fn print_checks(checks: &Result<Vec<Check>, String>) {
    match checks {
        Err(why) => say!("The coordinate check could not be judged: {why}."),
        Ok(checks) => {
            for check in checks {
                say!("Coordinate check of {check}.");
            }
            if checks
                .iter()
                .any(|check| check.verdict == Verdict::Undetermined)
            {
                say!("{UNSETTLED}");
            }
        }
    }
}
