//! What Kubernetes and SkyPilot are given does, run by a shell, what a sweep does here.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::{mutransfer, study, write};

/// Runs all tasks of the study in a folder.
type Engine = fn(&Path);

const SMALL: &str = "rules = [\"mup\"]\nwidths = [8]\ntarget_width = 8";
/// Of this study: five trials, two in a task.
const TASKS: usize = 3;

/// What a command of the program prints, which succeeds.
fn run(arguments: &[&str]) -> String {
    let output = mutransfer().args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn shell(line: &str, home: &Path, variables: &[(&str, String)]) {
    let mut shell = Command::new("bash");
    shell.args(["-euc", line]).env("HOME", home);
    for (name, value) in variables {
        shell.env(name, value);
    }
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}: {said}");
}

/// Runs the tasks of the study in a folder as Kubernetes does.
fn kubernetes(out: &Path) {
    let job = run(&["export", "--format", "k8s", out.to_str().unwrap()]);
    assert!(job.contains(&format!("  completions: {TASKS}\n")), "{job}");
    let command = job
        .lines()
        .find_map(|line| line.trim().strip_prefix("command: "));
    let command: Vec<String> = serde_json::from_str(command.unwrap()).unwrap();
    assert_eq!(command[..2], ["/bin/sh", "-c"]);
    let line = command[2].replace("/study/", &format!("{}/", out.display()));
    for index in 0..TASKS {
        shell(&line, out, &[("JOB_COMPLETION_INDEX", index.to_string())]);
    }
}

/// Runs them as SkyPilot does, on two nodes.
fn sky(out: &Path) {
    let task = run(&["export", "--format", "sky", out.to_str().unwrap()]);
    let home = out.parent().unwrap();
    symlink(out, home.join("mutransfer")).unwrap();
    let (_, script) = task.split_once("run: |\n").unwrap();
    for rank in 0..2 {
        let variables = [
            ("SKYPILOT_NODE_RANK", rank.to_string()),
            ("SKYPILOT_NUM_NODES", "2".to_owned()),
        ];
        shell(script, home, &variables);
    }
}

#[test]
fn a_study_that_others_run_ends_as_one_that_is_run_here() {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", &study(SMALL));
    let results = |out: &Path| fs::read_to_string(out.join("results.csv")).unwrap();
    let sweep = |out: &Path| {
        let said = run(&["sweep", &study, "--out", out.to_str().unwrap()]);
        assert!(said.starts_with("5 trials have ended"), "{said}");
    };
    let here = folder.path().join("here");
    sweep(&here);
    let engines: [(&str, Engine); 2] = [("k8s", kubernetes), ("sky", sky)];
    for (name, engine) in engines {
        let out = folder.path().join(name);
        let at = out.to_str().unwrap();
        let prepare = [
            "sweep",
            &study,
            "--prepare",
            "--trials-per-task",
            "2",
            "--out",
            at,
        ];
        let said = run(&prepare);
        assert!(
            said.starts_with("5 trials are ready, in 3 tasks: "),
            "{said}"
        );
        engine(&out);
        let ended = fs::read_dir(out.join("trials")).unwrap();
        let ended =
            ended.filter(|trial| trial.as_ref().unwrap().path().join("result.json").exists());
        assert_eq!(ended.count(), 5, "{name}");
        assert!(run(&prepare).starts_with("nothing is missing"), "{name}");
        sweep(&out);
        assert_eq!(results(&out), results(&here), "{name}");
    }
}

#[test]
fn what_is_not_ready_is_not_exported() {
    let folder = tempfile::tempdir().unwrap();
    let output = mutransfer()
        .args(["export", "--format", "k8s"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("nothing is ready") && said.contains("--prepare"),
        "{said}"
    );
}
