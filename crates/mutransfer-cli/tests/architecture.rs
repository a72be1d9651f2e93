//! The arrows between the crates, as ARCHITECTURE.md draws them, and what no arrow may reach.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Every crate, and the crates of ours that it depends on.
const ARROWS: [(&str, &[&str]); 8] = [
    ("mutransfer", &[]),
    ("mutransfer-analysis", &["mutransfer"]),
    ("mutransfer-study", &["mutransfer", "mutransfer-analysis"]),
    ("mutransfer-burn", &["mutransfer"]),
    ("mutransfer-kernels", &[]),
    (
        "mutransfer-fused",
        &["mutransfer", "mutransfer-burn", "mutransfer-kernels"],
    ),
    (
        "mutransfer-models",
        &[
            "mutransfer",
            "mutransfer-burn",
            "mutransfer-fused",
            "mutransfer-study",
        ],
    ),
    (
        "mutransfer-cli",
        &[
            "mutransfer",
            "mutransfer-analysis",
            "mutransfer-models",
            "mutransfer-study",
        ],
    ),
];

/// Crates from elsewhere that only some of ours may know.
const KNOWN_BY: [(&str, &[&str]); 6] = [
    (
        "burn",
        &["mutransfer-burn", "mutransfer-fused", "mutransfer-models"],
    ),
    ("burn-std", &["mutransfer-fused"]),
    ("clap", &["mutransfer-cli"]),
    ("anyhow", &["mutransfer-cli", "xtask"]),
    ("comfy-table", &["mutransfer-cli"]),
    ("indicatif", &["mutransfer-cli"]),
];

/// What computes and nothing else: no files, processes, terminals, tensors, figures.
const PURE: [&str; 2] = ["mutransfer", "mutransfer-analysis"];

/// Crates with which files, processes, devices, terminals, tensors or figures come in.
const EFFECTS: [&str; 13] = [
    "burn",
    "candle-core",
    "clap",
    "indicatif",
    "kuva",
    "libc",
    "memmap2",
    "minijinja",
    "nix",
    "rustix",
    "signal-hook",
    "tempfile",
    "tokio",
];

/// The packages of the workspace with the names of what they need to be built, tests aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = ["metadata", "--no-deps", "--format-version=1", "--offline"];
    let metadata: Value = serde_json::from_str(&cargo(&metadata)).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let needed = package["dependencies"].as_array().unwrap();
            let normal = needed.iter().filter(|needed| needed["kind"].is_null());
            let names = normal.map(|needed| text(&needed["name"]));
            (text(&package["name"]), names.collect())
        })
        .collect()
}

/// It has a workspace of its own, so that all else is built and tested without Python.
#[test]
fn the_python_package_converts_and_needs_no_tensors() {
    let manifest = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../bindings/python/Cargo.toml"
    );
    let metadata = [
        "metadata",
        "--no-deps",
        "--format-version=1",
        "--offline",
        "--manifest-path",
        manifest,
    ];
    let metadata: Value = serde_json::from_str(&cargo(&metadata)).unwrap();
    let needed = metadata["packages"][0]["dependencies"].as_array().unwrap();
    let names: Vec<String> = needed.iter().map(|needed| text(&needed["name"])).collect();
    assert_eq!(
        names,
        [
            "mutransfer",
            "mutransfer-analysis",
            "mutransfer-cli",
            "mutransfer-study",
            "pyo3",
            "serde",
            "serde_json"
        ]
    );
    let lock = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../bindings/python/Cargo.lock"
    );
    let lock = std::fs::read_to_string(lock).unwrap();
    let has = |name: &str| lock.contains(&format!("name = \"{name}\""));
    assert!(has("mutransfer-cli") && has("clap"));
    assert!(!has("burn") && !has("mutransfer-models"));
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn crates_depend_in_one_direction() {
    let dependencies = dependencies();
    let is_ours = |name: &&String| name.starts_with("mutransfer");
    let found: BTreeMap<&str, Vec<&str>> = dependencies
        .iter()
        .filter(|(name, _)| is_ours(name))
        .map(|(name, needed)| {
            let ours = needed.iter().filter(is_ours).map(String::as_str);
            (name.as_str(), ours.collect())
        })
        .collect();
    let drawn = ARROWS.iter().map(|(name, needed)| (*name, needed.to_vec()));
    assert_eq!(found, drawn.collect());
}

#[test]
fn only_some_crates_know_the_frameworks_and_the_terminal() {
    for (name, needed) in dependencies() {
        for (elsewhere, known_by) in KNOWN_BY {
            let knows = needed.contains(elsewhere);
            assert!(
                !knows || known_by.contains(&name.as_str()),
                "{name} depends on {elsewhere}"
            );
        }
    }
}

/// Crates of ours in what [`PURE`] needs are those of [`ARROWS`]; here it is crates from elsewhere,
/// however far behind.
#[test]
fn what_is_pure_reaches_no_effects() {
    for package in PURE {
        let reached = reached(&["--package", package, "--no-default-features"]);
        assert!(reached.contains("serde"), "{package}: {reached:?}");
        let effects = EFFECTS.into_iter().filter(|name| reached.contains(*name));
        assert_eq!(effects.collect::<Vec<_>>(), [""; 0], "{package}");
    }
    // The test itself must be able to fail.
    let report = reached(&["--package", "mutransfer-analysis", "--features", "report"]);
    assert!(report.contains("kuva") && report.contains("minijinja"));
}

fn reached(of: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "--edges=normal", "--prefix=none", "--offline"];
    let lines = cargo(&[&tree, of].concat());
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    lines.lines().map(name).collect()
}
