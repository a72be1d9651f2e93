//! A worker: trains one trial and writes how it ended; or the trials of an element of a batch, each
//! as a process of its own.

use std::io::{Read, stdin};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::Duration;

use anyhow::Context;
use mutransfer_study::command::guard;
use mutransfer_study::error::RunError;
use mutransfer_study::executor::batch::Batch;
use mutransfer_study::executor::element;
use mutransfer_study::subject::Site;
use mutransfer_study::{build, worker};

use crate::args::{GuardOptions, RunTrialOptions};
use crate::executor::sharing;
use crate::failure::Failure;
use crate::{signals, subject};

pub(crate) fn run_trial(options: &RunTrialOptions) -> Result<(), Failure> {
    // It was started by a path that says nothing to who looks at the list of processes.
    let _ = std::fs::write("/proc/self/comm", crate::NAME);
    let stop = signals::stop().context("cannot listen for signals")?;
    if options.end_with_stdin {
        worker::die_with_parent();
        let stop = Arc::clone(&stop);
        let listen = Builder::new().spawn(move || end_with_stdin(&stop));
        listen.context("cannot start a thread")?;
    }
    if let (Some(batch), Some(element)) = (&options.batch, options.element) {
        return run_element(batch, element, options.jobs, &stop);
    }
    let folder = options.folder.as_deref().unwrap_or(Path::new("."));
    let build = match &options.of_build {
        Some(build) => build.clone(),
        None => build::fingerprint().context("cannot read this program itself")?,
    };
    let every = options.checkpoint.map(u64::from).map(Duration::from_secs);
    let site = Site {
        folder,
        build: &build,
        stop: &stop,
        every: every.unwrap_or(worker::USUAL_PACE),
    };
    worker::work(&site, &subject::open).map_err(|error| match error {
        RunError::Stopped => Failure::again(),
        other => other.into(),
    })
}

/// What a task of a cluster does.
fn run_element(
    batch: &Path,
    element: usize,
    jobs: usize,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    let share = Batch::read(batch)?.map(|batch| batch.share);
    let (mut workers, _) = sharing(jobs, share.unwrap_or_default())?;
    let done = element::run(batch, element, &mut workers, stop);
    done.map_err(|error| match error {
        RunError::Stopped => Failure::again(),
        other => other.into(),
    })
}

/// The other end of standard input is held by the process that started this one, which asks it to
/// stop by a byte and ends it by its own end.
#[expect(
    clippy::exit,
    reason = "nothing is left to be done for anybody, and results appear by atomic rename"
)]
fn end_with_stdin(stop: &AtomicBool) {
    let mut byte = [0];
    while matches!(stdin().read(&mut byte), Ok(1)) {
        stop.store(true, Ordering::Relaxed);
    }
    std::process::exit(1);
}

/// `mutransfer guard`: runs a program under this one.
#[expect(clippy::exit, reason = "its exit code is that of the program")]
pub(crate) fn guard(options: &GuardOptions) -> Result<(), Failure> {
    let name = options.command.first().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default().into_owned();
    let code =
        guard::guard(&options.command).map_err(|error| Failure::not_started(&name, error))?;
    std::process::exit(i32::from(code));
}
