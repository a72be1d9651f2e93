//! What outlives a crash of the machine, and who may write into the folder of a study.

use crate::common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{mutransfer, study, write};

const SMALL: &str = "rules = [\"mup\"]\nwidths = [8]\ntarget_width = 16\nsteps = 5";

fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    name.trim().to_owned()
}

/// Runs a study and gives its exit code and what it said.
fn run(study: &str, out: &Path) -> (Option<i32>, String) {
    let output = mutransfer()
        .args(["transfer", study, "--jobs", "1", "--out"])
        .arg(out)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

/// Starts a study, and waits until it has taken up a trial.
fn start(study: &str, out: &Path) -> Child {
    let child = mutransfer()
        .args(["transfer", study, "--jobs", "1", "--out"])
        .arg(out)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while fs::read_dir(out.join("trials")).map_or(0, Iterator::count) == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "no trial");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_second_study_in_a_folder_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let long = write(folder.path(), "long.toml", &study("steps = 1000000"));
    let small = write(folder.path(), "small.toml", &study(SMALL));
    let out = folder.path().join("out");
    let mut first = start(&long, &out);
    let (code, said) = run(&small, &out);
    assert_eq!(code, Some(2), "{said}");
    let holder = format!(
        "out is in use by process {} on {}, since ",
        first.id(),
        hostname()
    );
    assert!(
        said.contains(&holder) && said.contains("hint: wait until it ends"),
        "{said}"
    );
    assert!(first.try_wait().unwrap().is_none(), "the first goes on");

    // What a killed study leaves is in nobody's way.
    first.kill().unwrap();
    first.wait().unwrap();
    let half = out.join(".partial-half");
    fs::write(&half, "half").unwrap();
    let (code, said) = run(&small, &out);
    assert_eq!(code, Some(0), "{said}");
    assert!(!half.exists());
    assert_eq!(fs::read_to_string(out.join(".lease")).unwrap(), "");
}

#[test]
fn a_folder_may_be_named_like_an_option() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "study.toml", &study(SMALL));
    let output = mutransfer()
        .args(["transfer", "study.toml", "--out=-out"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

/// By what the system is asked to do: the curve and the record are on the disk before the record
/// has its name, and its name is before anything is said of it.
#[test]
fn a_result_is_on_the_disk_before_it_is_acknowledged() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", &study(SMALL));
    let (out, trace) = (folder.path().join("out"), folder.path().join("trace"));
    let status = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-e",
            "trace=fsync,rename,renameat,renameat2",
            "-o",
        ])
        .arg(&trace)
        .arg(env!("CARGO_BIN_EXE_mutransfer"))
        .args(["transfer", &study, "--out"])
        .arg(&out)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    if !status.success() && fs::metadata(&trace).map_or(0, |file| file.len()) == 0 {
        eprintln!("skipped: strace may not trace here");
        return;
    }
    // The calls of every thread, in order.
    let mut threads: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in fs::read_to_string(&trace).unwrap().lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let calls = threads.entry(thread.to_owned()).or_default();
        let call = call.trim();
        if !call.starts_with("<...") {
            calls.push(call.to_owned());
        }
    }
    let mut results = 0;
    for calls in threads.values() {
        let named = |name: &str| calls.iter().position(|call| call.contains(name));
        let Some(result) = named("/result.json\"") else {
            continue;
        };
        results += 1;
        let told = calls.join("\n");
        let curve = named("/metrics.jsonl\"").expect(&told);
        assert!(curve < result, "{told}");
        for at in [curve, result] {
            assert!(is_sync(&calls[at - 1], ".partial-"), "{told}");
        }
        assert!(calls[result + 1].starts_with("fsync("), "{told}");
    }
    assert!(results >= 6, "{results}");
}

fn is_sync(call: &str, file: &str) -> bool {
    call.starts_with("fsync(") && call.contains(file)
}
