//! What is beyond reason is refused at once, and what is only large is done in time that grows with
//! its size.

use crate::common;

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{mutransfer, study, write};

/// What the program says where it refuses something.
#[track_caller]
fn refused(output: &Output, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    let mut command = mutransfer();
    command
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Reading any of these to its end would take all memory there is.
#[test]
fn files_that_never_end_are_refused_by_their_beginning_or_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "study.toml", &study(""));
    let sparse = File::create(at.join("sparse.json")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let cases: [(&[&str], &str); 7] = [
        (
            &["plan", "--base", "/dev/zero", "--target", "/dev/zero"],
            "it is no text",
        ),
        (
            &["plan", "--base", "sparse.json", "--target", "sparse.json"],
            "it has more than 1 GiB",
        ),
        (&["transfer", "/dev/zero"], "it is no text"),
        (
            &["transfer", "study.toml", "--data", "/dev/zero"],
            "it is no file",
        ),
        (&["analyze", "/dev/zero"], "it is no text"),
        (&["monitor", "/dev/zero"], "it is no text"),
        (&["coord", "--from", "/dev/zero"], "it is no text"),
    ];
    let begun = Instant::now();
    for (arguments, problem) in cases {
        refused(&run(arguments, at), &["cannot read", problem]);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn numbers_beyond_reason_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "runs.csv", "width,lr,loss\n8,0.5,1\n");
    write(at, "wide.toml", &study("target_width = 65536\ndepth = 64"));
    let many = "1000000000000";
    let cases: [(&[&str], &str); 3] = [
        (
            &["analyze", "runs.csv", "--replicates", many],
            "1000000000000",
        ),
        (
            &["theory", "mup", "--measure", "--seeds", many],
            "`seeds` is 1000000000000",
        ),
        (
            &["transfer", "wide.toml"],
            "a trial at width 65536, depth 64 takes 4194523 MiB of memory at least",
        ),
    ];
    for (arguments, problem) in cases {
        let output = run(arguments, at);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(problem), "{said}");
    }
    assert!(!at.join("mutransfer-out/tiny/trials").exists());
}

/// Each column was once compared with all others, which takes minutes.
#[test]
fn a_table_of_many_columns_is_read_in_time_that_grows_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = "width,lr,seed,loss".to_owned();
    for column in 0..100_000 {
        write!(table, ",c{column}").unwrap();
    }
    let same = ",1".repeat(100_000);
    for (lr, loss) in [(0.1, 2), (0.2, 1), (0.4, 2)] {
        write!(table, "\n8,{lr},0,{loss}{same}").unwrap();
    }
    write(folder.path(), "runs.csv", &table);
    let begun = Instant::now();
    let output = run(&["analyze", "runs.csv"], folder.path());
    assert!(output.status.success(), "{output:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

/// A shell of a user who may have one process; none where there is no such user.
fn alone(program: &str, study: &str) -> Option<Output> {
    let mut shell = Command::new("setpriv");
    shell.args(["--reuid", "4321", "--clear-groups", "bash", "-c"]);
    let script = format!(
        "test -x {program} -a -r {study} || exit 99; ulimit -u 1; exec {program} transfer {study}"
    );
    let output = shell.arg(script).output().ok()?;
    let is_there = !matches!(output.status.code(), Some(99 | 126 | 127 | 1));
    is_there.then_some(output)
}

#[test]
fn a_user_without_processes_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "study.toml", &study(""));
    let Some(output) = alone(env!("CARGO_BIN_EXE_mutransfer"), &path) else {
        eprintln!("SKIPPED: only root may become another user, who must reach the program");
        return;
    };
    refused(
        &output,
        &["cannot start threads", "hint: allow more processes"],
    );
}

/// Trials are told of their data in JSON, which has no other names.
#[test]
fn names_that_are_no_text_work_or_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let name = |name: &[u8]| at.join(OsStr::from_bytes(name));
    let (path, data, out) = (name(b"s\xff.toml"), name(b"d\xff"), name(b"o\xff"));
    fs::write(
        &path,
        study("widths = [8]\nrules = [\"mup\"]\nverify = false"),
    )
    .unwrap();
    fs::write(&data, "some words ".repeat(500)).unwrap();
    let sweep = |data: Option<&Path>| {
        let mut command = mutransfer();
        command
            .arg("sweep")
            .arg(&path)
            .arg("--out")
            .arg(&out)
            .arg("--json");
        let data = data
            .into_iter()
            .flat_map(|data| [OsStr::new("--data"), data.as_os_str()]);
        command.args(data).output().unwrap()
    };
    refused(
        &sweep(Some(&data)),
        &["is no text in UTF-8", "hint: rename the data"],
    );
    let output = sweep(None);
    assert!(output.status.success(), "{output:?}");
}

/// What a stranger has put where a trial writes is replaced, and what it leads to is left alone.
#[test]
fn links_in_the_folder_of_a_trial_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let keys = "rules = [\"mup\"]\nwidths = [8]\nverify = false\nsteps = 5\n\
                lr = { from = \"2^-5\", to = \"2^-5\" }";
    write(at, "study.toml", &study(keys));
    let precious = write(at, "precious", "mine");
    let prepared = run(&["sweep", "study.toml", "--out", "out", "--prepare"], at);
    assert!(prepared.status.success(), "{prepared:?}");
    let trial = fs::read_dir(at.join("out/trials")).unwrap().next().unwrap();
    let trial = trial.unwrap().path();
    for name in [
        "log",
        "metrics.jsonl",
        "result.json",
        "checkpoint.safetensors",
    ] {
        symlink(&precious, trial.join(name)).unwrap();
    }
    let sweep = ["sweep", "study.toml", "--out", "out", "--checkpoint", "0"];
    let output = run(&sweep, at);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(precious).unwrap(), "mine");
}

/// One that would take minutes.
#[test]
fn a_coordinate_check_ends_soon_after_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "rules = [\"mup\"]\nwidths = [8]\nverify = false\nsteps = 5\n\
                check = { widths = [1024, 2048, 4096], seeds = 512 }";
    let path = write(folder.path(), "study.toml", &study(keys));
    let mut child = mutransfer()
        .args(["transfer", &path, "--out"])
        .arg(folder.path().join("out"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let is_check = |line: &String| line.starts_with("coordinate check: ");
    assert!(said.any(|line| is_check(&line.unwrap())));
    let asked = Instant::now();
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
}
