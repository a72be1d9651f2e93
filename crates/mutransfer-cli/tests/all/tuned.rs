//! Studies whose hyperparameters are found by a search: on the smallest proxy, confirmed on the
//! largest, carried to the target.

use crate::common;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{mutransfer, write};
use serde_json::Value;

const STUDY: &str = "name = \"tuned\"\nhead_dim = 8\nwidths = [16, 32]\ntarget_width = 64\n\
                     batch = 4\ncontext = 8\nsteps = 40\n";

/// Exit code, stdout and stderr.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mutransfer().args(arguments).output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

#[track_caller]
fn done(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = run(arguments);
    assert_eq!(code, Some(0), "{stderr}{stdout}");
    stdout
}

#[track_caller]
fn refused(arguments: &[&str], part: &str) {
    let (code, _, stderr) = run(arguments);
    assert!(
        code == Some(2) && stderr.contains(part),
        "{part:?} in {stderr}"
    );
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Its mean lies in its interval.
#[track_caller]
fn is_measured(value: &Value) {
    let of = |place: &Value| place.as_f64().unwrap();
    let [low, high] = [0, 1].map(|end| of(&value["interval"][end]));
    assert!(
        low <= of(&value["value"]) && of(&value["value"]) <= high,
        "{value}"
    );
}

#[test]
fn a_learning_rate_is_found_confirmed_carried_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let keys = format!("{STUDY}lr = \"auto\"\nsearch = {{ budget = 8 }}\n");
    let file = write(folder.path(), "study.toml", &keys);
    let out = folder.path().join("out");
    let at = out.to_str().unwrap();
    let tuned = json(&done(&[
        "transfer",
        &file,
        "--out",
        at,
        "--compare",
        "--json",
    ]));
    assert_eq!(
        tuned,
        json(&fs::read_to_string(out.join("tuned.json")).unwrap())
    );
    let [rule] = &tuned["rules"].as_array().unwrap()[..] else {
        panic!("{tuned}");
    };
    assert_eq!(
        (&rule["rule"], &rule["proxy"]),
        (&"mup".into(), &"width 16".into())
    );
    assert!(rule["report"]["runs"].as_u64().unwrap() <= 8);
    is_measured(&rule["confirmed"]["loss"]);
    is_measured(&rule["target"]["loss"]);
    // A neighbour on either side, half an octave away, with the same three seeds.
    let found = rule["values"]["lr"].as_f64().unwrap();
    let neighbours = rule["confirmed"]["neighbours"].as_array().unwrap();
    let ratios = neighbours
        .iter()
        .map(|one| one["values"]["lr"].as_f64().unwrap() / found);
    for (ratio, octaves) in ratios.zip([-0.5_f64, 0.5]) {
        assert!((ratio.log2() - octaves).abs() < 1e-9, "{ratio}");
    }
    // SP at the target, and the rule of the study there.
    let compared = tuned["compared"].as_array().unwrap();
    assert_eq!([0, 1].map(|place| &compared[place]["rule"]), ["sp", "mup"]);
    compared
        .iter()
        .for_each(|one| is_measured(&one["difference"]));
    // The settings of the target are those of the rate that was found.
    let plan = json(&fs::read_to_string(out.join("plan.json")).unwrap());
    assert_eq!(plan["hyper"]["lr"], rule["values"]["lr"]);
    // The page has what is printed, and the figure a panel.
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("SP searched at the target") && page.contains("<svg viewBox="));
    assert!(
        fs::read_to_string(out.join("search.svg"))
            .unwrap()
            .contains(">lr<")
    );
    assert!(out.join("search.png").is_file());
    let printed = done(&["transfer", at, "--compare"]);
    for part in [
        "\u{3bc}P, searched at width 16",
        "Carried to width 64",
        "SP searched at the target",
    ] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
}

/// Every point of the grids together is run, and what is best between them carried.
#[test]
fn a_grid_of_several_is_run_in_whole() {
    let folder = tempfile::tempdir().unwrap();
    let keys = format!(
        "{STUDY}lr = {{ from = 0.004, to = 0.064, step = 2 }}\n\
         output = {{ multiplier = {{ from = 0.25, to = 4, step = 2 }} }}\nbeta1 = {{ from = 0.8, to = 0.95 }}\n"
    );
    let file = write(folder.path(), "study.toml", &keys);
    let out = folder.path().join("out");
    let at = out.to_str().unwrap();
    let tuned = json(&done(&["transfer", &file, "--out", at, "--json"]));
    let report = &tuned["rules"][0]["report"];
    let told = report["tried"].as_array().unwrap();
    // Three rates, three multipliers, and 0.8, 0.9 and 0.95.
    assert_eq!((told.len(), &report["runs"]), (27, &27.into()));
    let table = fs::read_to_string(out.join("results.csv")).unwrap();
    for value in ["0.016", "0.25", "0.9"] {
        let rows = table
            .lines()
            .filter(|row| row.split(',').any(|cell| is_near(cell, value)));
        assert!(rows.count() >= 9, "{value} in {table}");
    }
    let values = &tuned["rules"][0]["values"];
    for (name, from, to) in [
        ("lr", 0.004, 0.064),
        ("output.multiplier", 0.25, 4.0),
        ("beta1", 0.8, 0.95),
    ] {
        let value = values[name].as_f64().unwrap();
        assert!((from..=to).contains(&value), "{name} {value}");
    }
    is_measured(&tuned["rules"][0]["target"]["loss"]);
    let [one, two] = ["--jobs=1", "--jobs=2"].map(|jobs| {
        let out = folder.path().join(jobs);
        json(&done(&[
            "transfer",
            &file,
            "--out",
            out.to_str().unwrap(),
            "--json",
            jobs,
        ]))
    });
    assert!(one == tuned && two == tuned);
}

fn is_near(cell: &str, value: &str) -> bool {
    let [cell, value] = [cell, value].map(|text| text.parse::<f64>().unwrap_or(f64::NAN));
    (cell / value - 1.0).abs() < 1e-9
}

/// Steps of warm-up: whole ones of every trial, and the same part of a longer training.
#[test]
fn a_warmup_is_found_and_carried() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, warmup: &str| {
        let keys = "name = \"warm\"\nhead_dim = 8\nbase = { width = 16 }\nproxies = [{}]\n\
                    target = { tokens = \"2x\" }\nbatch = 4\ncontext = 8\nsteps = 40\n\
                    lr = \"auto\"\nsearch = { budget = 8 }\n";
        write(folder.path(), name, &format!("{keys}warmup = {warmup}\n"))
    };
    let out = folder.path().join("out");
    let study = file("study.toml", "\"auto\"");
    let tuned = json(&done(&[
        "transfer",
        &study,
        "--out",
        out.to_str().unwrap(),
        "--json",
    ]));
    let found = tuned["rules"][0]["values"]["warmup"].as_f64().unwrap();
    assert!((1.0..=20.0).contains(&found), "{found}");
    let table = fs::read_to_string(out.join("results.csv")).unwrap();
    let mut lines = table
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|known| *known == name).unwrap();
    let [warmup, steps] = [column("warmup"), column("steps")];
    let number = |row: &[&str], column: usize| row[column].parse::<u32>().unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    let mut tried: Vec<u32> = rows
        .iter()
        .filter(|row| number(row, steps) == 40)
        .map(|row| number(row, warmup))
        .collect();
    tried.sort_unstable();
    tried.dedup();
    assert!(
        tried.len() > 2 && tried.iter().all(|steps| (1..=20).contains(steps)),
        "{tried:?}"
    );
    let mut longer = rows.iter().filter(|row| number(row, steps) == 80);
    let carried = number(longer.next().unwrap(), warmup);
    assert_eq!(carried, (2.0 * found).round() as u32);
    refused(
        &[
            "transfer",
            &file("long.toml", "{ auto = true, to = 40 }"),
            "--out",
            "long",
        ],
        "not below `steps` = 40",
    );
}

/// Several hyperparameters of all kinds, asked for two at a time: the same trials and the same end
/// with one job and with two, and when the process was killed between.
#[test]
fn a_search_ends_alike_with_any_jobs_and_when_it_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = format!(
        "{STUDY}lr = \"auto\"\nweight_decay = \"auto\"\nbeta2 = \"auto\"\n\
         input = {{ lr = \"auto\" }}\nattention = {{ multiplier = {{ auto = true, from = 0.25, \
         to = 4 }} }}\nsearch = {{ budget = 14, at_once = 2 }}\n"
    );
    let file = write(folder.path(), "study.toml", &keys);
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let tuned = |name: &str, jobs: &str| {
        done(&[
            "transfer",
            &file,
            "--out",
            &place(name),
            "--jobs",
            jobs,
            "--json",
        ])
    };
    let one = tuned("one", "1");
    assert_eq!(one, tuned("two", "2"));
    kill_after(&file, &place("killed"), 5);
    assert_eq!(one, tuned("killed", "2"));
    let rows = |name: &str| {
        let text = fs::read_to_string(Path::new(&place(name)).join("results.csv")).unwrap();
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        rows.sort();
        rows
    };
    assert_eq!(rows("one"), rows("killed"));
    let attention = json(&one)["rules"][0]["values"]["attention.multiplier"].as_f64();
    assert!(attention.is_some_and(|factor| (0.25..=4.0).contains(&factor)));
}

/// The target may be the proxy itself, and the learning rate a number: it is confirmed with all
/// seeds all the same.
#[test]
fn what_is_carried_nowhere_is_confirmed_with_all_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "name = \"one\"\nhead_dim = 8\nwidths = [16]\ntarget_width = 16\nbatch = 4\n\
                context = 8\nsteps = 20\nlr = 0.01\nbeta2 = \"auto\"\n\
                search = { budget = 4 }\n";
    let file = write(folder.path(), "study.toml", keys);
    let out = folder.path().join("out");
    let tuned = json(&done(&[
        "transfer",
        &file,
        "--out",
        out.to_str().unwrap(),
        "--json",
    ]));
    is_measured(&tuned["rules"][0]["confirmed"]["loss"]);
    is_measured(&tuned["rules"][0]["target"]["loss"]);
    assert!(tuned["rules"][0]["target"]["expected_regret"].is_null());
}

/// Kills a study once it has so many results.
fn kill_after(file: &str, out: &str, results: usize) {
    let mut command = mutransfer();
    command.args(["transfer", file, "--out", out, "--jobs", "1"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let count = || {
        let text = fs::read_to_string(Path::new(out).join("results.csv"));
        text.map_or(0, |text| text.lines().count().saturating_sub(1))
    };
    while count() < results && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no results");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("lr = \"auto\"", "sweep", "no sweep"),
        (
            "lr = { from = 0.001, to = 0.1 }\nbeta2 = \"auto\"",
            "transfer",
            "`lr` is a grid",
        ),
        (
            "lr = \"auto\"\nbeta2 = { from = 0.9, to = 0.99 }",
            "transfer",
            "`beta2` is a grid and `lr` is \"auto\"",
        ),
        ("beta2 = { from = 0.9 }", "transfer", "grid without an end"),
        (
            "warmup = \"autom\"",
            "transfer",
            "`warmup` is \"autom\"; write a number, or \"auto\"",
        ),
        (
            "input = { lr = \"atuo\" }",
            "transfer",
            "`input.lr` is \"atuo\"",
        ),
        (
            "warmup = { from = 5, to = 40 }",
            "transfer",
            "not below `steps` = 40",
        ),
        (
            "search = { budget = 3 }",
            "transfer",
            "no hyperparameter is \"auto\"",
        ),
        (
            "lr = \"auto\"\nsearch = { budget = 0 }",
            "transfer",
            "`budget` is 0",
        ),
        (
            "lr = \"auto\"\nsearch = { bugdet = 1 }",
            "transfer",
            "unknown field `bugdet`",
        ),
        (
            "lr = { auto = true, start = 1, to = 0.1 }",
            "transfer",
            "is not between",
        ),
        (
            "eps = { auto = true, start = 1 }",
            "transfer",
            "none of what can be searched for",
        ),
        (
            "vector = { init = { auto = false } }",
            "transfer",
            "there is only auto = true",
        ),
    ];
    for (keys, command, part) in cases {
        let file = write(folder.path(), "study.toml", &format!("{STUDY}{keys}\n"));
        let out = folder.path().join("out");
        refused(&[command, &file, "--out", out.to_str().unwrap()], part);
    }
    let file = write(folder.path(), "study.toml", STUDY);
    let out = folder.path().join("out");
    let arguments = [
        "transfer",
        &file,
        "--compare",
        "--out",
        out.to_str().unwrap(),
    ];
    refused(&arguments, "--compare");
}
