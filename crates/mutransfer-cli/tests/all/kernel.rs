//! `mutransfer theory --measure`: the exponents of the theory show in trained networks, and bad
//! requests are refused.

use crate::common;

use std::path::Path;

use common::mutransfer;
use serde_json::Value;

/// What `--json` prints.
fn measure(arguments: &[&str], out: &Path) -> Value {
    let mut command = mutransfer();
    command
        .args(["theory", "--measure", "--json", "--out"])
        .arg(out)
        .args(arguments);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn slope(measured: &Value, rule: &str, changed: &str) -> f64 {
    let slopes = measured["slopes"].as_array().unwrap();
    let slope = slopes
        .iter()
        .find(|slope| slope["rule"] == rule && slope["changed"] == changed)
        .unwrap();
    slope["slope"]["mean"].as_f64().unwrap()
}

/// Features change as `n^-r` (TP4, arXiv 2011.14522) and the kernel as `n^-2r`: r is 1/2 under
/// `ntk`, 0 under `mup`, s under `uniform:s`. Over eight seeds means have intervals of 0.04 and
/// 0.13, and next order terms, which are a few per cent of the change at these widths, tilt the
/// slope of the kernel by as much again: hence 0.1 and 0.25.
#[test]
fn features_and_kernel_follow_the_exponents_of_the_theory() {
    let folder = tempfile::tempdir().unwrap();
    let measured = measure(
        &["uniform:1/4", "--widths", "128,256,512", "--seeds", "8"],
        folder.path(),
    );
    for (rule, r) in [("ntk", 0.5), ("mup", 0.0), ("uniform:1/4", 0.25)] {
        let (features, kernel) = (
            slope(&measured, rule, "features"),
            slope(&measured, rule, "kernel"),
        );
        assert!((features + r).abs() < 0.1, "{rule}: features {features}");
        assert!((kernel + 2.0 * r).abs() < 0.25, "{rule}: kernel {kernel}");
    }
    // Comparing what training changed means nothing unless it trained.
    for row in measured["rows"].as_array().unwrap() {
        let [first, last] = ["first_loss", "last_loss"].map(|loss| row[loss].as_f64().unwrap());
        assert!(last < 0.2 * first, "{row}");
    }
}

#[test]
fn the_same_request_writes_the_same_bits_and_forms_stand_in_for_their_rule() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        measure(
            &[&["--widths", "32,96", "--seeds", "2"], more].concat(),
            &out,
        );
        std::fs::read_to_string(out.join("kernel.csv")).unwrap()
    };
    let first = run("first", &[]);
    assert_eq!(first, run("second", &[]));
    assert_eq!(
        first.lines().next(),
        Some("rule,width,seed,features,kernel,first_loss,last_loss")
    );
    assert_eq!(first.lines().count(), 1 + 2 * 2 * 2);
    let form = run("form", &["mup", "--form", "table3"]);
    assert_eq!(form.lines().count(), first.lines().count());
    assert_ne!(
        form, first,
        "another form rounds otherwise at a ratio of three"
    );
    for file in ["kernel.svg", "kernel.png"] {
        assert!(folder.path().join("first").join(file).exists(), "{file}");
    }
}

#[test]
fn the_table_has_a_line_for_each_change_of_each_rule() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = [
        "theory",
        "u-mup",
        "--measure",
        "--widths",
        "4,8",
        "--seeds",
        "1",
        "--out",
    ];
    let output = mutransfer().args(arguments).arg(&out).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for part in [
        "ntk",
        "μP",
        "u-mup",
        "features",
        "kernel",
        "predicted",
        "-1/2",
        "none",
        "width 4",
        "width 8",
    ] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
}

/// Exit code and words of a request that must fail.
#[track_caller]
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let output = mutransfer()
        .args(["theory", "--measure", "--out"])
        .arg(&out)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && !said.contains("panicked"),
        "{said}"
    );
    assert!(
        !out.join("kernel.csv").exists(),
        "nothing may be written: {said}"
    );
    (output.status.code(), said)
}

#[test]
fn bad_requests_and_divergence() {
    let usage = [
        (vec!["--widths", "0,64"], "--widths has a zero"),
        (
            vec!["--widths", "64,64"],
            "--widths has a single width, which has no slope",
        ),
        (
            vec!["--widths", "64,1000000"],
            "--widths has 1000000; a width must be at most 16384",
        ),
        (vec!["--seeds", "0"], "0 is not in 1.."),
        (vec!["magic"], "unknown rule `magic`"),
        (vec!["sp+last"], "sp+last"),
        (vec!["mup", "--same-as", "ntk"], "--same-as"),
    ];
    for (arguments, words) in usage {
        let (code, said) = refused(&arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words), "`{words}` is missing in: {said}");
    }
    let (code, said) = refused(&["sp-constant-std", "--widths", "2,512", "--seeds", "1"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("rule sp-constant-std, width 512, seed 0: the loss is not finite after"),
        "{said}"
    );
    assert!(said.contains("at learning rate 3.2"), "{said}");
}
