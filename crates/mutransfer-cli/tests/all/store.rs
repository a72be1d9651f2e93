//! The trials of a study: run without being judged, looked at while they run, written for others.

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use common::{database, mutransfer, study, write};
use serde_json::Value;

/// Ten trials.
const SWEEP: &str = "rules = [\"mup\"]\nverify = false";

fn run(arguments: &[&str], folder: &Path) -> Output {
    mutransfer()
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn results(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_sweep_runs_what_is_missing_and_judges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "study.toml", &study(SWEEP));
    let sweep = ["sweep", "study.toml", "--out", "out"];
    let said = results(&run(&sweep, at));
    assert!(
        said.starts_with("10 trials have ended, 1 of them diverged: out"),
        "{said}"
    );
    assert!(!at.join("out/report.html").exists());
    assert_eq!(fs::read_dir(at.join("out/trials")).unwrap().count(), 0);

    // One is lost, and one was never of this study.
    let lost = "DELETE FROM result WHERE rowid = 3";
    assert_eq!(database(&at.join("out")).execute(lost, []).unwrap(), 1);
    let status: Value =
        serde_json::from_str(&results(&run(&["status", "out", "--json"], at))).unwrap();
    let of = |key: &str| -> u64 {
        let widths = status["rules"]["mup"].as_object().unwrap();
        widths
            .values()
            .map(|count| count[key].as_u64().unwrap())
            .sum()
    };
    assert_eq!(["trials", "missing"].map(of), [10, 1]);
    assert_eq!(of("finished") + of("diverged"), 9);
    assert_eq!(status["running"], Value::Null);
    let told = results(&run(&["status", "out"], at));
    assert!(told.contains("`mutransfer sweep out` continues"), "{told}");

    let whole = fs::read_to_string(at.join("out/results.csv")).unwrap();
    results(&run(&sweep, at));
    assert_eq!(
        fs::read_to_string(at.join("out/results.csv")).unwrap(),
        whole
    );
    assert!(results(&run(&["status", "out"], at)).contains("Nothing is missing."));
    // The judgement stands on what the sweep has run.
    let before: i64 = database(&at.join("out"))
        .query_row("SELECT max(rowid) FROM result", [], |row| row.get(0))
        .unwrap();
    results(&run(&["transfer", "study.toml", "--out", "out"], at));
    assert!(at.join("out/report.html").exists());
    let kept: i64 = database(&at.join("out"))
        .query_row(
            "SELECT count(*) FROM result WHERE rowid <= ?1",
            [before],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(kept, 10);
}

#[test]
fn an_export_is_the_table_of_results_or_every_trial_with_its_curve() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "study.toml", &study(SWEEP));
    results(&run(&["sweep", "study.toml", "--out", "out"], at));
    let csv = results(&run(&["export", "out"], at));
    assert_eq!(csv, fs::read_to_string(at.join("out/results.csv")).unwrap());
    let lines = results(&run(&["export", "out", "--format", "jsonl"], at));
    assert_eq!(lines.lines().count(), 10);
    for line in lines.lines() {
        let trial: Value = serde_json::from_str(line).unwrap();
        let curve = trial["curve"].as_array().unwrap();
        let end = &trial["record"];
        if end["status"] == "diverged" {
            assert_eq!(curve.len() as u64, end["step"].as_u64().unwrap());
            continue;
        }
        assert_eq!((curve.len(), &curve[19]["step"]), (20, &Value::from(19)));
        assert!(
            csv.contains(&format!(",{},{}\n", end["train_loss"], end["loss"])),
            "{csv}"
        );
        assert_eq!(trial["trial"]["budget"]["steps"], 20);
    }
    for command in [["status", "none"], ["export", "none"]] {
        let output = run(&command, at);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.starts_with("error: none holds no study\nhint: "),
            "{said}"
        );
    }
}

#[test]
fn a_study_can_be_looked_at_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "study.toml", &study("seeds = 40"));
    let mut child = mutransfer()
        .args(["sweep", "study.toml", "--jobs", "1", "--out", "out"])
        .current_dir(at)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let rows =
        || fs::read_to_string(at.join("out/results.csv")).map_or(0, |text| text.lines().count());
    while rows() < 3 {
        std::thread::yield_now();
    }
    let told = results(&run(&["status", "out"], at));
    assert!(
        told.contains(&format!("Run by process {} on ", child.id())),
        "{told}"
    );
    assert!(results(&run(&["export", "out"], at)).lines().count() >= 3);
    child.kill().unwrap();
    child.wait().unwrap();
    // Whatever was being written, the database is whole.
    let check: String = database(&at.join("out"))
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

/// A finished study may lie where nothing can be written.
#[test]
fn a_finished_study_is_one_file_without_logs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "study.toml", &study(SWEEP));
    results(&run(&["sweep", "study.toml", "--out", "out"], at));
    let header = fs::read(at.join("out/study.db")).unwrap();
    // Bytes 18 and 19 are 1 without write-ahead logging (sqlite.org/fileformat.html).
    assert_eq!(header[18..20], [1, 1]);
    assert!(!at.join("out/study.db-wal").exists());
}

/// The folder keeps what the study said, and the files that it names lie where it was.
#[test]
fn an_output_folder_is_as_good_as_its_study() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let table = include_str!("../../../../counterexamples/none.toml");
    write(at, "mine.toml", table);
    let keys = "rules = [\"mine.toml\"]\noptimizer = \"adam\"\nverify = false";
    let path = write(at, "study.toml", &study(keys));
    results(&run(&["sweep", "study.toml", "--out", "out"], at));
    let lost = "DELETE FROM result WHERE rowid = 3";
    database(&at.join("out")).execute(lost, []).unwrap();
    // What is changed beside it meanwhile is another study.
    write(at, "study.toml", &study("rules = [\"sp\"]"));
    let out = at.join("out");
    let out = out.to_str().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let told = results(&run(&["status", out, "--json"], elsewhere.path()));
    let status: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(status["study"], path);
    let said = results(&run(&["sweep", out], elsewhere.path()));
    assert!(said.starts_with("10 trials have ended"), "{said}");
    let told = results(&run(&["status", out], elsewhere.path()));
    assert!(told.contains("Nothing is missing."), "{told}");
    let judged = results(&run(&["transfer", out], elsewhere.path()));
    assert!(judged.contains("mine"), "{judged}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

/// The study's own file may lie in its output folder, and is nobody's to overwrite.
#[test]
fn a_study_may_run_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text = study(SWEEP);
    write(at, "study.toml", &text);
    for asked in ["study.toml", "."] {
        results(&run(&["sweep", asked, "--out", "."], at));
        assert_eq!(fs::read_to_string(at.join("study.toml")).unwrap(), text);
    }
    write(at, "other.toml", &study("rules = [\"sp\"]"));
    let output = run(&["sweep", "other.toml", "--out", "."], at);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("study.toml was not written by this program"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(at.join("study.toml")).unwrap(), text);
}

/// As versions left it that had no database.
#[test]
fn a_folder_without_a_database_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "study.toml", &study(SWEEP));
    results(&run(&["sweep", "study.toml", "--out", "out"], at));
    let table = fs::read_to_string(at.join("out/results.csv")).unwrap();
    common::unpack(&at.join("out"));
    for command in ["status", "export", "watch", "monitor"] {
        let output = run(&[command, "out"], at);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = "error: out has results of a study, and no database of it\nhint: ";
        assert!(said.starts_with(expected), "{command}: {said}");
    }
    // The next step takes its trials in.
    results(&run(&["sweep", "study.toml", "--out", "out"], at));
    assert_eq!(results(&run(&["export", "out"], at)), table);
}
