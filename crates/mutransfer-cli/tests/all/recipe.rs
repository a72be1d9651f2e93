//! `mutransfer recipe`: those that come with the program are sound, and one of a file is run and
//! judged.

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{mutransfer, study, write};
use mutransfer_study::recipe::Recipe;
use serde_json::Value;

/// Exit code, stdout and stderr.
fn recipe(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mutransfer().arg("recipe").args(arguments).output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let (code, printed, said) = recipe(arguments);
    assert_eq!((code, printed.as_str()), (Some(2), ""), "{said}");
    assert_eq!(
        (
            said.matches("error: ").count(),
            said.matches("hint: ").count()
        ),
        (1, 1),
        "{said}"
    );
    said
}

/// Names and texts of the files in `recipes/`.
fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let named = |file: &PathBuf| {
        (
            file.file_stem().unwrap().to_str().unwrap().to_owned(),
            fs::read_to_string(file).unwrap(),
        )
    };
    files.iter().map(named).collect()
}

/// A recipe of a tiny study with these expectations.
fn tiny(expected: &str) -> String {
    format!(
        r#"
title = "Tiny"
source = "nobody"
differs = []
time = "a second"
curves_at = "2^-6"
data = {{ kind = "none" }}

[study]
{}

[table]
file = "rules.md"
columns = ["regret", "target_loss"]
note = "A note."

[[expected]]
claim = "at the base width both rules are the same"
quantity = "rules.sp.optima.0.loss"
minus = "rules.mup.optima.0.loss"
value = 0
tolerance = 1e-12

[[expected]]
claim = "something is learnt"
{expected}
"#,
        study("")
    )
}

#[test]
fn every_file_is_listed_shown_as_it_is_and_sound() {
    let (code, listed, _) = recipe(&["list"]);
    assert_eq!(code, Some(0));
    let shipped = shipped();
    assert!(shipped.len() >= 3);
    for (name, text) in shipped {
        assert!(listed.contains(&format!("│ {name} ")), "{name} in {listed}");
        assert_eq!(
            recipe(&["show", &name]),
            (Some(0), text.clone(), String::new())
        );
        let recipe = Recipe::parse(&text, Path::new(&name)).unwrap();
        assert_eq!(recipe.study().name(), name);
        assert!(
            !recipe.expected().is_empty() && !recipe.differs().is_empty(),
            "{name}"
        );
    }
}

#[test]
fn an_unknown_name_lists_those_there_are() {
    for command in ["show", "run"] {
        let said = refused(&[command, "no-such-recipe"]);
        for (name, _) in shipped() {
            assert!(said.contains(&name), "{name} in {said}");
        }
    }
}

#[test]
fn missing_or_other_data_is_met_with_where_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = write(
        folder.path(),
        "text.txt",
        &"to be or not to be ".repeat(1000),
    );
    let out = folder
        .path()
        .join("out")
        .into_os_string()
        .into_string()
        .unwrap();
    let said = refused(&["run", "tiny-shakespeare", "--out", &out]);
    assert!(
        said.contains("--data PATH") && said.contains("https://") && said.contains("input.txt"),
        "{said}"
    );
    let said = refused(&["run", "mnist-mlp", "--data", &text, "--out", &out]);
    assert!(
        said.contains("trains on images") && said.contains("train-images-idx3-ubyte"),
        "{said}"
    );
    let own = write(
        folder.path(),
        "own.toml",
        &tiny("quantity = \"rules.mup.optima.0.loss\"\nhigh = 10"),
    );
    let said = refused(&["run", &own, "--data", &text, "--out", &out]);
    assert!(said.contains("makes its own data"), "{said}");
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_recipe_is_run_judged_and_judged_again_without_training() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = |expected: &str, more: &[&str]| {
        let file = write(folder.path(), "own.toml", &tiny(expected));
        recipe(&[&["run", &file, "--out", out.to_str().unwrap()], more].concat())
    };
    let (code, printed, said) = run(
        "quantity = \"rules.mup.optima.0.loss\"\nlow = 0\nhigh = 10",
        &[],
    );
    assert_eq!(code, Some(0), "{said}{printed}");
    assert!(
        printed.contains("something is learnt") && printed.contains("0 to 10"),
        "{printed}"
    );
    let table = fs::read_to_string(out.join("rules.md")).unwrap();
    assert!(printed.contains(&table), "{table} in {printed}");
    assert!(
        table.starts_with(
            "| rule | regret in nats | loss at the target, tuned there | flags |\n|---|---|---|---|\n| SP |"
        )
    );
    assert!(table.ends_with("\n\nA note.\n"), "{table}");

    let (code, printed, said) = run(
        "quantity = \"gains.mup.16-32.9\"\nlow = -10\nhigh = 10",
        &[],
    );
    assert_eq!(code, Some(0), "{said}{printed}");
    assert!(
        printed.contains("gains.mup.16-32.9") && out.join("monitor/curves.svg").exists(),
        "{printed}"
    );

    let results = || {
        fs::metadata(out.join("trials"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = results();
    let (code, printed, said) = run(
        "quantity = \"rules.mup.optima.0.loss\"\nhigh = 0",
        &["--json"],
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("1 of 2 quantities are not as expected"),
        "{said}"
    );
    assert_eq!(before, results());
    let record: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        record,
        serde_json::from_str::<Value>(&fs::read_to_string(out.join("recipe.json")).unwrap())
            .unwrap()
    );
    let verdicts = |key: &str| {
        record["expected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found[key].clone())
            .collect()
    };
    let (ok, value): (Vec<Value>, Vec<Value>) = (verdicts("ok"), verdicts("value"));
    assert_eq!(
        (&record["ok"], ok),
        (&false.into(), vec![true.into(), false.into()])
    );
    assert_eq!(value[0], 0.0);
    assert!(value[1].as_f64().unwrap() > 0.0 && record["analysis"]["rules"]["sp"].is_object());
}

#[test]
fn what_cannot_be_measured_or_met_is_refused_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            "quantity = \"rules.mu.regret\"\nhigh = 1",
            "names `rules.mu.regret`",
        ),
        (
            "quantity = \"rules.mup.regrets\"\nhigh = 1",
            "names `rules.mup.regrets`",
        ),
        (
            "quantity = \"gains.mup.8-32.0\"\nhigh = 1",
            "names `gains.mup.8-32.0`",
        ),
        (
            "quantity = \"gains.mup.16-32.10\"\nhigh = 1",
            "names `gains.mup.16-32.10`",
        ),
        (
            "quantity = \"rules.mup.regret\"\nvalue = 1",
            "`rules.mup.regret` needs `value` and `tolerance`",
        ),
        (
            "quantity = \"rules.mup.regret\"\nlow = 2\nhigh = 1",
            "no number can be",
        ),
        ("quantity = \"rules.mup.regret\"\nhihg = 1", "hihg"),
    ];
    for (expected, message) in cases {
        let file = write(folder.path(), "own.toml", &tiny(expected));
        let output = mutransfer()
            .args(["recipe", "run", &file])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(message), "{message} in {said}");
    }
    let untried = tiny("quantity = \"rules.mup.regret\"\nhigh = 1").replace("2^-6\"", "2^-5\"");
    let (code, _, said) = recipe(&["run", &write(folder.path(), "own.toml", &untried)]);
    assert!(
        code == Some(2) && said.contains("`curves_at` is 2^-5, which the study does not try"),
        "{said}"
    );
    let shown = recipe(&["show", "no-such-file.toml"]);
    assert!(
        shown.0 == Some(2) && shown.2.contains("cannot read no-such-file.toml"),
        "{}",
        shown.2
    );
}

/// A recipe may come from anywhere, so it names no file outside of the output folder, and none of
/// those that a study writes.
#[test]
fn a_recipe_writes_under_a_name_of_its_own_only() {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "../rules.md",
        "/tmp/rules.md",
        "a/b",
        "a\\\\b",
        "..",
        ".mutransfer",
        "",
        "results.csv",
        "Report.html",
        "trials",
        "recipe.json",
    ];
    for name in names {
        let text = tiny("quantity = \"rules.mup.regret\"\nhigh = 1").replace("rules.md", name);
        let file = write(folder.path(), "own.toml", &text);
        for command in ["show", "run"] {
            let (code, _, said) = recipe(&[command, &file]);
            assert_eq!(code, Some(2), "{name}: {said}");
            assert!(said.contains("`table.file` is "), "{said}");
        }
    }
}

/// Names of rules have points and slashes in them, of built-in ones and of tables.
#[test]
fn a_quantity_is_found_whatever_its_rule_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let table = "name = \"a.b/c\"\n[input]\n[hidden]\nlr = \"m_in^-1\"\n[output]\n";
    write(folder.path(), "mine.toml", table);
    let rules = "rules = [\"uniform:1/4\", \"mine.toml\", \"sp\", \"mup\"]";
    let expected = [
        "quantity = \"rules.uniform:1/4.optima.0.loss\"\nhigh = 100",
        "[[expected]]\nclaim = \"a table's too\"",
        "quantity = \"rules.a.b/c.optima.0.loss\"\nhigh = 100",
        "[[expected]]\nclaim = \"and what it gains\"",
        "quantity = \"gains.a.b/c.8-16.9\"\nlow = -100\nhigh = 100",
        "[[expected]]\nclaim = \"and whether it diverged\"",
        "quantity = \"rules.mup.transfer.diverged\"\nvalue = 0\ntolerance = 0",
    ];
    let text = tiny(&expected.join("\n")).replace(&study(""), &study(rules));
    let file = write(folder.path(), "own.toml", &text);
    let out = folder.path().join("out");
    let (code, printed, said) = recipe(&["run", &file, "--out", out.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}{printed}");
}
