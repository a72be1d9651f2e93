//! Studies along depth, batch, duration, and several of these with the width at once.

use crate::common;

use std::fs;
use std::path::Path;

use common::{exported, mutransfer, write};
use serde_json::Value;

/// A small transformer, with further keys.
fn study(keys: &str) -> String {
    format!(
        "name = \"sizes\"\nhead_dim = 8\nlr = {{ from = \"2^-10\", to = \"2^-4\", step = 2 }}\n\
         batch = 8\ncontext = 8\n{keys}"
    )
}

/// Exit code, stdout and stderr.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mutransfer().args(arguments).output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

#[track_caller]
fn done(arguments: &[&str]) -> (String, String) {
    let (code, stdout, stderr) = run(arguments);
    assert_eq!(code, Some(0), "{stderr}{stdout}");
    (stdout, stderr)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The example study of proxy and target that differ in width, depth and tokens, made small.
#[test]
fn width_depth_and_tokens_grow_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let at = out.to_str().unwrap();
    let keys = "rules = [\"sp\", \"complete-d-p\"]\nsteps = 40\nbase = { width = 16, depth = 1 }\n\
                proxies = [{}]\ntarget = { width = 32, depth = \"2x\", tokens = \"2x\" }";
    let file = write(folder.path(), "study.toml", &study(keys));
    let (printed, said) = done(&["transfer", &file, "--out", at]);
    let target = "width 32, depth 2, tokens 2x";
    for part in [
        "16 trials at width 16, depth 1, tokens 1x".to_owned(),
        format!("verified at {target}"),
        format!("trials at {target}"),
    ] {
        assert!(said.contains(&part), "{part} in {said}");
    }
    let legend = format!("1 is width 16, depth 1, tokens 1x; 16 is {target}");
    assert!(printed.contains(&legend), "{printed}");
    assert!(printed.contains("from compute 1 to 16 "), "{printed}");
    assert!(
        printed.contains("┆ 16 (target) ┆") && printed.contains("┆ compute "),
        "{printed}"
    );
    let report = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(report.contains(&legend) && report.contains(&format!("tuning at {target} instead")));

    let analysis = json(&out.join("analysis.json"));
    assert_eq!(analysis["axis"], "compute");
    let results = out
        .join("results.csv")
        .into_os_string()
        .into_string()
        .unwrap();
    let (table, _) = done(&["analyze", &results, "--axis", "compute", "--json"]);
    let table: Value = serde_json::from_str(&table).unwrap();
    assert_eq!(table["rules"], analysis["rules"]);
    assert_eq!(
        table["along"],
        serde_json::json!(["depth", "steps", "tokens", "width"])
    );

    let (status, _) = done(&["status", at, "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["axis"], "compute");
    assert!(status["rules"]["sp"]["1"].is_object() && status["rules"]["sp"]["16"].is_object());
    let plan = json(&out.join("plan.json"));
    assert!(plan["training"].is_null(), "the first rule is sp");
    let (plan, _) = done(&["plan", "--study", &file, "--rule", "complete-d-p", "--json"]);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["training"]["tokens"], serde_json::json!([2560, 5120]));
    assert_eq!(plan["forward"]["residual"], 0.5);

    let (code, _, said) = run(&["monitor", at, "--out", &format!("{at}/monitor")]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("have other numbers of steps each") && said.contains("hint: "),
        "{said}"
    );
}

#[test]
fn depth_is_an_axis_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let at = out.to_str().unwrap();
    let keys = "rules = [\"complete-p\"]\nsteps = 40\nseeds = 2\nbase = { width = 16, depth = 1 }\n\
                proxies = [{ depth = 2 }, { depth = 1 }]\ntarget = { depth = 4 }";
    let file = write(folder.path(), "study.toml", &study(keys));
    let (printed, said) = done(&["transfer", &file, "--out", at]);
    assert!(
        said.contains("trials at depth 1, 2, verified at depth 4"),
        "{said}"
    );
    let unchecked = "The coordinate check could not be judged: it is over widths, along which";
    for part in [
        "from depth 2 to 4 ",
        "┆ 4 (target) ┆",
        "copied from the largest proxy",
        unchecked,
    ] {
        assert!(
            printed.replace('\n', " ").contains(part),
            "{part} in {printed}"
        );
    }
    let (status, _) = done(&["status", at]);
    assert!(status.contains("┆ depth ┆"), "{status}");
    let (journal, _) = done(&["export", at, "--format", "optuna"]);
    assert!(journal.contains("/complete-p/4\"") && journal.contains("{\"depth\":4.0}"));

    let monitored = format!("{at}/monitor");
    let (_, printed, said) = run(&["monitor", at, "--out", &monitored]);
    assert!(
        printed.contains("┆ depths ┆") && printed.contains("2 to 4"),
        "{said}{printed}"
    );
    assert!(printed.contains("the deeper model is better"), "{printed}");
    let curves = format!("{monitored}/curves.csv");
    let again = format!("{at}/again");
    let (_, table, _) = run(&["monitor", &curves, "--axis", "depth", "--out", &again]);
    assert_eq!(
        table, printed,
        "the table of a study is read as the study is"
    );
    let (code, _, said) = run(&["coord", "--study", &file]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("does not grow in width") && said.contains("--depths"),
        "{said}"
    );
}

/// Losses of the trials of a sweep at these learning rates, which all finish, ascending.
fn losses(folder: &Path, [from, to]: [&str; 2], keys: &str) -> Vec<f64> {
    let text = study(keys).replace("2^-10", from).replace("2^-4", to);
    let out = folder.join(from).join(keys.len().to_string());
    let file = write(folder, "study.toml", &text);
    done(&["sweep", &file, "--out", out.to_str().unwrap()]);
    let mut losses: Vec<f64> = exported(&out)
        .iter()
        .map(|trial| trial["record"]["loss"].as_f64().unwrap())
        .collect();
    losses.sort_by(f64::total_cmp);
    losses
}

/// At the base's sizes all rules are the same, so that what is left is the law of the duration:
/// learning rates over √4, 1 - beta over 4, epsilon times √4 (2512.22382 Table 1).
#[test]
fn a_longer_training_has_the_numbers_of_the_published_law() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = "base = { width = 16, depth = 1 }\nproxies = [{ tokens = \"4x\" }]\n\
                 target = { tokens = \"8x\" }\nverify = false\nsteps = 10\n";
    let of = |rates, keys: &str| losses(folder.path(), rates, keys);
    let rates = ["2^-10", "2^-6"];
    let by_rule = of(rates, &format!("rules = [\"complete-d-p\"]\n{sizes}"));
    let copied = of(rates, &format!("rules = [\"mup\"]\n{sizes}"));
    let by_hand = of(
        ["2^-11", "2^-7"],
        "rules = [\"mup\"]\nwidths = [16]\ntarget_width = 32\ndepth = 1\nverify = false\n\
         steps = 40\nwarmup = 4\nbeta1 = 0.975\nbeta2 = 0.9875\neps = 2e-8\n",
    );
    assert_eq!([by_rule.len(), by_hand.len(), copied.len()], [3; 3]);
    for ((rule, hand), copied) in by_rule.iter().zip(&by_hand).zip(&copied) {
        assert!((rule - hand).abs() < 1e-5, "{rule} and {hand}");
        assert!((rule - copied).abs() > 1e-3, "{rule} and {copied}");
    }
}

/// The recipes along other axes than the width, made small: that they run and are judged, not what
/// they find.
#[test]
fn recipes_along_other_axes_run() {
    let folder = tempfile::tempdir().unwrap();
    let text = write(
        folder.path(),
        "text.txt",
        &"to be or not to be ".repeat(1000),
    );
    let cases = [
        ("depth-tiny-shakespeare", "depth", [2.0, 4.0, 5.0]),
        ("duration", "tokens", [1.0, 2.0, 8.0]),
        ("batch", "batch", [4.0, 8.0, 32.0]),
    ];
    for (name, axis, [_, from, to]) in cases {
        let (recipe, _) = done(&["recipe", "show", name]);
        let small = [
            ("width = 64", "width = 16"),
            ("head_dim = 32", "head_dim = 8"),
            ("context = 64", "context = 8"),
            ("depth = 32", "depth = 5"),
            ("seeds = 3", "seeds = 1"),
            ("steps = 122", "steps = 6"),
            ("steps = 64", "steps = 4"),
            ("steps = 512", "steps = 16"),
            ("step = 0.5", "step = 4"),
            (", { tokens = \"4x\" }", ""),
            (", { batch = 16 }", ""),
        ];
        let small = small
            .iter()
            .fold(recipe, |text, (from, to)| text.replace(from, to));
        let file = write(folder.path(), "small.toml", &small);
        let out = folder.path().join(name);
        let at = out.to_str().unwrap();
        let (code, printed, said) = run(&["recipe", "run", &file, "--data", &text, "--out", at]);
        assert!(matches!(code, Some(0 | 1)), "{name}: {said}");
        let transfer = format!("from {axis} {from} to {to} ");
        assert!(
            printed.replace('\n', " ").contains(&transfer),
            "{transfer} in {printed}"
        );
        assert_eq!(json(&out.join("recipe.json"))["analysis"]["axis"], axis);
    }
}
