//! The trials of a study: run without being judged, looked at while they run, written for others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

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
    assert!(
        told.contains("the command that began it continues"),
        "{told}"
    );

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
