//! What is exported is opened by the programs that it is for, where Python has them.

use crate::common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{mutransfer, study, write};

/// A Python that has a module: that of the project's tools, or that of the system.
fn python(module: &str) -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin/python");
    let found = [tools, "python3".into()].into_iter().find(|python| {
        let imports = Command::new(python)
            .args(["-c", &format!("import {module}")])
            .output();
        imports.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        eprintln!("skipped: no Python with the module {module}; `pip install {module}`");
    }
    found
}

fn run(folder: &Path, command: &mut Command) -> String {
    let output = command.current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A study in `out`, and its trials in a file or a folder of this format.
fn exported(folder: &Path, format: &str, to: &str) {
    let study = study("rules = [\"sp\", \"mup\"]\nverify = false\nseeds = 2");
    write(folder, "study.toml", &study);
    run(
        folder,
        mutransfer().args(["sweep", "study.toml", "--out", "out"]),
    );
    run(
        folder,
        mutransfer().args(["export", "out", "--format", format, "--out", to]),
    );
}

const OPTUNA: &str = r#"
import csv, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
storage = JournalStorage(JournalFileBackend("journal.log"))
rows = list(csv.DictReader(open("out/results.csv")))
names = set()
for summary in optuna.get_all_study_summaries(storage):
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    folder, rule, width = summary.study_name.split("/")
    names.add((rule, width))
    own = [row for row in rows if (row["rule"], row["width"]) == (rule, width)]
    assert folder == "out" and len(study.trials) == len(own), summary.study_name
    best = min((row for row in own if row["status"] == "ok"), key=lambda row: float(row["loss"]))
    assert study.best_value == float(best["loss"]), (study.best_value, best)
    assert study.best_params == {"lr": float(best["lr"])}, (study.best_params, best)
    assert len(study.best_trial.intermediate_values) == int(best["steps"])
    failed = [t for t in study.trials if t.state == optuna.trial.TrialState.FAIL]
    assert len(failed) == sum(row["status"] == "diverged" for row in own)
assert names == {(row["rule"], row["width"]) for row in rows}, names
print(len(names))
"#;

#[test]
fn optuna_opens_the_journal_and_finds_the_same_best_trial() {
    let Some(python) = python("optuna") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    exported(folder.path(), "optuna", "journal.log");
    let found = run(folder.path(), Command::new(python).args(["-c", OPTUNA]));
    assert_eq!(found.trim(), "4", "two rules at two widths");
}

const TENSORBOARD: &str = r#"
import csv, glob
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
rows = list(csv.DictReader(open("out/results.csv")))
runs = glob.glob("events/*/*/*")
assert len(runs) == len(rows), (len(runs), len(rows))
ends = []
for run in runs:
    events = EventAccumulator(run)
    events.Reload()
    steps = events.Scalars("loss/train")
    assert [step.step for step in steps] == list(range(len(steps)))
    if "loss/validation" in events.Tags()["scalars"]:
        ends.append(events.Scalars("loss/validation")[0].value)
losses = [float(row["loss"]) for row in rows if row["status"] == "ok"]
assert len(ends) == len(losses), (len(ends), len(losses))
for end, loss in zip(sorted(ends), sorted(losses)):
    assert abs(end / loss - 1) < 1e-6, (end, loss)
print(len(ends))
"#;

#[test]
fn tensorboard_reads_the_events() {
    let Some(python) = python("tensorboard") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    exported(folder.path(), "tensorboard", "events");
    let found = run(
        folder.path(),
        Command::new(python).args(["-c", TENSORBOARD]),
    );
    assert!(found.trim().parse::<usize>().unwrap() > 10, "{found}");
}

/// A file appears whole or not at all, and nothing is replaced unasked.
#[test]
fn an_export_does_not_replace_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    exported(folder.path(), "jsonl", "trials.jsonl");
    for (format, to) in [("csv", "trials.jsonl"), ("tensorboard", "out")] {
        let arguments = ["export", "out", "--format", format, "--out", to];
        let output = mutransfer()
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.starts_with(&format!("error: {to} is there already\nhint: ")),
            "{said}"
        );
    }
    let replace = ["export", "out", "--out", "trials.jsonl", "--overwrite"];
    run(folder.path(), mutransfer().args(replace));
    let table = std::fs::read_to_string(folder.path().join("trials.jsonl")).unwrap();
    assert!(table.starts_with("rule,width,"), "{table}");
}

const PARQUET: &str = r#"
import csv, math
from pyarrow import parquet
rows = list(csv.DictReader(open("out/results.csv")))
read = parquet.read_table("trials.parquet").to_pylist()
assert list(read[0]) == list(rows[0]), (list(read[0]), list(rows[0]))
assert len(read) == len(rows), (len(read), len(rows))
for row in rows:
    own = [r for r in read if all(str(r[key]) == row[key] for key in ("rule", "width", "seed"))
           and r["lr"] == float(row["lr"])]
    assert len(own) == 1, row
    loss = float(row["loss"])
    assert own[0]["loss"] is None if math.isnan(loss) else own[0]["loss"] == loss, (own, row)
print(len(read))
"#;

#[test]
fn pyarrow_reads_the_table() {
    let Some(python) = python("pyarrow") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    exported(folder.path(), "parquet", "trials.parquet");
    let found = run(folder.path(), Command::new(python).args(["-c", PARQUET]));
    let trials: usize = found.trim().parse().unwrap();
    assert!(trials > 0, "the trials of both rules");
}
