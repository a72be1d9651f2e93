//! The guard of a program: starts it, and ends it with all that it has started.
//!
//! A worker that is killed can end nothing, and a program may start others that outlive it. So the
//! worker starts a guard, which holds one end of a pipe whose other the worker has. When the worker
//! is gone, or the program has ended, whatever is left below the guard is killed.

use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::Builder;

use super::tree;

/// What shells say of a program that cannot be started.
const NOT_STARTED: u8 = 127;

/// Runs a program until it ends or standard input does, and gives its exit code, or 128 and the
/// number of the signal that ended it. What it has started does not outlive it.
///
/// # Errors
/// When it cannot be started.
pub fn guard(command: &[OsString]) -> io::Result<u8> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(NOT_STARTED);
    };
    tree::adopt();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()?;
    if let Err(error) = Builder::new().spawn(end_with_stdin) {
        tree::end_all();
        return Err(error);
    }
    let status = child.wait()?;
    tree::end_all();
    Ok(code(status))
}

fn end_with_stdin() {
    let mut byte = [0];
    while matches!(io::stdin().read(&mut byte), Ok(1)) {}
    tree::end_all();
}

#[cfg(unix)]
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).unwrap_or(1) as u8
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> u8 {
    status.code().unwrap_or(1) as u8
}
