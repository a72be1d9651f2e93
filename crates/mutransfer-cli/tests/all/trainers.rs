//! Studies whose trials are trained by a program of the user.

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use common::{mutransfer, write};
use serde_json::Value;

/// A trainer whose loss is a known function of its learning rate; it appends a line about every
/// run to a file.
const TRAINER: &str = r#"
import json, math, os, sys

if "--shapes" in sys.argv:
    width = int(sys.argv[-1])
    print(json.dumps({"first.weight": [width, 3], "readout.weight": [2, width]}))
    sys.exit()
lr = float(sys.argv[1])
trial = json.load(open(os.environ["MUTRANSFER_TRIAL"]))
plan = json.load(open(os.environ["MUTRANSFER_PLAN"]))
with open("runs.jsonl", "a") as runs:
    runs.write(json.dumps({
        "argv": sys.argv[1:],
        "environment": {k: v for k, v in os.environ.items() if k.startswith("MUTRANSFER_")},
        "trial": trial,
        "plan": plan,
        "devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }) + "\n")
loss = 1 + 0.1 * (math.log2(lr) + 5) ** 2
print("this is no JSON line")
for step in range(5):
    print(json.dumps({"step": step, "loss": loss + 2 - step / 10}))
print(json.dumps({"final": True, "loss": loss}))
"#;

const KEYS: &str = r#"
name = "tiny"
command = ["python3", "train.py", "{lr}", "--seed={seed}"]
shapes = ["python3", "train.py", "--shapes", "{width}"]
layout = "out-in"
declare = { "readout.weight" = "output" }
rules = ["mup"]
widths = [8]
target_width = 16
lr = { from = "2^-7", to = "2^-3", step = 2 }
verify = false
steps = 5
"#;

/// A folder with a trainer and its study, to which keys are added.
fn folder(trainer: &str, keys: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "train.py", trainer);
    write(folder.path(), "study.toml", &format!("{KEYS}{keys}"));
    folder
}

fn run(at: &Path, arguments: &[&str]) -> Output {
    let mut command = mutransfer();
    command.args(arguments).current_dir(at).output().unwrap()
}

fn sweep(at: &Path) -> Output {
    run(at, &["sweep", "study.toml", "--out", "out", "--jobs", "2"])
}

fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn runs(at: &Path) -> Vec<Value> {
    let text = fs::read_to_string(at.join("runs.jsonl")).unwrap_or_default();
    let runs = text.lines().map(|line| serde_json::from_str(line).unwrap());
    runs.collect()
}

#[test]
fn a_program_is_told_what_to_train_and_tells_its_losses() {
    let folder = folder(TRAINER, "");
    let at = folder.path();
    done(&sweep(at));
    let runs = runs(at);
    assert_eq!(runs.len(), 3);
    for run in &runs {
        let lr = &run["trial"]["hyper"]["lr"];
        assert_eq!(run["argv"][0], lr.to_string());
        assert_eq!(run["argv"][1], "--seed=0");
        assert_eq!(run["environment"]["MUTRANSFER_LR"], lr.to_string());
        assert_eq!(run["environment"]["MUTRANSFER_WIDTH"], "8");
        assert_eq!(run["trial"]["sizes"]["width"], 8);
        assert_eq!(run["trial"]["budget"]["steps"], 5);
        // At the base width every learning rate is the one that is tuned.
        let readout = &run["plan"]["params"]["readout.weight"];
        assert_eq!((&readout["role"], &readout["lr"]), (&"output".into(), lr));
    }
    let csv = fs::read_to_string(at.join("out/results.csv")).unwrap();
    assert!(csv.contains("mup,8,2,0.03125,0,5,ok,2.6,1.0\n"), "{csv}");
    let lines = done(&run(at, &["export", "out", "--format", "jsonl"]));
    let trial: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(trial["curve"].as_array().unwrap().len(), 5);
    assert!(done(&run(at, &["status", "out"])).contains("Nothing is missing."));

    // It measures no coordinates, which no transfer fails for.
    let summary = done(&run(
        at,
        &["transfer", "study.toml", "--out", "out", "--json"],
    ));
    assert!(summary.contains("no `coordinates = true`"), "{summary}");
    let checked = run(at, &["coord", "--study", "study.toml"]);
    assert_eq!(checked.status.code(), Some(2), "{checked:?}");
    let before = self::runs(at).len();

    // What is done is not run again, and another program is.
    done(&sweep(at));
    assert_eq!(self::runs(at).len(), before);
    write(at, "train.py", &format!("{TRAINER}\n# changed\n"));
    done(&sweep(at));
    assert_eq!(self::runs(at).len(), before + 3);
}

/// The example, smaller: base, proxies, target, plan applied, coordinates judged, report.
#[test]
fn a_trainer_in_plain_python_goes_through_the_whole_of_a_transfer() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/trainers");
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::copy(examples.join("plain.py"), at.join("plain.py")).unwrap();
    let study = fs::read_to_string(examples.join("plain.toml")).unwrap();
    let study = study
        .replace("steps = 40", "steps = 16")
        .replace("2^-7", "2^-5")
        .replace("seeds = 16", "seeds = 4");
    write(at, "plain.toml", &study);
    let output = run(at, &["transfer", "plain.toml", "--out", "out", "--json"]);
    let summary: Value = serde_json::from_str(&done(&output)).unwrap();
    let told = fs::read_to_string(at.join("out/results.csv")).unwrap();
    let wide = told.lines().filter(|line| line.starts_with("mup,32,"));
    assert!(wide.count() >= 4, "{told}");
    assert!(at.join("out/report.html").exists());

    // The plan was applied: without its multiplier the readout's changes grow with the width.
    let checks = summary["coordinate_checks"].as_array().unwrap();
    let verdict = |rule: &str| {
        let check = checks.iter().find(|check| check["rule"] == rule);
        check.unwrap()["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict("sp"), "fail", "{checks:?}");
    assert_ne!(verdict("mup"), "fail", "{checks:?}");
    let plan: Value = serde_json::from_slice(&fs::read(at.join("out/plan.json")).unwrap()).unwrap();
    assert_eq!(plan["params"]["readout.weight"]["multiplier"], 0.25);
    // The same of the study alone, at one rule.
    let arguments = ["plan", "--study", "plain.toml", "--lr", "0.5", "--json"];
    let planned: Value = serde_json::from_str(&done(&run(at, &arguments))).unwrap();
    assert_eq!(planned["params"]["middle.weight"]["lr"], 0.125);
    assert_eq!(planned["optimizer"], "adam");
    let arguments = [
        "coord",
        "--study",
        "plain.toml",
        "--rule",
        "sp",
        "--seeds",
        "4",
    ];
    let checked = run(at, &arguments);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(told.contains("SP: fail; "), "{told}");
    let curves = run(at, &["monitor", "out", "--out", "monitor"]);
    assert_ne!(curves.status.code(), Some(2), "{curves:?}");
}

/// A trainer that hides a process from its group, and waits.
const HIDING: &str = r#"
import os, subprocess, sys, time

if "--shapes" in sys.argv:
    print('{"first.weight": [%s, 3], "readout.weight": [2, %s]}' % (sys.argv[-1], sys.argv[-1]))
    sys.exit()
hidden = subprocess.Popen(["sleep", "600"], start_new_session=True)
with open("pids.part", "w") as pids:
    pids.write(f"{os.getppid()} {os.getpid()} {hidden.pid}")
os.rename("pids.part", "pids")
time.sleep(600)
"#;

fn begin(at: &Path) -> Child {
    let mut command = mutransfer();
    command
        .args(["sweep", "study.toml", "--out", "out", "--jobs", "1"])
        .current_dir(at)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

fn within_seconds(what: &str, is_true: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    state.flatten().is_some_and(|state| state != 'Z')
}

fn parent(process: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(1).unwrap().parse().unwrap()
}

fn kill(signal: &str, process: u32) {
    let process = process.to_string();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args([signal, &process]).status().unwrap().success());
}

/// Whichever process of the chain is killed: controller, worker, guard, the first two at once, or
/// the controller while its worker is stopped.
#[test]
fn nothing_that_a_program_has_started_outlives_what_started_it() {
    for victims in [
        "controller",
        "worker",
        "guard",
        "worker controller",
        "stop controller",
    ] {
        let folder = folder(HIDING, "");
        let at = folder.path();
        let mut controller = begin(at);
        let path: PathBuf = at.join("pids");
        within_seconds("it starts", || path.exists());
        let text = fs::read_to_string(&path).unwrap();
        let processes: Vec<u32> = text.split(' ').map(|id| id.parse().unwrap()).collect();
        let worker = parent(processes[0]);
        assert_eq!(parent(worker), controller.id());
        for victim in victims.split(' ') {
            match victim {
                "controller" => kill("-9", controller.id()),
                "worker" => kill("-9", worker),
                "stop" => kill("-STOP", worker),
                _ => kill("-9", processes[0]),
            }
        }
        let is_any_alive = || processes.iter().any(|process| is_alive(*process));
        within_seconds(victims, || !is_any_alive());
        // The next trial may have begun meanwhile.
        let _ = controller.kill();
        controller.wait().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let last: Vec<u32> = text.split(' ').map(|id| id.parse().unwrap()).collect();
        within_seconds(victims, || !last.iter().any(|process| is_alive(*process)));
    }
}
