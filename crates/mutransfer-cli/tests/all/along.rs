//! The checks along depth and experts: what has no law of them fails, what has one passes, and one
//! law of depth is told from another by how far weights move.

use crate::common;

use std::fs;

use common::{mutransfer, verdict};

/// Options of a check, and its verdict.
type Case = (&'static [&'static str], &'static str);

const CASES: [Case; 10] = [
    (&["--rule", "sp"], "fail"),
    (&["--rule", "mup:depth=none"], "fail"),
    (
        &["--rule", "mup:depth=none", "--variant", "qk-norm"],
        "fail",
    ),
    (&["--rule", "sp-depth-init"], "fail"),
    (&["--rule", "depth-mup"], "pass"),
    (&["--rule", "depth-mup", "--variant", "qk-norm"], "pass"),
    (&["--rule", "complete-p"], "pass"),
    (&["--rule", "complete-d-p"], "pass"),
    (&["--rule", "depth-mup", "--expect", "complete-p"], "fail"),
    (&["--rule", "complete-p", "--expect", "depth-mup"], "fail"),
];

#[track_caller]
fn is_right((options, wanted): &Case, how: &[&str]) {
    let check = verdict(&[options, how].concat());
    assert_eq!(check["verdict"], *wanted, "{options:?} {how:?}: {check}");
}

/// `how` ends with what the first seed follows.
fn are_right_at_ten_base_seeds(cases: &[Case], how: &[&str]) {
    for seed in (1..=10).map(|thousands: u64| (1000 * thousands).to_string()) {
        for case in cases {
            is_right(case, &[how, &[&seed]].concat());
        }
    }
}

const DEPTHS: [&str; 3] = ["--depths", "4,8,16,32,64", "--seed"];

#[test]
fn laws_of_depth_are_told_apart() {
    for place in [1, 4, 6, 8] {
        is_right(&CASES[place], &[&DEPTHS[..], &["0"]].concat());
    }
}

/// The hundred verdicts in `docs/coord.md`.
#[test]
#[ignore = "five minutes: ten base seeds"]
fn laws_of_depth_are_told_apart_at_ten_base_seeds() {
    are_right_at_ten_base_seeds(&CASES, &DEPTHS);
}

const EXPERTS: [Case; 6] = [
    (
        &[
            "--rule",
            "complete-mue",
            "--experts",
            "16",
            "--active",
            "2,4,8",
        ],
        "pass",
    ),
    (
        &[
            "--rule",
            "complete-mue",
            "--experts",
            "16",
            "--active",
            "2,4,8",
            "--expert-width",
            "128",
        ],
        "pass",
    ),
    (
        &[
            "--rule",
            "complete-mue",
            "--experts",
            "8,16,32",
            "--active",
            "4",
        ],
        "pass",
    ),
    (
        &[
            "--rule",
            "complete-mue",
            "--experts",
            "8",
            "--active",
            "2",
            "--expert-width",
            "64,128,256",
        ],
        "pass",
    ),
    (
        &["--rule", "mup", "--experts", "16", "--active", "2,4,8"],
        "fail",
    ),
    (
        &[
            "--rule",
            "sp",
            "--experts",
            "8",
            "--active",
            "2",
            "--expert-width",
            "64,128,256",
        ],
        "fail",
    ),
];

const MOE: [&str; 3] = ["--model", "moe", "--seed"];

#[test]
fn complete_mue_follows_no_size_of_experts_and_the_naive_copy_does() {
    for case in &EXPERTS[1..5] {
        is_right(case, &[&MOE[..], &["0", "--seeds", "3"]].concat());
    }
}

/// The sixty verdicts in `docs/experts.md`.
#[test]
#[ignore = "five minutes: ten base seeds"]
fn sizes_of_experts_are_told_apart_at_ten_base_seeds() {
    are_right_at_ten_base_seeds(&EXPERTS, &MOE);
}

#[test]
fn one_size_of_experts_grows_at_a_time() {
    let refused = |given: &[&str]| {
        let ended = mutransfer().arg("coord").args(given).output().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        String::from_utf8(ended.stderr).unwrap()
    };
    let moe = ["--model", "moe", "--experts", "8,16", "--active"];
    let both = refused(&[&moe[..], &["2,4"]].concat());
    assert!(both.contains("have several values at once"), "{both}");
    let dense = refused(&["--model", "gpt", "--experts", "8,16", "--active", "2"]);
    assert!(dense.contains("gpt"), "{dense}");
    let few = refused(&[&moe[..], &["9", "--rule", "complete-mue"]].concat());
    assert!(few.contains("9 active ones of 8"), "{few}");
    let sgd = refused(&[&moe[..], &["2", "--optimizer", "sgd"]].concat());
    assert!(sgd.contains("take adam or adamw"), "{sgd}");
}

#[test]
fn what_is_measured_along_depth_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let ended = mutransfer()
        .args(["coord", "--depths", "1,2", "--seeds", "2", "--rule", "sp"])
        .args(["--rule", "complete-p", "--out"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(matches!(ended.status.code(), Some(0 | 1 | 3)), "{ended:?}");
    let drawn = fs::read_to_string(folder.path().join("depth.svg")).unwrap();
    for text in ["change of the last residual", "complete-p", "as promised"] {
        assert!(drawn.contains(text), "{text}");
    }
    let png = fs::read(folder.path().join("depth.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
}
