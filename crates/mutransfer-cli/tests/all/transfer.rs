//! The path from a study to its report, as a user runs it.

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{database, mutransfer, study, unpack, write};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_study_leaves_everything_it_promises_and_the_same_bits_on_any_number_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", &study(""));
    let out = |name: &str| folder.path().join(name);
    let run = |name: &str, jobs: &str| {
        let output = mutransfer()
            .args(["transfer", &study, "--jobs", jobs, "--json", "--out"])
            .arg(out(name))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = run("one", "1");
    run("two", "2");
    let results = read(&out("one").join("results.csv"));
    assert_eq!(results, read(&out("two").join("results.csv")));
    assert!(
        results.starts_with("rule,width,depth,lr,seed,steps,status,train_loss,loss\n"),
        "{results}"
    );
    // Two rules at two proxies and the target, five rates each; a transfer is one more where its
    // rate is not of the grid.
    assert!((31..=33).contains(&results.lines().count()), "{results}");

    let summary: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        summary,
        serde_json::from_str::<serde_json::Value>(&read(&out("one").join("summary.json"))).unwrap()
    );
    for rule in ["sp", "mup"] {
        let rule = &summary["rules"][rule];
        // The proxies and the target, which is swept too.
        assert_eq!(rule["optima"].as_array().unwrap().len(), 3);
        for key in ["at", "value", "log2", "loss", "flags"] {
            assert!(rule["optima"][0].get(key).is_some(), "{key}");
        }
        assert!(rule.get("drift_octaves").is_some());
        let carried = rule["transfer"]["value"].to_string();
        assert!(
            results
                .lines()
                .any(|row| row.contains(&format!(",32,1,{carried},"))),
            "{carried} in {results}"
        );
        assert_eq!(rule["transfer"]["to"], 32.0);
        for key in ["from", "log2", "loss", "seeds"] {
            assert!(rule["transfer"].get(key).is_some(), "{key}");
        }
        assert!(rule.get("regret").is_some());
    }
    let checks = summary["coordinate_checks"].as_array().unwrap();
    assert_eq!(
        [&checks[0]["rule"], &checks[1]["rule"]],
        ["sp", "mup"],
        "{checks:?}"
    );
    assert_eq!(checks[0]["verdict"], "fail");
    let plan: serde_json::Value =
        serde_json::from_str(&read(&out("one").join("plan.json"))).unwrap();
    assert_eq!(plan["rule"], "mup");
    assert_eq!(plan["params"]["hidden.0.weight"]["role"], "hidden");
    let rate = |name: &str| plan["params"][name]["lr"].as_f64().unwrap();
    assert!(
        (rate("input.weight") / rate("hidden.0.weight") - 4.0).abs() < 1e-12,
        "target 32 against base 8"
    );

    let report = read(&out("one").join("report.html"));
    assert!(
        report.contains("<svg")
            && !report.contains("src=\"http")
            && !report.contains("href=\"http")
    );
    for part in [
        "Conclusion",
        "What tuning costs",
        "worker time, measured",
        "Coordinate check",
    ] {
        assert!(report.contains(part), "{part}");
    }
    for figure in [
        "optima.svg",
        "losses.svg",
        "losses.png",
        "coordinates.svg",
        "coordinates.png",
    ] {
        assert!(
            fs::metadata(out("one").join(figure)).unwrap().len() > 1000,
            "{figure}"
        );
    }
}

#[test]
fn a_finished_study_is_not_run_again_and_a_longer_one_continues_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = |text: &str| {
        let study = write(folder.path(), "study.toml", text);
        let output = mutransfer()
            .args(["transfer", &study, "--out"])
            .arg(&out)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    run(&study(""));
    let results = read(&out.join("results.csv"));
    // A record that is written again has another number and another time.
    let records = || -> Vec<(i64, String)> {
        let database = database(&out);
        let select = "SELECT rowid, record FROM result ORDER BY rowid";
        let mut rows = database.prepare(select).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    // Results of older versions have no time.
    let forget = "UPDATE result SET record = json_remove(record, '$.seconds') WHERE rowid = 1";
    assert_eq!(database(&out).execute(forget, []).unwrap(), 1);
    let before = records();
    assert!(before[1].1.contains("\"seconds\":"), "{before:?}");
    assert_eq!(fs::read_dir(out.join("trials")).unwrap().count(), 0);
    run(&study(""));
    assert_eq!(records(), before);
    assert_eq!(read(&out.join("results.csv")), results);
    // Of a study that an older version left, nothing is run again either.
    assert_eq!(unpack(&out).len(), before.len());
    run(&study(""));
    let mut taken: Vec<String> = records()
        .into_iter()
        .map(|(_, record)| record.replace(",\"seconds\":null", ""))
        .collect();
    let mut kept: Vec<String> = before.iter().map(|(_, record)| record.clone()).collect();
    taken.sort();
    kept.sort();
    assert_eq!(taken, kept);
    assert_eq!(read(&out.join("results.csv")), results);
    let before = records();
    run(&study("seeds = 2"));
    assert_eq!(records()[..before.len()], before[..]);
    assert!(read(&out.join("results.csv")).lines().count() > results.lines().count());
}

/// Divergence is a result: a study of nothing else ends well, and its report says what to do.
#[test]
fn a_study_in_which_everything_diverges_still_has_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let grid = "lr = { from = \"2^10\", to = \"2^14\", step = 2 }";
    let study = write(folder.path(), "study.toml", &study(grid));
    let out = folder.path().join("out");
    let output = mutransfer()
        .args(["transfer", &study, "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        read(&out.join("results.csv"))
            .lines()
            .skip(1)
            .all(|row| row.ends_with(",diverged,NaN,NaN"))
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("diverged"));
    assert!(read(&out.join("report.html")).contains("diverged"));
}

/// Ctrl-C at any moment keeps what finished, and the same command continues from there to the same
/// bits.
#[cfg(unix)]
#[test]
fn an_interrupted_study_keeps_its_finished_trials_and_continues() {
    let folder = tempfile::tempdir().unwrap();
    let text = study("steps = 40\nseeds = 3");
    let study = write(folder.path(), "study.toml", &text);
    let (cut, whole) = (folder.path().join("cut"), folder.path().join("whole"));
    let command = |out: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mutransfer"));
        command
            .args(["transfer", &study, "--jobs", "2", "--out"])
            .arg(out)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    };
    assert!(command(&whole).status().unwrap().success());

    let child = command(&cut).spawn().unwrap();
    let rows = |out: &Path| {
        fs::read_to_string(out.join("results.csv"))
            .map_or(0, |text| text.lines().count().max(1) - 1)
    };
    while rows(&cut) < 3 {
        std::thread::yield_now();
    }
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("error: interrupted; ") && said.contains("hint: the same command continues"),
        "{said}"
    );
    let kept = rows(&cut);
    assert!(
        (3..rows(&whole)).contains(&kept),
        "{kept} of {}",
        rows(&whole)
    );

    assert!(command(&cut).status().unwrap().success());
    assert_eq!(
        read(&cut.join("results.csv")),
        read(&whole.join("results.csv"))
    );
}

/// A worker ends when the process that started it is killed, so no orphan writes into a folder.
#[cfg(unix)]
#[test]
fn a_killed_study_leaves_no_workers_behind() {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", &study("steps = 100000"));
    let out = folder.path().join("out");
    let mut child = Command::new(env!("CARGO_BIN_EXE_mutransfer"))
        .args(["transfer", &study, "--jobs", "1", "--out"])
        .arg(&out)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let workers = || {
        let output = Command::new("pgrep")
            .arg("-f")
            .arg(out.join("trials"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    while workers() == 0 {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let begun = std::time::Instant::now();
    while workers() > 0 {
        assert!(
            begun.elapsed().as_secs() < 20,
            "a worker outlived its study"
        );
        std::thread::yield_now();
    }
}

#[test]
fn user_text_is_trained_on_as_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let data = write(
        folder.path(),
        "text",
        &"to be or not to be, that is the question. ".repeat(100),
    );
    let study = write(
        folder.path(),
        "study.toml",
        &study("widths = [8]\nrules = [\"mup\"]"),
    );
    let out = folder.path().join("out");
    let output = mutransfer()
        .args(["transfer", &study, "--data", &data, "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        printed.contains("μP") && !printed.contains("SP"),
        "{printed}"
    );
    assert!(printed.contains("Coordinate check of μP: "), "{printed}");
    assert!(read(&out.join("report.html")).contains("<strong>μP: "));
    let plan: serde_json::Value = serde_json::from_str(&read(&out.join("plan.json"))).unwrap();
    assert_eq!(plan["optimizer"], "adamw");
}

/// The bar of the demo, a quarter of an hour on two cores.
#[test]
#[ignore = "a quarter of an hour: the demo at ten base seeds"]
fn the_demo_concludes_at_ten_base_seeds() {
    let demo = include_str!("../../../../examples/demo.toml");
    for seed in (0..10).map(|seed| 1000 * seed) {
        let folder = tempfile::tempdir().unwrap();
        let study = write(
            folder.path(),
            "demo.toml",
            &format!("seed = {seed}\n{demo}"),
        );
        let output = mutransfer()
            .args(["transfer", &study, "--json", "--out"])
            .arg(folder.path().join("out"))
            .output()
            .unwrap();
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let of = |rule: &str| found["rules"][rule]["verdict"].as_str().unwrap().to_owned();
        assert_eq!([of("sp"), of("mup")], ["fails", "transfers"], "seed {seed}");
        let checks = found["coordinate_checks"].as_array().unwrap();
        let verdict = |rule: &str| {
            let check = checks.iter().find(|check| check["rule"] == rule);
            check.unwrap()["verdict"].as_str().unwrap().to_owned()
        };
        assert_eq!(
            [verdict("sp"), verdict("mup")],
            ["fail", "pass"],
            "seed {seed}"
        );
    }
}
