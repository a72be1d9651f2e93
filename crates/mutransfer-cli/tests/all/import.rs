//! Runs made elsewhere become finished trials, and a study can be followed.

use crate::common;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{mutransfer, study, write};

/// Ten trials.
const SWEEP: &str = "rules = [\"mup\"]\nverify = false";

fn run(arguments: &[&str], folder: &Path) -> Output {
    mutransfer()
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(output: &Output, code: i32) -> [String; 2] {
    let [told, noted] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert_eq!(output.status.code(), Some(code), "{noted}");
    [told, noted]
}

/// A study that was swept in `there`.
fn swept(folder: &Path) {
    write(folder, "study.toml", &study(SWEEP));
    said(&run(&["sweep", "study.toml", "--out", "there"], folder), 0);
}

#[test]
fn the_rows_of_a_table_are_trials_that_ended() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    swept(at);
    let table = fs::read_to_string(at.join("there/results.csv")).unwrap();
    let some: Vec<&str> = table.lines().take(5).collect();
    write(at, "some.csv", &some.join("\n"));
    let import = |file: &str| run(&["import", "study.toml", file, "--out", "here"], at);
    let [told, _] = said(&import("some.csv"), 0);
    assert_eq!(
        told,
        "4 trials were imported into here, 0 had ended before.\n"
    );
    let [told, _] = said(&run(&["watch", "here"], at), 0);
    assert!(told.starts_with("4/10 trials have ended, "), "{told}");
    assert!(
        told.contains("6 trials are missing, and nobody runs them"),
        "{told}"
    );

    // The rest is run, and what is there twice stays.
    said(&run(&["sweep", "study.toml", "--out", "here"], at), 0);
    let here = fs::read_to_string(at.join("here/results.csv")).unwrap();
    let losses = |table: &str| -> Vec<String> {
        let rows = table
            .lines()
            .map(|row| row.rsplit(',').next().unwrap().to_owned());
        rows.collect()
    };
    assert_eq!(losses(&here), losses(&table));
    let [told, _] = said(&import("there/results.csv"), 0);
    assert_eq!(
        told,
        "0 trials were imported into here, 10 had ended before.\n"
    );
    said(&run(&["transfer", "study.toml", "--out", "here"], at), 0);
}

#[test]
fn a_row_of_another_study_is_refused_and_nothing_taken() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    swept(at);
    let table = fs::read_to_string(at.join("there/results.csv")).unwrap();
    let other = |from: &str, to: &str| {
        let changed = table.replacen(from, to, 1);
        assert_ne!(changed, table);
        write(at, "other.csv", &changed);
        run(&["import", "study.toml", "other.csv", "--out", "here"], at)
    };
    let [_, noted] = said(&other("\nmup,8,", "\nmup,12,"), 2);
    let begin = "error: a run of mup at width 12, learning rate ";
    assert!(
        noted.starts_with(begin) && noted.contains("\nhint: "),
        "{noted}"
    );
    // Trained for longer, it would be another number under the same name.
    let [_, noted] = said(&other("20,ok", "21,ok"), 0);
    assert_eq!(noted, "");
    let [told, _] = said(&run(&["status", "here", "--json"], at), 0);
    let status: serde_json::Value = serde_json::from_str(&told).unwrap();
    let missing: u64 = status["rules"]["mup"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count["missing"].as_u64().unwrap())
        .sum();
    assert_eq!(missing, 1);
}

#[test]
fn the_export_of_a_study_can_be_imported_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    swept(at);
    let export = |from: &str| {
        let [told, _] = said(&run(&["export", from, "--format", "jsonl"], at), 0);
        told
    };
    let lines = export("there");
    write(at, "runs.jsonl", &lines);
    let import = |file: &str, to: &str| run(&["import", "study.toml", file, "--out", to], at);
    said(&import("runs.jsonl", "here"), 0);
    assert_eq!(export("here"), lines);
    let altered = lines.replacen("\"loss\":2", "\"loss\":1", 1);
    assert_ne!(altered, lines);
    write(at, "altered.jsonl", &altered);
    let [_, noted] = said(&import("altered.jsonl", "elsewhere"), 2);
    assert!(noted.starts_with("error: altered.jsonl: line "), "{noted}");
}
