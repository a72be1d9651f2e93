//! A worker: trains one trial and writes how it ended.

use std::fs::File;
use std::io::{BufWriter, Read, Write, stdin};
use std::time::Instant;

use anyhow::Context;
use mutransfer_study::store::{read_trial, write_outcome};
use mutransfer_study::trial::{Data, run};

use crate::args::RunTrialOptions;
use crate::failure::Failure;
use crate::subject::{InTraining, Subject, data};

pub(crate) fn run_trial(options: &RunTrialOptions) -> Result<(), Failure> {
    if options.end_with_stdin {
        std::thread::spawn(end_with_stdin);
    }
    let trial = read_trial(&options.folder)?;
    let subject = Subject::new(&trial.model, &trial.data)?;
    if let Data::Text { path, .. } | Data::Images { path, .. } = &trial.data
        && data(Some(path.as_ref()))? != trial.data
    {
        return Err(Failure::usage(
            format!("the data at {path} has changed since the study began"),
            None,
        ));
    }
    let mut session = InTraining(subject.trainer(&trial)?);
    let path = options.folder.join("metrics.jsonl");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut metrics = BufWriter::new(file);
    let mut written = Ok(());
    let begun = Instant::now();
    let outcome = run(&trial, &mut session, |step, loss| {
        let line = writeln!(
            metrics,
            "{}",
            serde_json::json!({ "step": step, "loss": loss })
        );
        written = std::mem::replace(&mut written, Ok(())).and(line);
    });
    written
        .and_then(|()| metrics.flush())
        .with_context(|| format!("cannot write {}", path.display()))?;
    write_outcome(&options.folder, &outcome, begun.elapsed().as_secs_f64())?;
    Ok(())
}

/// The other end of standard input is held by the process that started this one.
#[expect(
    clippy::exit,
    reason = "nothing is left to be done for anybody, and results appear by atomic rename"
)]
fn end_with_stdin() {
    let mut byte = [0];
    while matches!(stdin().read(&mut byte), Ok(1)) {}
    std::process::exit(1);
}
