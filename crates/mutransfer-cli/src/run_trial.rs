//! A worker: trains one trial and writes how it ended.

use std::io::{Read, stdin};

use anyhow::Context;
use mutransfer_study::command::guard;
use mutransfer_study::{build, worker};

use crate::args::{GuardOptions, RunTrialOptions};
use crate::failure::Failure;
use crate::subject;

pub(crate) fn run_trial(options: &RunTrialOptions) -> Result<(), Failure> {
    if options.end_with_stdin {
        std::thread::spawn(end_with_stdin);
    }
    let build = build::fingerprint().context("cannot read this program itself")?;
    Ok(worker::work(&options.folder, &subject::open, &build)?)
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

/// `mutransfer guard`: runs a program under this one.
#[expect(clippy::exit, reason = "its exit code is that of the program")]
pub(crate) fn guard(options: &GuardOptions) -> Result<(), Failure> {
    let name = options.command.first().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default().into_owned();
    let code =
        guard::guard(&options.command).map_err(|error| Failure::not_started(&name, error))?;
    std::process::exit(i32::from(code));
}
