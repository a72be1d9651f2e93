//! `mutransfer theory`, `rules`, `check` and `explain`, as a user sees them.

use crate::common;

use std::fs;

use common::{mutransfer, write};
use serde_json::Value;

/// Exit code, stdout and stderr.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mutransfer().args(arguments).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code(), out, err)
}

#[track_caller]
fn json(arguments: &[&str]) -> Value {
    let (code, out, err) = run(arguments);
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str(&out).unwrap()
}

/// TP4 Table 1: regime and r under SGD.
#[test]
fn regimes_of_the_five_tables() {
    let cases = [
        ("sp", "unstable", "-1"),
        ("sp-inverse-width", "kernel", "1/2"),
        ("ntk", "kernel", "1/2"),
        ("mean-field", "features", "0"),
        ("mup", "features", "0"),
    ];
    for (rule, regime, r) in cases {
        let theory = json(&["theory", rule, "--optimizer", "sgd", "--json"]);
        assert_eq!(
            (&theory[0]["regime"], &theory[0]["r"]),
            (&regime.into(), &r.into()),
            "{rule}"
        );
        assert_eq!(theory[0]["stable"], regime != "unstable", "{rule}");
    }
}

#[test]
fn a_table_of_ones_own_is_told_its_failing_layer_and_condition() {
    let folder = tempfile::tempdir().unwrap();
    let table = "family = \"entrywise\"\n[input]\n[hidden]\nb = \"1/2\"\nc = \"1/2\"\n[output]\na = \"1\"\n";
    let file = write(folder.path(), "mine.toml", table);
    let theory = json(&["theory", &file, "--optimizer", "adam", "--json"]);
    assert_eq!(theory[0]["regime"], "unstable");
    let broken: Vec<_> = theory[0]["stability"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["holds"] == false)
        .collect();
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert_eq!(
        (&broken[0]["layer"], &broken[0]["statement"]),
        (&"hidden".into(), &"r >= 0".into())
    );
    assert_eq!(broken[0]["value"], "-1/2");
    assert_eq!(
        (&broken[1]["layer"], &broken[1]["statement"]),
        (&"output".into(), &"a + b + r >= 1".into())
    );
    let (code, out, _) = run(&["theory", &file, "--optimizer", "adam"]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("hidden: r >= 0 does not hold, the left side is -1/2"),
        "{out}"
    );
    let (code, _, err) = run(&["theory", &file, "--optimizer", "sgd"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("has no table for sgd, whose updates are raw-gradient"),
        "{err}"
    );
}

#[test]
fn tables_that_train_the_same_network_are_told() {
    let (_, out, _) = run(&[
        "theory",
        "mup",
        "--same-as",
        "mean-field",
        "--optimizer",
        "adam",
    ]);
    assert!(
        out.contains("train the same network; rotation: input 0, hidden 1/2, output 0"),
        "{out}"
    );
    let (_, out, _) = run(&["theory", "mup", "--same-as", "ntk", "--optimizer", "adam"]);
    assert!(
        out.contains("mup and ntk train different networks"),
        "{out}"
    );
}

/// The page of all tables is what the program prints. `cargo xtask generate` writes it.
#[test]
fn the_page_of_tables_is_generated() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");
    let marker = "<!-- from here on generated: cargo xtask generate -->\n";
    let list = json(&["rules", "--json"]);
    let named = list["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["rule"].as_str().unwrap());
    let mut generated = run(&["rules", "--format", "markdown"]).1;
    for name in named.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')) {
        let (code, out, err) = run(&["rules", name, "--format", "markdown"]);
        assert_eq!(code, Some(0), "{err}");
        generated.push_str(&format!("\n## {name}\n\n{}\n", out.trim_end()));
    }
    let page = fs::read_to_string(path).unwrap();
    let (written, own) = page
        .split_once(marker)
        .expect("the page has a generated part");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, format!("{written}{marker}{generated}")).unwrap();
    } else {
        assert_eq!(
            own, generated,
            "docs/rules.md is not what `mutransfer rules` prints"
        );
    }
}

#[test]
fn rules_print_as_json_with_exact_powers() {
    let tables = json(&["rules", "mup", "--optimizer", "adamw", "--json"]);
    assert_eq!(tables[0]["laws"]["hidden"]["outside"]["lr"], "m_in^-1");
    assert_eq!(
        tables[0]["laws"]["output"]["outside"]["multiplier"],
        "m_in^-1"
    );
    let (code, _, err) = run(&["rules", "sp+magic"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("unknown switch `magic`; known: embedding, norm, attention, last"),
        "{err}"
    );
}

#[test]
fn every_code_is_explained() {
    let (_, list, _) = run(&["explain"]);
    let codes: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(codes.len() >= 10, "{list}");
    for code in codes {
        let (status, text, _) = run(&["explain", code]);
        assert_eq!(status, Some(0));
        for heading in ["What it checks", "Why it breaks transfer", "Fix", "Source"] {
            assert!(text.contains(heading), "{code}: {text}");
        }
    }
    let (status, _, err) = run(&["explain", "MU999"]);
    assert_eq!(status, Some(2));
    assert!(err.contains("unknown lint `MU999`; known: MU001,"), "{err}");
}

const BASE: &str =
    r#"{"token.weight": [50, 64], "up.weight": [128, 64], "readout.weight": [50, 128]}"#;

#[test]
fn check_exits_with_1_on_a_finding_and_0_without() {
    let folder = tempfile::tempdir().unwrap();
    let base = write(folder.path(), "base.json", BASE);
    let target = write(
        folder.path(),
        "target.json",
        &BASE.replace("64", "256").replace("128", "512"),
    );
    let files = [
        "check", "--base", &base, "--target", &target, "--layout", "out-in",
    ];
    let declared = [
        &files[..],
        &[
            "--declare",
            "token.weight=input",
            "--declare",
            "readout.weight=output",
        ],
    ]
    .concat();
    let (code, out, err) = run(&declared);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let (code, out, err) = run(&files);
    assert_eq!(code, Some(1));
    assert_eq!(out.matches("MU001").count(), 2, "{out}");
    assert!(
        err.contains("2 findings") && err.contains("hint: `mutransfer explain CODE`"),
        "{err}"
    );
    let (code, out, _) = run(&[
        &declared[..],
        &["--optimizer", "adam", "--weight-decay", "0.1", "--json"],
    ]
    .concat());
    assert_eq!(code, Some(1));
    let findings: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(findings[0]["code"], "MU009");
    let (code, out, _) = run(&[
        "check", "--base", &base, "--delta", &base, "--target", &target,
    ]);
    assert_eq!(code, Some(1));
    assert!(out.contains("MU002"), "{out}");
    assert_eq!(
        run(&["check", "--base", "/no/such", "--target", &target]).0,
        Some(2)
    );
}

#[test]
fn check_compares_a_trainers_settings() {
    let folder = tempfile::tempdir().unwrap();
    let base = write(folder.path(), "base.json", BASE);
    let target = write(
        folder.path(),
        "target.json",
        &BASE.replace("64", "256").replace("128", "512"),
    );
    let rest = [
        "--base",
        &base,
        "--target",
        &target,
        "--layout",
        "out-in",
        "--declare",
        "token.weight=input",
        "--declare",
        "readout.weight=output",
        "--lr",
        "0.01",
    ];
    let plan = run(&[&["plan", "--json"][..], &rest].concat()).1;
    let settings = |text: &str| write(folder.path(), "settings.json", text);
    let check = |file: &str| run(&[&["check", "--settings", file][..], &rest].concat());
    assert_eq!(
        check(&settings(&plan)).0,
        Some(0),
        "a plan agrees with itself"
    );
    let overwritten = r#"{"params": {"token.weight": {"lr": 0.01}, "up.weight": {"lr": 0.01}, "readout.weight": {"lr": 0.01}}}"#;
    let (code, out, _) = check(&settings(overwritten));
    assert_eq!(code, Some(1));
    assert_eq!(
        out.trim_end(),
        "MU012 `up.weight` setting differs from the plan: lr is 0.01, the plan has 0.0025"
    );
    assert_eq!(check(&settings("[]")).0, Some(2));
}
