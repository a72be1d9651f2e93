//! What a study meets beside kills: a full disk, folders that cannot be written or are gone, damaged
//! pages, clocks that are set back, few open files. Each is one clear error, nothing that had ended
//! is lost, and the same command goes on.

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use common::{exported, mutransfer, study, write};
use serde_json::Value;

/// Twenty trials.
const SWEEP: &str = "rules = [\"mup\"]\nwidths = [8]\ntarget_width = 16\nseeds = 2\nsteps = 100";
const TRIALS: usize = 20;

/// A study that nothing happened to.
static WHOLE: LazyLock<Study> = LazyLock::new(|| {
    let whole = Study::new();
    done(&whole.sweep(&[]));
    whole
});

/// A study and its output folder.
struct Study {
    folder: tempfile::TempDir,
    path: String,
}

impl Study {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "study.toml", &study(SWEEP));
        Self { folder, path }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn command(&self) -> Command {
        let mut command = mutransfer();
        command.args(["sweep", &self.path, "--jobs", "2", "--out"]);
        command.arg(self.out());
        command
    }

    fn sweep(&self, more: &[&str]) -> Output {
        self.command().args(more).output().unwrap()
    }

    /// Starts it, and waits until some trials have ended.
    fn start(&self, mut command: Command, rows: usize) -> Child {
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        within_a_minute("trials end", || self.rows() >= rows);
        child
    }

    fn rows(&self) -> usize {
        let text = fs::read_to_string(self.out().join("results.csv"));
        text.map_or(0, |text| text.lines().count().saturating_sub(1))
    }
}

fn within_a_minute(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
}

/// One error with its place, and what to do about it.
fn refused(output: &Output, parts: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let count = |of: &str| said.lines().filter(|line| line.starts_with(of)).count();
    assert_eq!((count("error: "), count("hint: ")), (1, 1), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// How long each trial took, which tells one that was kept from one that was run again.
fn seconds(out: &Path) -> Vec<(String, f64)> {
    let output = mutransfer()
        .args(["export", "--format", "jsonl"])
        .arg(out)
        .output();
    let lines = String::from_utf8(output.unwrap().stdout).unwrap();
    let ended = lines.lines().map(|line| {
        let trial: Value = serde_json::from_str(line).unwrap();
        let seconds = trial["record"]["seconds"].as_f64().unwrap();
        (trial["id"].as_str().unwrap().to_owned(), seconds)
    });
    ended.collect()
}

/// It ends as if nothing had happened, with what it had.
fn goes_on(study: &Study, had: &[(String, f64)]) {
    done(&study.sweep(&[]));
    assert_eq!(exported(&study.out()), exported(&WHOLE.out()));
    let has = seconds(&study.out());
    assert!(had.iter().all(|trial| has.contains(trial)), "{had:?}");
}

/// What a script says that has mounts of its own; none where that is not allowed.
fn with_mounts(script: &str, study: &Study) -> Option<Output> {
    let flags = if is_root() { "-m" } else { "-rm" };
    let tried = Command::new("unshare").args([flags, "true"]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: `unshare {flags}` is not allowed here, so no file system is mounted");
        return None;
    }
    fs::create_dir(study.out()).unwrap();
    let output = Command::new("unshare")
        .args([flags, "sh", "-ec", script, "sh"])
        .arg(study.out())
        .args([env!("CARGO_BIN_EXE_mutransfer"), &study.path])
        .output();
    Some(output.unwrap())
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    user.unwrap().split_whitespace().next() == Some("0")
}

/// The disk is full when some trials have ended. The last export is of the continued study.
#[test]
fn a_full_disk_is_named_and_the_study_goes_on_once_there_is_room() {
    let study = Study::new();
    let script = r#"
        mount -t tmpfs -o size=240k none "$1"
        code=0
        "$2" sweep "$3" --jobs 2 --out "$1" >&2 || code=$?
        wc -l < "$1/results.csv"
        mount -o remount,size=40m "$1"
        "$2" sweep "$3" --jobs 2 --out "$1" >/dev/null 2>&1
        "$2" export "$1"
        exit $code"#;
    let Some(output) = with_mounts(script, &study) else {
        return;
    };
    let said = said(&output);
    // A worker may be the one that finds it full.
    let codes = [Some(2), Some(3)];
    assert!(codes.contains(&output.status.code()), "{said}");
    let is_named = ["disk is full", "No space left"]
        .iter()
        .any(|part| said.contains(part));
    assert!(is_named && said.contains("\nhint: "), "{said}");
    if output.status.code() == Some(2) {
        assert!(said.contains("hint: make room on this disk"), "{said}");
    }
    let printed = String::from_utf8(output.stdout).unwrap();
    let (lines, table) = printed.split_once('\n').unwrap();
    let ended: usize = lines.trim().parse::<usize>().unwrap() - 1;
    assert!((1..TRIALS).contains(&ended), "{ended}");
    let whole = fs::read_to_string(WHOLE.out().join("results.csv")).unwrap();
    assert_eq!(table, whole);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_can_still_be_read() {
    let study = Study::new();
    let script = r#"
        mount -t tmpfs none "$1"
        "$2" sweep "$3" --jobs 2 --out "$1" >/dev/null 2>&1
        mount -o remount,ro "$1"
        "$2" export "$1"
        "$2" sweep "$3" --out "$1""#;
    let Some(output) = with_mounts(script, &study) else {
        return;
    };
    let place = format!("error: cannot write {}", study.out().display());
    let hint = "hint: choose a folder you may write to with --out";
    refused(&output, &[&place, "Read-only file system", hint]);
    let whole = fs::read_to_string(WHOLE.out().join("results.csv")).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), whole);
}

#[test]
fn a_folder_that_is_gone_ends_the_study_which_goes_on_once_it_is_back() {
    let study = Study::new();
    let child = study.start(study.command(), 2);
    let elsewhere = study.folder.path().join("elsewhere");
    fs::rename(study.out(), &elsewhere).unwrap();
    let output = child.wait_with_output().unwrap();
    refused(
        &output,
        &["hint: if the folder was moved or removed, put it back"],
    );
    let had = seconds(&elsewhere);
    assert!(had.len() >= 2, "{had:?}");
    // Without it the same command begins anew.
    done(&study.sweep(&[]));
    assert_eq!(exported(&study.out()), exported(&WHOLE.out()));
    fs::remove_dir_all(study.out()).unwrap();
    fs::rename(&elsewhere, study.out()).unwrap();
    goes_on(&study, &had);
}

/// Bytes of a page, as SQLite has it where nobody says otherwise.
const PAGE: usize = 4096;

/// A page of a curve, one of what the trials are, and the first, without which nothing can be read.
#[test]
fn of_a_damaged_database_is_kept_what_is_whole() {
    let whole = WHOLE.out();
    let had = seconds(&whole);
    let healthy = fs::read(whole.join("study.db")).unwrap();
    let last = healthy.len() / PAGE - 1;
    for (page, kept) in [(last, TRIALS - 1), (1, TRIALS), (0, 0)] {
        let study = Study::new();
        fs::create_dir(study.out()).unwrap();
        fs::copy(whole.join(".mutransfer"), study.out().join(".mutransfer")).unwrap();
        let mut damaged = healthy.clone();
        damaged[page * PAGE..][..PAGE].fill(0xa5);
        fs::write(study.out().join("study.db"), damaged).unwrap();
        let read = mutransfer()
            .args(["export", "--format", "jsonl"])
            .arg(study.out())
            .output()
            .unwrap();
        refused(&read, &["study.db", "--salvage"]);

        let output = study.sweep(&["--salvage"]);
        done(&output);
        let told = format!("{kept} results of the database are whole and kept");
        assert!(said(&output).contains(&told), "{page}: {}", said(&output));
        assert_eq!(exported(&study.out()), exported(&whole), "{page}");
        let has = seconds(&study.out());
        let same = had.iter().filter(|trial| has.contains(trial)).count();
        assert!(same >= kept, "{page}: {same}");
        assert!(study.out().join("study.damaged.db").exists());
    }
}

/// Takes a year and more off what the clock of the wall shows, once there is a file.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    const char *file = getenv("SET_BACK");
    if (clock == CLOCK_REALTIME && file && access(file, F_OK) == 0)
        time->tv_sec -= 400 * 86400;
    return result;
}
"#;

/// It is set back while the study runs, which is then killed, so that all that it has left is of the
/// future.
#[test]
fn a_clock_that_is_set_back_changes_nothing() {
    let study = Study::new();
    let at = study.folder.path();
    let (source, clock) = (write(at, "clock.c", CLOCK), at.join("clock.so"));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&clock)
        .arg(source)
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: there is no C compiler, and so no other clock");
        return;
    }
    let file = at.join("set back");
    let with_clock = |mut command: Command| {
        command.env("LD_PRELOAD", &clock).env("SET_BACK", &file);
        command
    };
    let year = || -> u32 {
        let mut date = Command::new("date");
        date.arg("+%Y");
        let output = with_clock(date).output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    let now = year();
    let mut child = study.start(with_clock(study.command()), 2);
    fs::write(&file, "").unwrap();
    assert!(year() < now, "the clock is set back");
    let rows = study.rows();
    within_a_minute("it goes on", || {
        study.rows() > rows + 1 || child.try_wait().unwrap().is_some()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let had = seconds(&study.out());
    done(&with_clock(study.command()).output().unwrap());
    goes_on(&study, &had);
}

#[test]
fn twenty_open_files_are_enough_and_ten_are_named() {
    let study = Study::new();
    let limited = |files: u32| {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {files}; exec \"$@\"");
        shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_mutransfer")]);
        let command = study.command();
        shell.args(command.get_args()).output().unwrap()
    };
    let output = limited(10);
    refused(&output, &["Too many open files", "ulimit -n", "--jobs"]);
    done(&limited(20));
    goes_on(&study, &seconds(&study.out()));
}
