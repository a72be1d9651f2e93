//! How a program tells its losses, fails, and is held to its limits.

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{mutransfer, study, write};
use mutransfer_study::store;

/// What every trainer here begins with.
const BEGIN: &str = r#"
import json, os, sys, time

if "--shapes" in sys.argv:
    print('{"first.weight": [%s, 3], "readout.weight": [2, %s]}' % (sys.argv[-1], sys.argv[-1]))
    sys.exit()
"#;

/// One trial.
const KEYS: &str = r#"
command = ["python3", "train.py", "{metrics}", "{out}"]
shapes = ["python3", "train.py", "--shapes", "{width}"]
layout = "out-in"
declare = { "readout.weight" = "output" }
rules = ["mup"]
widths = [8]
target_width = 16
lr = { from = "2^-5", to = "2^-5" }
verify = false
"#;

/// Sweeps with a trainer, and gives what it says and its results.
fn sweep(trainer: &str, keys: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "train.py", &format!("{BEGIN}{trainer}"));
    write(at, "study.toml", &format!("{KEYS}{keys}"));
    let output = mutransfer()
        .args(["sweep", "study.toml", "--out", "out"])
        .current_dir(at)
        .output()
        .unwrap();
    let results = fs::read_to_string(at.join("out/results.csv")).unwrap_or_default();
    (output, results)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The end of the one row of the results, or what was said instead.
fn end(trainer: &str, keys: &str) -> String {
    let (output, results) = sweep(trainer, keys);
    let row = results.lines().nth(1).map(str::to_owned);
    row.unwrap_or_else(|| said(&output))
}

#[test]
fn losses_are_in_lines_a_file_an_expression_or_a_table() {
    let cases = [
        (
            "for s in range(20): print(json.dumps({'step': s, 'loss': 3 - s / 10}))\n\
             print(json.dumps({'final': True, 'loss': 1.5}))",
            "",
            "ok,1.15,1.5",
        ),
        (
            "with open(sys.argv[1], 'a') as metrics:\n\
             \x20   metrics.write('{\"step\": 0, \"loss\": 3}\\n{\"final\": true, \"loss\": 2}\\n')",
            "",
            "ok,3.0,2.0",
        ),
        (
            "print('loss 3.5, fine'); print('other 1.0'); print('loss 2.5')",
            "metric = 'loss ([0-9.]+)'",
            "ok,2.5,2.5",
        ),
        (
            "open(sys.argv[2] + '/log.csv', 'w').write('epoch,val\\n0,3\\n1,2.25\\n')",
            "metric = { csv = \"{out}/log.csv\", loss = \"val\", step = \"epoch\" }",
            "ok,2.25,2.25",
        ),
    ];
    for (trainer, keys, expected) in cases {
        let end = end(trainer, keys);
        assert!(end.ends_with(expected), "{trainer}: {end}");
    }
}

/// The first would wait for ten minutes.
#[test]
fn a_loss_that_is_no_number_ends_a_program_and_is_a_result() {
    let cases = [
        "print('{\"step\": 3, \"loss\": NaN}', flush=True); time.sleep(600)",
        "print('{\"final\": true, \"loss\": null}')",
        "print('{\"step\": 0, \"loss\": 2}'); print('{\"final\": true, \"loss\": 2.2}')",
    ];
    for trainer in cases {
        let end = end(trainer, "");
        assert!(end.ends_with("diverged,NaN,NaN"), "{trainer}: {end}");
    }
}

#[test]
fn a_program_that_fails_is_reported_with_its_own_words() {
    let cases = [
        (
            "raise ValueError('no such width')",
            "",
            "`python3 train.py /",
            "ended with exit status: 1: ValueError: no such width",
        ),
        ("print('hello')", "", "ended without telling its loss", ""),
        (
            "print('hello')",
            "metric = 'loss (.*)'",
            "ended without telling its loss: no line has what 'loss (.*)' finds",
            "",
        ),
        (
            "time.sleep(600)",
            "time_limit = 1",
            "was ended after its time limit, 1s",
            "",
        ),
        (
            "much = bytearray(300 << 20); time.sleep(600)",
            "memory_limit = \"100 MiB\"",
            "MiB, more than its memory limit, 100 MiB",
            "",
        ),
    ];
    for (trainer, keys, first, second) in cases {
        let (output, results) = sweep(trainer, keys);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(first) && said.contains(second), "{said}");
        assert_eq!(results.lines().count(), 1, "{results}");
    }
}

#[test]
fn a_program_that_fails_is_tried_again_as_often_as_it_may() {
    let trainer = "tries = open('tries', 'a+'); tries.write('x'); tries.flush(); tries.seek(0)\n\
                   print('{\"step\": 0, \"loss\": 3}')\n\
                   assert len(tries.read()) > 2, 'not yet'\n\
                   print('{\"final\": true, \"loss\": 2}')";
    let end_of = |retries: u32| end(trainer, &format!("retries = {retries}"));
    assert!(end_of(1).contains("AssertionError: not yet"));
    let end = end_of(2);
    assert!(end.ends_with("ok,3.0,2.0"), "{end}");
}

/// The first try tells five steps, and the second, which comes to something, one.
#[test]
fn a_curve_has_no_steps_of_a_try_that_failed() {
    let trainer = "is_first = not os.path.exists('tried'); open('tried', 'w').close()\n\
                   for s in range(5 if is_first else 1):\n\
                   \x20   print(json.dumps({'step': s, 'loss': 3}))\n\
                   assert not is_first\n\
                   print('{\"final\": true, \"loss\": 2}')";
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "train.py", &format!("{BEGIN}{trainer}"));
    write(at, "study.toml", &format!("{KEYS}retries = 1"));
    let run = |arguments: &[&str]| {
        let mut command = mutransfer();
        let output = command.args(arguments).current_dir(at).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["sweep", "study.toml", "--out", "out"]);
    let trial = run(&["export", "out", "--format", "jsonl"]);
    assert!(
        trial.contains("\"curve\":[{\"loss\":3.0,\"step\":0}]"),
        "{trial}"
    );
}

#[test]
fn wrong_keys_of_programs_are_refused_before_anything_runs() {
    let cases = [
        ("time_limit = \"soon\"", "no time; write \"90s\""),
        ("metric = 'loss'", "put the loss into parentheses"),
        ("model = \"mlp\"", "`model` is of built-in models"),
        ("files = [\"gone.py\"]", "gone.py"),
        ("gpus = 1000", "`gpus` is 1000"),
    ];
    for (keys, expected) in cases {
        let (output, _) = sweep("", keys);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{keys}: {said}");
    }
    let keys = KEYS.replace("{out}", "{folder}");
    for (keys, expected) in [
        (
            keys,
            "has the placeholder {folder}, which stands for nothing",
        ),
        (study("retries = 1"), "`retries` is for a program"),
        (KEYS.replace("shapes =", "files ="), "`shapes` is missing"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "train.py", BEGIN);
        write(folder.path(), "study.toml", &keys);
        let mut command = mutransfer();
        let command = command
            .args(["sweep", "study.toml"])
            .current_dir(folder.path());
        let said = said(&command.output().unwrap());
        assert!(said.contains(expected), "{keys}: {said}");
    }
}

/// Two GPUs for eight trials, four of which could run at a time: a GPU that is in use already would
/// have a lock.
#[test]
fn every_worker_has_gpus_of_its_own() {
    let trainer = "device = os.environ['CUDA_VISIBLE_DEVICES']\n\
                   os.close(os.open('lock-' + device, os.O_CREAT | os.O_EXCL))\n\
                   time.sleep(0.05)\n\
                   os.remove('lock-' + device)\n\
                   open('seen-' + device, 'w').close()\n\
                   print('{\"final\": true, \"loss\": 2}')";
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "train.py", &format!("{BEGIN}{trainer}"));
    write(at, "study.toml", &format!("{KEYS}gpus = 1\nseeds = 8"));
    let output = mutransfer()
        .args(["sweep", "study.toml", "--out", "out", "--jobs", "4"])
        .env("CUDA_VISIBLE_DEVICES", "3,5")
        .current_dir(at)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let seen = |name: &str| at.join(format!("seen-{name}")).exists();
    assert_eq!(["3", "5", "3,5"].map(seen), [true, true, false]);
}

/// It tells steps until there is a file, each in time to be seen by who watches.
#[test]
fn what_a_program_tells_is_seen_while_it_runs() {
    let trainer = "step = 0\n\
                   while not os.path.exists('enough'):\n\
                   \x20   print(json.dumps({'step': step, 'loss': 2.5}), flush=True)\n\
                   \x20   step += 1; time.sleep(0.1)\n\
                   print('{\"final\": true, \"loss\": 2}')";
    let folder = tempfile::tempdir().unwrap();
    let (at, out) = (folder.path(), folder.path().join("out"));
    write(at, "train.py", &format!("{BEGIN}{trainer}"));
    write(at, "study.toml", KEYS);
    let mut command = mutransfer();
    let command = command.args(["sweep", "study.toml", "--out", "out"]);
    let mut child = command.current_dir(at).spawn().unwrap();
    let begun = Instant::now();
    loop {
        let running = store::running(&out).unwrap_or_default();
        if let Some(trial) = running.first().filter(|trial| trial.step > 3) {
            assert_eq!(trial.loss, Some(2.5));
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{running:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    write(at, "enough", "");
    assert!(child.wait().unwrap().success());
}

/// Both would wait for the other in vain if one ran after the other.
#[test]
fn shapes_are_asked_for_side_by_side_and_once() {
    let shapes = "import os, sys, time\n\
                  width = sys.argv[-1]\n\
                  open('asked', 'a').write(width + '\\n')\n\
                  open('here-' + width, 'w').close()\n\
                  until = time.time() + 20\n\
                  while not all(os.path.exists('here-' + other) for other in ['8', '16']):\n\
                  \x20   assert time.time() < until, 'alone'\n\
                  \x20   time.sleep(0.01)\n\
                  print('{\"first.weight\": [%s, 3], \"readout.weight\": [2, %s]}' % (width, width))";
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "shapes.py", shapes);
    let trainer = format!("{BEGIN}print('{{\"final\": true, \"loss\": 2}}')");
    write(at, "train.py", &trainer);
    let keys = KEYS.replace("\"train.py\", \"--shapes\"", "\"shapes.py\"");
    write(at, "study.toml", &keys);
    let sweep = || {
        let output = mutransfer()
            .args(["sweep", "study.toml", "--out", "out"])
            .env("RAYON_NUM_THREADS", "2")
            .current_dir(at)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let asked = fs::read_to_string(at.join("asked")).unwrap();
        let mut asked: Vec<String> = asked.lines().map(str::to_owned).collect();
        asked.sort();
        asked
    };
    assert_eq!(sweep(), ["16", "8"]);
    assert_eq!(sweep(), ["16", "8"], "they are known");
    // Another program may have other shapes.
    write(at, "shapes.py", &format!("{shapes}\n"));
    assert_eq!(sweep(), ["16", "16", "8", "8"]);
}

/// The number of the worker that trains in a folder.
fn worker(out: &Path) -> Option<String> {
    let found = Command::new("pgrep")
        .arg("-f")
        .arg(out.join("trials"))
        .output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    found.lines().next().map(str::to_owned)
}

/// A built-in model that would train for hours.
#[test]
fn a_worker_that_is_stopped_is_named_and_ended_by_its_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let out = at.join("out");
    let keys = "steps = 100000000\ntime_limit = 1\nrules = [\"mup\"]\nverify = false\n\
                widths = [8]\nlr = { from = \"2^-5\", to = \"2^-5\" }";
    let path = write(at, "study.toml", &study(keys));
    let child = mutransfer()
        .args(["sweep", &path, "--out"])
        .arg(&out)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stopped = loop {
        if let Some(worker) = worker(&out) {
            break worker;
        }
        std::thread::yield_now();
    };
    let stop = Command::new("kill").args(["-STOP", &stopped]).status();
    assert!(stop.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("(mup, width 8, depth 1, seed 0) has taken"),
        "{said}"
    );
    assert!(
        said.contains("it was ended after its time limit, 3.0s"),
        "{said}"
    );
    assert_eq!(worker(&out), None);
}
