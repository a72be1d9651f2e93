//! The arrows between the crates, as ARCHITECTURE.md draws them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Direct dependencies of a crate of the workspace.
fn dependencies(metadata: &serde_json::Value, name: &str) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages
        .iter()
        .find(|package| package["name"] == name)
        .expect("a crate of the workspace");
    let normal = package["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| dependency["kind"].is_null());
    normal
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn crates_depend_in_one_direction() {
    let arguments = [
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--offline",
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let ours = |name: &str| {
        let mut found = dependencies(&metadata, name);
        found.retain(|dependency| {
            dependency.starts_with("mutransfer") || dependency.starts_with("burn")
        });
        found.sort();
        found
    };
    assert_eq!(ours("mutransfer"), [""; 0]);
    assert_eq!(ours("mutransfer-burn"), ["burn", "mutransfer"]);
    assert_eq!(
        ours("mutransfer-models"),
        ["burn", "mutransfer", "mutransfer-burn", "mutransfer-fused"]
    );
    assert_eq!(
        ours("mutransfer-fused"),
        [
            "burn",
            "burn-std",
            "mutransfer",
            "mutransfer-burn",
            "mutransfer-kernels"
        ]
    );
    assert_eq!(ours("mutransfer-kernels"), [""; 0]);
    assert_eq!(ours("mutransfer-analysis"), ["mutransfer"]);
    assert_eq!(
        ours("mutransfer-study"),
        ["mutransfer", "mutransfer-analysis"]
    );
    assert_eq!(
        ours("mutransfer-cli"),
        [
            "mutransfer",
            "mutransfer-analysis",
            "mutransfer-models",
            "mutransfer-study"
        ]
    );
}
