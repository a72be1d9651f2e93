//! The program, and a study so small that it takes a second.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn mutransfer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mutransfer"))
}

/// A tiny study in which `more` replaces or adds keys.
pub(crate) fn study(more: &str) -> String {
    let keys = [
        "name = \"tiny\"",
        "model = \"mlp\"",
        "widths = [8, 16]",
        "target_width = 32",
        "depth = 1",
        "lr = { from = \"2^-9\", to = \"2^-3\", step = 1.5 }",
        "steps = 20",
        "batch = 32",
        "context = 8",
    ];
    let replaced = |key: &&&str| {
        !more
            .lines()
            .any(|line| line.split('=').next() == key.split('=').next())
    };
    let kept: Vec<&str> = keys
        .iter()
        .filter(replaced)
        .copied()
        .chain([more])
        .collect();
    kept.join("\n")
}

/// Writes a file and gives its path as text.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file in a temporary folder");
    path.into_os_string()
        .into_string()
        .expect("a path that is text")
}

/// Every trial with its end and its curve, but not with its time.
pub(crate) fn exported(out: &Path) -> Vec<serde_json::Value> {
    let output = mutransfer()
        .args(["export", "--format", "jsonl"])
        .arg(out)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let trials = lines.lines().map(|line| {
        let mut trial: serde_json::Value = serde_json::from_str(line).unwrap();
        trial["record"].as_object_mut().unwrap().remove("seconds");
        trial
    });
    trials.collect()
}

/// The coordinate check of one rule, as JSON.
pub(crate) fn verdict(arguments: &[&str]) -> serde_json::Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = mutransfer()
        .args(["coord", "--json"])
        .args(arguments)
        .arg("--out")
        .arg(folder.path())
        .output();
    let output = output.expect("the program runs");
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)));
    checks[0].clone()
}

/// The database of a study.
pub(crate) fn database(out: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(out.join("study.db")).expect("a study")
}

/// Puts a study back into the folders of its trials, as it is when a process was killed before it
/// took them in, and as older versions left it; gives the folders.
pub(crate) fn unpack(out: &Path) -> Vec<PathBuf> {
    let connection = database(out);
    let select = "SELECT id, trial, record, curve, record ->> 'build' FROM trial \
                  JOIN result USING (id) ORDER BY id";
    let mut rows = connection.prepare(select).expect("tables");
    let mut rows = rows.query([]).expect("rows");
    let mut folders = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let text = |at| row.get::<_, String>(at).expect("text");
        let folder = out.join("trials").join(text(0));
        fs::create_dir_all(&folder).expect("a folder");
        let trial = format!("{{\"build\": \"{}\", \"trial\": {}}}", text(4), text(1));
        write(&folder, "trial.json", &trial);
        write(&folder, "result.json", &text(2));
        let curve: Vec<u8> = row.get(3).expect("a curve");
        write(&folder, "metrics.jsonl", &String::from_utf8_lossy(&curve));
        folders.push(folder);
    }
    for name in ["study.db", "study.db-wal", "study.db-shm"] {
        let _ = fs::remove_file(out.join(name));
    }
    folders
}
