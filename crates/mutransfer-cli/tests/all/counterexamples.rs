//! Every table of `counterexamples/` in training: the coordinate check flags it where it is wrong,
//! and nowhere before.

use crate::common;

use std::collections::BTreeSet;

use common::verdict;

const WIDTHS: [&str; 2] = ["--widths", "64,128,256,512"];

/// The table, and the layers whose own updates are wrong, from input to output. `init` where sizes
/// are wrong from the start.
const WRONG: [(&str, &[&str]); 15] = [
    ("none", &[]),
    ("h1", &["init", "hidden", "output"]),
    ("h2", &["init", "output"]),
    ("h3", &["init", "output"]),
    ("h4", &[]),
    ("g1", &["output"]),
    ("embedding-divided", &["input"]),
    ("scheduler-overwrites-groups", &["hidden"]),
    ("sgd-rule-under-adam", &["input", "hidden"]),
    ("flag-set-late", &["init", "output"]),
    ("tied-rescaled", &["init"]),
    ("r1", &["input", "hidden", "output"]),
    ("r2", &["init", "input", "hidden"]),
    ("r3", &["init", "input", "hidden", "output"]),
    ("r5", &["init", "input", "hidden", "output"]),
];

/// Layers in the order of the forward pass, and with them in which order a mistake spreads.
const ORDER: [&str; 4] = ["init", "input", "hidden", "output"];

fn check(table: &str, more: &[&str]) -> serde_json::Value {
    let path = format!(
        "{}/../../counterexamples/{table}.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    verdict(&[&["--rule", &path, "--expect", "mup"], more].concat())
}

/// Where the check fails, of the cells of one step and quantity.
fn failing(check: &serde_json::Value, step: u64, quantity: &str) -> BTreeSet<String> {
    let cells = check["cells"].as_array().unwrap().iter();
    let here = cells.filter(|cell| {
        cell["step"] == step && cell["quantity"] == quantity && cell["verdict"] == "fail"
    });
    here.map(|cell| cell["layer"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_is_flagged_where_it_is_wrong() {
    for (table, wrong) in WRONG {
        let check = check(
            table,
            &[
                &WIDTHS[..],
                &["--model", "mlp", "--random-init", "--seeds", "64"],
            ]
            .concat(),
        );
        let verdict = check["verdict"].as_str().unwrap();
        if wrong.is_empty() {
            assert_ne!(verdict, "fail", "{table}: {}", check["diagnosis"]);
            continue;
        }
        assert_eq!(verdict, "fail", "{table}");
        assert_eq!(
            !failing(&check, 0, "activation").is_empty(),
            wrong.contains(&"init"),
            "{table}: sizes at init"
        );
        let found = failing(&check, 1, "own-update");
        let updates = wrong.iter().filter(|layer| **layer != "init");
        assert!(
            updates.clone().all(|layer| found.contains(*layer)),
            "{table}: {found:?} lacks some of {wrong:?}"
        );
        // What follows on a mistake may be off as well: its input is.
        let first = ORDER
            .iter()
            .position(|layer| wrong.contains(layer))
            .unwrap();
        let upstream: Vec<_> = ORDER[..first]
            .iter()
            .filter(|layer| found.contains(**layer))
            .collect();
        assert!(
            upstream.is_empty(),
            "{table}: {upstream:?} fail before it goes wrong"
        );
    }
}

/// Mixed tables learn too slowly in the readout. All else is as it must be, the logits' change too:
/// nearly all of it comes from below.
#[test]
fn mixed_tables_fail_in_the_readouts_own_update_only() {
    let check = check(
        "g1",
        &[
            "--model",
            "mlp",
            "--random-init",
            "--widths",
            "128,256,512,1024",
            "--seeds",
            "64",
        ],
    );
    for step in 0..=4 {
        assert!(
            failing(&check, step, "activation").is_empty()
                && failing(&check, step, "change").is_empty()
        );
        let expected: &[&str] = if step == 0 { &[] } else { &["output"] };
        assert_eq!(
            failing(&check, step, "own-update")
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
            expected
        );
    }
    assert!(
        check["diagnosis"]
            .as_str()
            .unwrap()
            .contains("Tables 3 and 8 mixed")
    );
}

#[test]
fn an_embedding_without_its_factor_under_sgd() {
    let more = [
        "--model",
        "mlp",
        "--random-init",
        "--seeds",
        "5",
        "--optimizer",
        "sgd",
    ];
    let check = check("embedding-unscaled", &[&WIDTHS[..], &more].concat());
    assert_eq!(check["verdict"], "fail");
    assert_eq!(
        failing(&check, 1, "own-update")
            .into_iter()
            .collect::<Vec<_>>(),
        ["input"]
    );
}

#[test]
fn attention_over_the_root_of_growing_heads() {
    let grown = [
        "--heads",
        "2",
        "--widths",
        "64,128,256,512",
        "--seeds",
        "64",
    ];
    let check = check("attention-root", &grown);
    assert_eq!(check["verdict"], "fail");
    // What attention gives may grow with its logits.
    assert!(failing(&check, 2, "change").contains("attention"));
    assert!(failing(&check, 2, "own-update").is_empty());
    assert!(
        check["diagnosis"]
            .as_str()
            .unwrap()
            .contains("divided by the root of a head's size")
    );
}

/// Epsilon is none of a coordinate check's business; the linter sees it.
#[test]
fn wrong_epsilon_passes() {
    let check = check(
        "eps-on-every-group",
        &[&WIDTHS[..], &["--model", "mlp", "--random-init"]].concat(),
    );
    assert_ne!(check["verdict"], "fail");
}
