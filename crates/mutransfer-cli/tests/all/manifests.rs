//! What Kubernetes and SkyPilot are given does, run by a shell, what a sweep does here.

use crate::common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{mutransfer, study, write};

/// A trainer that leaves which GPUs it has.
const TRAINER: &str = r#"
import os, sys
if "--shapes" in sys.argv:
    print('{"first.weight": [%s, 3], "readout.weight": [2, %s]}' % (sys.argv[-1], sys.argv[-1]))
else:
    open('seen-' + os.environ['CUDA_VISIBLE_DEVICES'], 'w').close()
    print('{"final": true, "loss": 2}')
"#;

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

/// The only batch that is ready in a folder.
fn batch(out: &Path) -> String {
    let mut batches = fs::read_dir(out.join("batches")).unwrap();
    batches
        .next()
        .unwrap()
        .unwrap()
        .path()
        .display()
        .to_string()
}

#[test]
fn workers_of_a_task_have_gpus_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "train.py", TRAINER);
    let keys = "command = [\"python3\", \"train.py\"]\nshapes = [\"python3\", \"train.py\", \"--shapes\", \
                \"{width}\"]\nlayout = \"out-in\"\ndeclare = { \"readout.weight\" = \"output\" }\n\
                rules = [\"mup\"]\nwidths = [8]\ntarget_width = 16\nverify = false\ngpus = 2\n\
                lr = { from = \"2^-5\", to = \"2^-5\" }\nseeds = 2";
    let study = write(at, "study.toml", keys);
    let out = at.join("out");
    let prepare = [
        "sweep",
        &study,
        "--prepare",
        "--trials-per-task",
        "2",
        "--out",
    ];
    run(&[&prepare[..], &[out.to_str().unwrap()]].concat());
    let job = run(&["export", "--format", "k8s", out.to_str().unwrap()]);
    assert!(job.contains("limits: { nvidia.com/gpu: 2 }"), "{job}");
    let batch = batch(&out);
    let task = |devices: &str| {
        let mut task = mutransfer();
        task.args([
            "run-trial",
            "--batch",
            &batch,
            "--element",
            "0",
            "--jobs",
            "2",
        ]);
        task.env("CUDA_VISIBLE_DEVICES", devices).output().unwrap()
    };
    let refused = task("3");
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("`gpus` is 2, and 1 are present"), "{said}");
    let done = task("3,5,7,9");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    let mut seen: Vec<String> = fs::read_dir(at)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("seen-"))
        .collect();
    seen.sort();
    let is_whole =
        |name: &String| ["seen-3,5", "seen-7,9", "seen-5,3", "seen-9,7"].contains(&&**name);
    assert!(seen.iter().all(is_whole) && !seen.is_empty(), "{seen:?}");
}

/// A trial that would train for hours, and keeps where it is only as often as it was told.
#[test]
fn workers_of_a_task_keep_where_they_are_as_often_as_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let keys = format!("{SMALL}\nsteps = 100000000\nlr = {{ from = \"2^-5\", to = \"2^-5\" }}");
    let study = write(folder.path(), "study.toml", &study(&keys));
    let out = folder.path().join("out");
    let at = out.to_str().unwrap();
    run(&[
        "sweep",
        &study,
        "--prepare",
        "--checkpoint",
        "0",
        "--out",
        at,
    ]);
    let mut task = mutransfer();
    task.args(["run-trial", "--batch", &batch(&out), "--element", "0"]);
    let mut task = task.spawn().unwrap();
    let trial = fs::read_dir(out.join("trials")).unwrap().next().unwrap();
    let kept = trial.unwrap().path().join("checkpoint.safetensors");
    let begun = Instant::now();
    while !kept.exists() {
        // The usual pace is a minute.
        assert!(begun.elapsed() < Duration::from_secs(50), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    task.kill().unwrap();
    task.wait().unwrap();
}
