//! What the program says: `tests/sessions/*.txt` hold commands with their exit codes, results (`1|`)
//! and messages (`2|`), exactly. `cargo xtask generate` writes these anew from the commands, for a
//! person to read what changed.
//!
//! A session is a shell session in an empty folder: `$ mutransfer …` runs the program, `$ write
//! NAME` writes the lines `<|` that follow to a file. All else is comment. Where a request is refused
//! there is one error, and nothing may have begun.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::mutransfer;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sessions");
const REFUSED: i32 = 2;

#[test]
fn sessions_are_as_generated() {
    let mut sessions: Vec<PathBuf> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    sessions.sort();
    let is_update = std::env::var_os("UPDATE").is_some();
    let mut changes = String::new();
    for session in sessions {
        let told = fs::read_to_string(&session).unwrap();
        let happened = replay(&told);
        if is_update {
            fs::write(&session, &happened).unwrap();
        }
        changes += &difference(&session, &told, &happened);
    }
    assert!(is_update || changes.is_empty(), "{changes}");
}

/// The session with what its commands do now.
fn replay(told: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut happened = String::new();
    let mut lines = told.lines().filter(|line| !is_outcome(line)).peekable();
    while let Some(line) = lines.next() {
        writeln!(happened, "{line}").unwrap();
        if let Some(name) = line.strip_prefix("$ write ") {
            let mut text = String::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("<|")) {
                writeln!(happened, "{line}").unwrap();
                writeln!(text, "{}", line[2..].strip_prefix(' ').unwrap_or_default()).unwrap();
            }
            fs::write(folder.path().join(name), text).unwrap();
        } else if let Some(arguments) = line.strip_prefix("$ mutransfer") {
            happened += &outcome(arguments, folder.path());
        }
    }
    happened
}

fn is_outcome(line: &str) -> bool {
    ["1|", "2|", "= "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Runs the program in a folder, and tells what it did.
fn outcome(arguments: &str, folder: &Path) -> String {
    let output = mutransfer()
        .args(words(arguments))
        .current_dir(folder)
        .output()
        .unwrap();
    let Output { stdout, stderr, .. } = &output;
    let (results, messages) = (
        String::from_utf8_lossy(stdout),
        String::from_utf8_lossy(stderr),
    );
    let code = output.status.code().unwrap();
    assert!(!messages.contains("panicked"), "{arguments}: {messages}");
    if code == REFUSED {
        let errors = messages.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{arguments}: {messages}");
        let begun = folder.join("mutransfer-out").exists();
        assert!(!begun, "{arguments} has begun: {messages}");
    }
    let place = folder.to_string_lossy();
    let told = told("1|", &results) + &told("2|", &messages);
    told.replace(&*place, "HERE") + &format!("= {code}\n")
}

/// Every line with a mark before it.
fn told(mark: &str, text: &str) -> String {
    let marked = text.lines().map(|line| format!("{mark} {line}"));
    marked
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// The arguments of a command; single quotes hold spaces.
fn words(arguments: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in arguments.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The first line in which two texts differ, and the command before it.
fn difference(session: &Path, told: &str, happened: &str) -> String {
    if told == happened {
        return String::new();
    }
    let same = told.lines().zip(happened.lines());
    let at = same.take_while(|(told, happened)| told == happened).count();
    let before: Vec<&str> = happened.lines().take(at + 1).collect();
    let command = before
        .iter()
        .rfind(|line| line.starts_with("$ "))
        .unwrap_or(&"");
    let line = |text: &str| text.lines().nth(at).unwrap_or("the end").to_owned();
    format!(
        "\n{}:{}, after `{command}`:\n  expected {}\n  but was  {}\n",
        session.display(),
        at + 1,
        line(told),
        line(happened)
    )
}
