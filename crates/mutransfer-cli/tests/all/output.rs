//! What becomes of the program's words: closed pipes, full disks, terminals that obey what they are
//! shown, and signals that were ignored when it started.

use crate::common;

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{mutransfer, study, write};

/// Commands that print without reading anything.
const LISTINGS: [&[&str]; 5] = [
    &["rules"],
    &["rules", "mup", "--json"],
    &["explain"],
    &["theory"],
    &["--help"],
];

fn full() -> Stdio {
    OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_listing_quietly() {
    for arguments in LISTINGS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = mutransfer()
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(
            (output.status.code(), said(&output)),
            (Some(0), String::new()),
            "{arguments:?}"
        );
    }
}

#[test]
fn results_that_cannot_be_written_are_one_error() {
    for arguments in LISTINGS {
        let output = mutransfer()
            .args(arguments)
            .stdout(full())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = said(&output);
        assert!(
            said.starts_with("error: cannot write the results to standard output: "),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_study_outlives_the_reader_of_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", &study(""));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for (name, messages) in [("closed", Stdio::from(writer)), ("full", full())] {
        let out = folder.path().join(name);
        let output = mutransfer()
            .args(["transfer", &study, "--out"])
            .arg(&out)
            .stderr(messages)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert!(out.join("report.html").exists(), "{name}");
    }
}

#[test]
fn what_a_terminal_would_obey_is_spelt_out() {
    let folder = tempfile::tempdir().unwrap();
    let runs = "rule,width,lr,seed,loss\n\u{1b}[31mmine,64,0.5,0,1\n\u{1b}[31mmine,64,0.25,0,x\n";
    let table = write(folder.path(), "runs.csv", &runs.replace("0,x", "0,2"));
    let broken = write(
        folder.path(),
        "broken.csv",
        &runs.replace(",x", ",\u{1b}[2J"),
    );
    for arguments in [
        ["analyze", &table],
        ["analyze", &broken],
        ["theory", "\u{1b}[31m"],
        ["rules", "\u{1b}c"],
    ] {
        let output = mutransfer().args(arguments).output().unwrap();
        let shown =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(shown.contains("\\u{1b}"), "{arguments:?}: {shown}");
        assert!(!shown.contains('\u{1b}'), "{arguments:?}: {shown}");
    }
}

/// Starts a study under a shell that ignores a signal, sends the signal to the program once it runs,
/// and gives its exit code.
fn code_after(signal: &str, is_ignored: bool) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", &study("seeds = 3"));
    let out = folder.path().join("out");
    let trap = if is_ignored {
        format!("trap '' {signal};")
    } else {
        String::new()
    };
    let program = env!("CARGO_BIN_EXE_mutransfer");
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{trap} exec '{program}' transfer '{study}' --out '{}'",
            out.display()
        ))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while fs::read_to_string(out.join("results.csv")).map_or(0, |text| text.lines().count()) < 2 {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "no trial was started"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill")
        .args([format!("-{signal}"), child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let mut messages = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut messages)
        .unwrap();
    let code = child.wait().unwrap().code();
    assert!(!messages.contains("panicked"), "{messages}");
    code
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    for signal in ["HUP", "INT", "TERM"] {
        assert_eq!(code_after(signal, true), Some(0), "{signal}");
        assert_eq!(code_after(signal, false), Some(130), "{signal}");
    }
}
