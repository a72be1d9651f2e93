//! A search that is kept in a file and a journal.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use mutransfer_study::asking::{AskError, Asking, Written};
use mutransfer_study::search::Kind;

const SEARCH: &str = r#"
lr = "auto"
weight_decay = { auto = true, from = 0.01, to = 1 }
steps = 300

[input]
lr = 2

[output]
multiplier = "auto"

[search]
budget = 12
"#;

fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("search.toml");
    fs::write(&path, text).unwrap();
    path
}

/// A bowl over what is searched.
fn loss(values: &serde_json::Map<String, serde_json::Value>) -> f64 {
    let log2 = |name: &str| values[name].as_f64().unwrap().log2();
    2.0 + 0.01 * (log2("lr") + 7.0).powi(2) + 0.005 * log2("output.multiplier").powi(2)
}

#[test]
fn what_is_auto_is_searched_and_the_rest_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let written = Written::read(&write(folder.path(), SEARCH)).unwrap();
    let kinds: Vec<(&str, Kind)> = written
        .space
        .parameters()
        .iter()
        .map(|own| (&own.name[..], own.kind))
        .collect();
    let wanted = [
        ("lr", Kind::LearningRate),
        ("output.multiplier", Kind::Factor),
        ("weight_decay", Kind::Decay),
    ];
    assert_eq!(kinds, wanted);
    let decay = &written.space.parameters()[2];
    assert!((decay.start - 0.1).abs() < 1e-12, "{decay:?}");
    assert_eq!(written.settings.budget, 12);
    let names: Vec<&str> = written.fixed.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, ["input.lr", "steps"]);
}

/// Each command is a process of its own, so nothing is kept but the journal.
#[test]
fn processes_that_ask_and_tell_in_turn_are_one_search() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), SEARCH);
    let out = folder.path().join("out");
    let mut whole = Asking::open(&path, &folder.path().join("other")).unwrap();
    loop {
        let asked = whole.ask();
        assert_eq!(Asking::open(&path, &out).unwrap().ask(), asked);
        if asked.is_empty() {
            break;
        }
        for (number, values) in asked.iter().rev() {
            assert_eq!(values["steps"], 300);
            assert_eq!(values["input.lr"], 2);
            Asking::open(&path, &out)
                .unwrap()
                .tell(*number, &[loss(values)])
                .unwrap();
        }
        for (number, values) in asked {
            whole.tell(number, &[loss(&values)]).unwrap();
        }
    }
    let resumed = Asking::open(&path, &out).unwrap();
    assert_eq!(resumed.search().report(), whole.search().report());
    assert_eq!(resumed.search().runs().len(), 12);
}

/// A crash while a line is written leaves part of one.
#[test]
fn a_torn_line_was_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "lr = \"auto\"");
    let journal = folder.path().join("told.jsonl");
    let open = || Asking::open(&path, folder.path()).unwrap();
    open().tell(0, &[2.5]).unwrap();
    let whole = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, format!("{whole}{}", &whole[..10])).unwrap();
    let next = open().ask();
    assert_eq!(next[0].0, 1);
    open().tell(1, &[f64::INFINITY]).unwrap();
    assert_eq!(open().ask()[0].0, 2);
}

#[test]
fn a_larger_budget_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let budget = |runs: usize| {
        let text = format!("lr = \"auto\"\n[search]\nbudget = {runs}");
        Asking::open(&write(folder.path(), &text), folder.path()).unwrap()
    };
    let mut one = budget(1);
    one.ask();
    one.tell(0, &[2.5]).unwrap();
    assert!(one.ask().is_empty());
    assert_eq!(budget(2).ask()[0].0, 1);
}

#[test]
fn losses_are_of_one_search() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "lr = \"auto\"\nsteps = 100");
    Asking::open(&path, folder.path())
        .unwrap()
        .tell(0, &[2.5])
        .unwrap();
    write(folder.path(), "lr = \"auto\"\nsteps = 200");
    let error = Asking::open(&path, folder.path()).unwrap_err();
    assert!(matches!(error, AskError::Changed { .. }), "{error}");
}

#[test]
fn what_makes_no_sense_is_refused_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            "lr = 0.1",
            "`lr` and everything else is fixed; what is to be found is \"auto\"",
        ),
        (
            "taste = \"auto\"",
            "`taste` has no usual value; say where to begin",
        ),
        (
            "lr = { from = 0.1 }",
            "`lr` is a grid without an end; write { from, to, step }",
        ),
        (
            "lr = { from = 1, to = 0.1 }",
            "`lr` is a grid from 1 to 0.1, which is none",
        ),
        (
            "lr = { from = 0.1, to = 1, step = 0 }",
            "`step` is 0; it must be a positive number of octaves",
        ),
        (
            "lr = { from = 0.1, to = 1, start = 0.5 }",
            "`lr` has a key `start`; there are from, to, step in a grid",
        ),
        (
            "lr = { from = 0.1, to = 1 }\nbatch = \"auto\"",
            "`lr` is a grid and `batch` is \"auto\"",
        ),
        (
            "lr = { from = 0.001, to = 1, step = 0.01 }",
            "the grid has 997 points, more than 500",
        ),
        (
            "lr = { from = 0.1, to = 1 }\nsearch = { budget = 3 }",
            "`search` has `budget`, and every point of a grid is run",
        ),
        (
            "lr = { auto = true, form = 1 }",
            "`lr` has a key `form`; there are auto, start",
        ),
        (
            "lr = { auto = true, from = -1 }",
            "`lr` has from = -1; write a positive number",
        ),
        ("lr = [1, 2]", "`lr` is a list; give a value"),
        (
            "lr = \"autto\"\nbatch = \"auto\"",
            "`lr` is \"autto\"; write a number, \"2^-12\" or \"auto\"",
        ),
        ("lr = { auto = true, from = 1, to = 0.1 }", "`lr` starts at"),
        ("beta1 = { auto = true, start = 2 }", "`beta1` starts at 2"),
    ];
    for (text, wanted) in cases {
        let error = Written::read(&write(folder.path(), text))
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
}
