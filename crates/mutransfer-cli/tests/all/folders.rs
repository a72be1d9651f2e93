//! Output folders: nobody else's file is overwritten, no other study's trial is judged, and no
//! other build's result is taken for one's own.

use crate::common;

use std::fs;
use std::path::Path;

use common::{database, mutransfer, study, write};
use serde_json::Value;

/// Exit code and standard error of the program in a folder.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = mutransfer()
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

const SMALL: &str = "rules = [\"mup\"]\nwidths = [8]\ntarget_width = 16\nsteps = 5";

#[test]
fn a_study_overwrites_no_file_of_others_unless_told_so() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "study.toml", &study(SMALL));
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    for name in ["results.csv", "report.html", "study.db", "losses.png"] {
        let file = write(&out, name, "mine");
        let (code, said) = run(folder.path(), &["transfer", "study.toml", "--out", "out"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains(&format!("{name} was not written by this program"))
                && said.contains("--overwrite"),
            "{said}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert!(!out.join("trials").exists());
        fs::remove_file(file).unwrap();
    }
    write(&out, "results.csv", "mine");
    let overwrite = ["transfer", "study.toml", "--out", "out", "--overwrite"];
    assert_eq!(run(folder.path(), &overwrite).0, Some(0));
    // What it has written once is its own.
    let again = run(folder.path(), &["transfer", "study.toml", "--out", "out"]);
    assert_eq!(again.0, Some(0), "{}", again.1);
}

#[test]
fn no_command_overwrites_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let curves = "width,seed,step,loss,mine\n8,0,0,2,x\n16,0,0,1,y\n";
    let sizes = "rule,width,step,module,l1,mine\nmup,8,0,lm_head,1,x\nmup,16,0,lm_head,1,y\n";
    write(folder.path(), "curves.csv", curves);
    write(folder.path(), "coordinates.csv", sizes);
    let cases: [(&[&str], &str); 2] = [
        (&["monitor", "curves.csv", "--out", "."], "curves.csv"),
        (
            &["coord", "--from", "coordinates.csv", "--out", "."],
            "coordinates.csv",
        ),
    ];
    for (arguments, file) in cases {
        let (code, said) = run(folder.path(), arguments);
        assert_eq!(code, Some(2), "{said}");
        let message = format!("{file} was not written by this program");
        assert!(said.contains(&message), "{said}");
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(text.contains("mine"), "{file}: {text}");
    }
}

#[test]
fn a_report_and_a_measurement_overwrite_no_file_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let runs = "rule,width,lr,seed,loss\nsp,8,0.1,0,2\nsp,8,0.2,0,1\nsp,8,0.4,0,2\n";
    write(folder.path(), "runs.csv", runs);
    let cases: [(&[&str], &str); 2] = [
        (&["analyze", "runs.csv", "--report", "."], "report.html"),
        (
            &[
                "theory",
                "mup",
                "--measure",
                "--widths",
                "8,16",
                "--seeds",
                "1",
                "--out",
                ".",
            ],
            "kernel.csv",
        ),
    ];
    for (arguments, file) in cases {
        let path = write(folder.path(), file, "mine");
        let (code, said) = run(folder.path(), arguments);
        assert_eq!(code, Some(2), "{said}");
        let message = format!("{file} was not written by this program");
        assert!(said.contains(&message), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_file(path).unwrap();
        let (code, said) = run(folder.path(), arguments);
        assert_eq!(code, Some(0), "{said}");
        assert!(folder.path().join(file).exists());
    }
}

/// Curves of an earlier study in the same folder are of another model.
#[test]
fn only_the_trials_of_the_last_study_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for steps in [10, 20] {
        let text = study(&format!("rules = [\"mup\"]\nseeds = 2\nsteps = {steps}"));
        write(folder.path(), "study.toml", &text);
        let done = run(folder.path(), &["transfer", "study.toml", "--out", "out"]);
        assert_eq!(done.0, Some(0), "{}", done.1);
    }
    let (code, said) = run(folder.path(), &["monitor", "out", "--out", "judged"]);
    assert!(matches!(code, Some(0 | 1 | 3)), "{said}");
    let curves = fs::read_to_string(folder.path().join("judged/curves.csv")).unwrap();
    assert!(curves.contains(",19,"), "{curves}");
    let exported = mutransfer().arg("export").arg(&out).output().unwrap();
    let exported = String::from_utf8(exported.stdout).unwrap();
    let mut rows = exported.lines().skip(1);
    assert!(
        exported.lines().count() > 20 && rows.all(|row| row.contains(",20,")),
        "{exported}"
    );
    let count = "SELECT count(*) FROM result";
    let all: i64 = database(&out)
        .query_row(count, [], |row| row.get(0))
        .unwrap();
    assert!((exported.lines().count() as i64) < all, "{all}");
}

#[test]
fn results_of_another_build_are_run_again_unless_accepted() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "study.toml", &study(SMALL));
    let transfer = |more: &[&str]| {
        let arguments = [&["transfer", "study.toml", "--out", "out"], more].concat();
        let (code, said) = run(folder.path(), &arguments);
        assert_eq!(code, Some(0), "{said}");
        said
    };
    transfer(&[]);
    let out = folder.path().join("out");
    let first = "rowid = (SELECT min(rowid) FROM result)";
    let change =
        format!("UPDATE result SET record = json_set(record, '$.build', ?1) WHERE {first}");
    database(&out).execute(&change, ["another"]).unwrap();
    let others = || -> i64 {
        let count = "SELECT count(*) FROM result WHERE record ->> 'build' = 'another'";
        database(&out)
            .query_row(count, [], |row| row.get(0))
            .unwrap()
    };
    let said = transfer(&["--accept-build"]);
    assert!(
        said.contains("1 trials keep the results of another build"),
        "{said}"
    );
    assert_eq!(others(), 1);
    let said = transfer(&[]);
    assert!(
        said.contains("1 trials have results of another build"),
        "{said}"
    );
    assert_eq!(others(), 0);
}

/// A table in TOML works wherever a rule is named, and means the same everywhere. This one is μP.
#[test]
fn a_table_is_the_rule_that_it_spells_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let mup = include_str!("../../../../counterexamples/none.toml");
    write(folder.path(), "mine.toml", mup);
    let rules = "rules = [\"mup\", \"mine.toml\"]\nwidths = [8, 16]\noptimizer = \"adam\"";
    write(folder.path(), "study.toml", &study(rules));
    let elsewhere = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    // The table lies beside the study, wherever the program runs.
    let done = run(
        elsewhere.path(),
        &["transfer", path.to_str().unwrap(), "--out", "out"],
    );
    assert_eq!(done.0, Some(0), "{}", done.1);
    let results = fs::read_to_string(elsewhere.path().join("out/results.csv")).unwrap();
    let of = |rule: &str| -> Vec<&str> {
        let rows = results.lines().filter_map(|row| row.strip_prefix(rule));
        rows.collect()
    };
    assert!(
        of("mup,").len() >= 15 && of("mine,") == of("mup,"),
        "{results}"
    );

    let printed = |arguments: &[&str]| {
        let output = mutransfer()
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_ne!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let coord = |rule: &str, expect: &str| {
        let arguments = [
            "coord",
            "--json",
            "--model",
            "mlp",
            "--widths",
            "8,16,32",
            "--seeds",
            "2",
            "--steps",
            "1",
            "--optimizer",
            "adam",
            "--rule",
            rule,
            "--expect",
            expect,
            "--out",
            "coord",
        ];
        let mut check = printed(&arguments);
        let cells = check[0]["cells"].as_array_mut().unwrap();
        for cell in &mut *cells {
            cell.as_object_mut().unwrap().remove("rule");
        }
        cells.clone()
    };
    assert_eq!(coord("mine.toml", "mup"), coord("mup", "mine.toml"));
    let theory = |rule: &str| {
        let theory = printed(&["theory", rule, "--optimizer", "adam", "--json"]);
        (theory[0]["regime"].clone(), theory[0]["stability"].clone())
    };
    assert_eq!(theory("mine.toml"), theory("mup"));
    for command in ["rules", "theory"] {
        let (code, said) = run(folder.path(), &[command, "no-such.toml"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("cannot read no-such.toml"), "{said}");
    }
}
