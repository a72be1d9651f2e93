//! Bad input: one clear error that names the thing, the place and the fix, exit code 2, and nothing
//! started.

use crate::common;

use std::fs;

use common::{mutransfer, study, unpack, write};

/// Runs `mutransfer transfer` on a study and gives what it said on failing with code 2.
#[track_caller]
fn refused(study: &str, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", study);
    let out = folder.path().join("out");
    let output = mutransfer()
        .args(["transfer", &study, "--out"])
        .arg(&out)
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(
        !out.join("trials").exists(),
        "nothing may have begun: {said}"
    );
    said
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
}

#[test]
fn missing_and_empty_data() {
    let said = refused(&study(""), &["--data", "/no/such/text"]);
    says(
        &said,
        &[
            "error: cannot read data at /no/such/text",
            "because No such file",
            "hint: --data takes a text file",
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let empty = write(folder.path(), "empty.txt", "");
    says(
        &refused(&study(""), &["--data", &empty]),
        &["empty.txt is empty", "hint: "],
    );
}

#[test]
fn data_shorter_than_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let short = write(folder.path(), "short.txt", "too short");
    let said = refused(&study(""), &["--data", &short]);
    says(
        &said,
        &[
            "short.txt has 9 bytes, of which training gets 9; it needs 288",
            "32 sequences of 9 bytes",
            "hint: give more text",
        ],
    );
}

#[test]
fn unknown_keys_and_values() {
    let said = refused(&study("lerning_rate = 1"), &[]);
    says(
        &said,
        &[
            "error: cannot read the study",
            "study.toml",
            "unknown field `lerning_rate`",
            "hint: `mutransfer transfer --help`",
        ],
    );
    says(
        &refused(&study("model = \"lstm\""), &[]),
        &["unknown model `lstm`; known: gpt, bert, moe, mlp, cnn, resnet"],
    );
    says(
        &refused(&study("rules = [\"magic\"]"), &[]),
        &["unknown rule `magic`; known: sp, sp-constant-std,"],
    );
    says(
        &refused(&study("optimizer = \"lion\""), &[]),
        &["unknown optimizer for training `lion`; known: sgd, adam, adamw"],
    );
    says(
        &refused(&study("steps = \"many\""), &[]),
        &["invalid type", "steps"],
    );
}

/// The gates of the built-in model sum to 1: a rule for others would scale their sum wrongly.
#[test]
fn rules_for_other_gates() {
    let of = |rule: &str, active: usize| {
        let keys = format!(
            "model = \"moe\"\nhead_dim = 8\nbatch = 8\nrules = [\"{rule}\"]\n\
             experts = {{ count = 4, active = {active} }}\n\
             base_experts = {{ count = 4, active = {active} }}"
        );
        study(&keys)
    };
    for rule in [
        "jiang-moe",
        "complete-mue:gate=sqrt-gate",
        "complete-mue:gate=sigmoid",
    ] {
        says(
            &refused(&of(rule, 2), &[]),
            &["the model moe has no use for a rule or a choice for other gates"],
        );
    }
    for (rule, active) in [
        ("complete-mue", 2),
        ("complete-mue:gate=sigmoid", 1),
        ("mup", 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "study.toml", &of(rule, active));
        let mut command = mutransfer();
        command.args(["sweep", &path, "--prepare", "--out"]);
        let output = command.arg(folder.path().join("out")).output().unwrap();
        assert!(output.status.success(), "{rule}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        says(&said, &["tokens reach an expert in a step"]);
    }
}

#[test]
fn widths_that_heads_do_not_tile() {
    let said = refused(&study("model = \"gpt\"\nwidths = [16, 40]"), &[]);
    says(
        &said,
        &[
            "width 40 is not divisible by head_dim 16",
            "hint: choose widths that are multiples of 16",
        ],
    );
    let both = refused(&study("model = \"gpt\"\nheads = 2\nhead_dim = 8"), &[]);
    says(&both, &["`heads` and `head_dim` are both given"]);
}

#[test]
fn senseless_grids_and_sizes() {
    let grid = |text: &str| refused(&study(&format!("lr = {text}")), &[]);
    says(
        &grid("{ from = \"2^-3\", to = \"2^-8\", step = 1 }"),
        &["`lr` is an empty grid", "2^-3", "2^-8"],
    );
    says(
        &grid("{ from = \"2^-8\", to = \"2^-3\", step = 0 }"),
        &["`lr.step` is 0"],
    );
    says(
        &grid("{ from = -3, to = \"2^-3\", step = 1 }"),
        &["not a learning rate: -3; write \"2^-12\" or a positive number"],
    );
    says(
        &grid("{ from = \"fast\", to = \"2^-3\" }"),
        &["not a learning rate: fast"],
    );
    says(&refused(&study("widths = []"), &[]), &["`widths` is empty"]);
    says(
        &refused(&study("widths = [0, 8]"), &[]),
        &["`widths` is zero"],
    );
    says(&refused(&study("rules = []"), &[]), &["`rules` is empty"]);
    says(&refused(&study("seeds = 0"), &[]), &["`seeds` is zero"]);
    says(
        &refused(&study("warmup = 20"), &[]),
        &["`warmup` is 20, not below `steps` = 20"],
    );
    says(
        &refused(&study("weight_decay = -1.0"), &[]),
        &["`weight_decay` is -1"],
    );
    says(
        &refused(&study("name = \"../elsewhere\""), &[]),
        &["`name` must consist of"],
    );
}

/// What would end in the middle of the training for want of memory, or panic before.
#[test]
fn sizes_beyond_reason_are_refused() {
    for key in [
        "base_width",
        "target_width",
        "depth",
        "seeds",
        "steps",
        "batch",
        "context",
        "heads",
        "head_dim",
    ] {
        for size in ["1000000000", "9223372036854775807"] {
            let said = refused(&study(&format!("{key} = {size}")), &[]);
            says(&said, &[&format!("`{key}` is {size}; it must be at most ")]);
        }
    }
    let said = refused(&study("widths = [8, 1000000000]"), &[]);
    says(&said, &["`widths` is 1000000000"]);
}

#[test]
fn senseless_hyperparameters_are_refused_by_their_keys() {
    let cases = [
        ("momentum = 1.0", "`momentum` is 1; it must be "),
        ("beta1 = -0.5", "`beta1` is -0.5; it must be "),
        ("eps = -1.0", "`eps` is -1; it must be "),
        ("init_std = 0.0", "`init_std` is 0; it must be "),
        ("input = { lr = 0.0 }", "`input.lr` is 0; it must be "),
        (
            "hidden = { init = -1.0 }",
            "`hidden.init` is -1; it must be ",
        ),
        (
            "attention = { multiplier = -1.0 }",
            "`attention.multiplier` is -1; it must be ",
        ),
        ("input = { rate = 2.0 }", "unknown field `rate`"),
        (
            "hidden = { multiplier = 2.0 }",
            "has no use for a multiplier on hidden parameters",
        ),
        (
            "attention = { multiplier = 2.0 }",
            "the model mlp has no use for a factor on attention",
        ),
        ("name = \"..\"", "`name` must consist of"),
        (
            "rules = [\"mup\", \"mup\"]",
            "`rules` has two of the name `mup`",
        ),
        ("rules = [\"no.toml\"]", "because cannot read"),
    ];
    for (key, part) in cases {
        says(&refused(&study(key), &[]), &[part]);
    }
}

#[test]
fn an_output_folder_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", &study(""));
    // A file where the folder should be cannot be written to by anybody, not even by root.
    let file = write(folder.path(), "file", "");
    let output = mutransfer()
        .args(["transfer", &study, "--out", &file])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    says(
        &said,
        &[
            "error: cannot create ",
            "file",
            "hint: choose a folder you may write to with --out",
        ],
    );
}

#[test]
fn no_jobs_and_no_study() {
    let said = refused(&study(""), &["--jobs", "0"]);
    says(&said, &["--jobs", "0 is not in 1.."]);
    let output = mutransfer()
        .args(["transfer", "/no/such/study.toml"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    says(
        &said,
        &[
            "error: cannot read /no/such/study.toml",
            "because No such file",
        ],
    );
}

#[test]
fn damaged_records_are_named_put_aside_and_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", &study(""));
    let out = folder.path().join("out");
    let run = || {
        mutransfer()
            .args(["transfer", &study, "--out"])
            .arg(&out)
            .output()
            .unwrap()
    };
    assert!(run().status.success());
    let results = fs::read_to_string(out.join("results.csv")).unwrap();
    let trials = unpack(&out);
    // Torn, empty as after a power cut, of another trial, and without its curve.
    let record = |trial: usize| trials[trial].join("result.json");
    fs::write(record(0), "{\"status\": \"fini").unwrap();
    fs::write(record(1), "").unwrap();
    fs::copy(record(3), record(2)).unwrap();
    fs::write(trials[3].join("metrics.jsonl"), "").unwrap();
    let output = run();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let expected =
        "4 trials have damaged records, which are put aside, and are run again; the first: ";
    says(&said, &[expected, ".damaged.json"]);
    assert_eq!(
        fs::read(trials[0].with_extension("damaged.json")).unwrap(),
        b"{\"status\": \"fini"
    );
    assert_eq!(
        fs::read_to_string(out.join("results.csv")).unwrap(),
        results
    );
}

#[test]
fn a_failed_worker_is_reported_with_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let data = write(folder.path(), "text", &"words and words ".repeat(100));
    let study = write(
        folder.path(),
        "study.toml",
        &study("widths = [8]\nrules = [\"sp\"]"),
    );
    let out = folder.path().join("out");
    let run = || {
        mutransfer()
            .args(["transfer", &study, "--data", &data, "--out"])
            .arg(&out)
            .output()
            .unwrap()
    };
    assert!(run().status.success());
    // A trial whose text is not what its record says must not be trained.
    let trial = unpack(&out).swap_remove(0);
    fs::write(&data, "other words than before ".repeat(100)).unwrap();
    let output = mutransfer().arg("run-trial").arg(&trial).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    says(
        &String::from_utf8_lossy(&output.stderr),
        &["has changed since the study began"],
    );
}

#[test]
fn bad_coordinate_checks() {
    let refused = |arguments: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let output = mutransfer()
            .arg("coord")
            .args(arguments)
            .arg("--out")
            .arg(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    says(
        &refused(&["--rule", "magic"]),
        &["unknown rule `magic`; known: sp, sp-constant-std,"],
    );
    says(
        &refused(&["--optimizer", "lion"]),
        &["unknown optimizer for training `lion`; known: sgd, adam, adamw"],
    );
    says(
        &refused(&["--widths", "16,40"]),
        &["width 40 is not divisible by head_dim 16"],
    );
    says(&refused(&["--lr", "0"]), &["not a learning rate: 0"]);
    says(&refused(&["--seeds", "0"]), &["--seeds"]);
    says(&refused(&["--widths", "0"]), &["at least 1"]);
}
