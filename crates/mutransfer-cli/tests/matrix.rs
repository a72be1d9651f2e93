//! Every model under SP and μP with Adam and SGD: SP fails its coordinate check, μP does not.
//!
//! At small widths in a minute or two. `UPDATE=1 cargo test --release --workspace --test matrix --
//! --ignored` runs the full protocol and ten base seeds, and writes `docs/verdicts.md`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write;

use common::verdict;
use serde_json::Value;

/// What is checked: its name, its options, widths for the quick run and for the full one.
struct Model(
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
);

const SMALL: &str = "32,64,128,256";
const FULL: &str = "64,128,256,512,1024";

const MODELS: [Model; 13] = [
    Model("mlp", &["--model", "mlp"], SMALL, FULL),
    Model("cnn", &["--model", "cnn"], SMALL, FULL),
    Model(
        "resnet",
        &["--model", "resnet", "--depth", "1"],
        SMALL,
        "32,64,128,256,512",
    ),
    Model("gpt", &[], SMALL, FULL),
    Model(
        "gpt, tied",
        &["--variant", "tied", "--init-std", "0.02"],
        SMALL,
        FULL,
    ),
    Model("gpt, rms-norm", &["--variant", "rms-norm"], SMALL, FULL),
    Model("gpt, rope", &["--variant", "rope"], SMALL, FULL),
    Model("gpt, swiglu", &["--variant", "swiglu"], SMALL, FULL),
    Model("gpt, qk-norm", &["--variant", "qk-norm"], SMALL, FULL),
    Model("gpt, grouped-kv", &["--variant", "grouped-kv"], SMALL, FULL),
    Model("gpt, post-norm", &["--variant", "post-norm"], SMALL, FULL),
    Model(
        "gpt, rms-norm, rope, swiglu, grouped-kv",
        &["--variant", "rms-norm,rope,swiglu,grouped-kv"],
        SMALL,
        FULL,
    ),
    Model(
        "bert",
        &["--model", "bert", "--variant", "post-norm"],
        "64,128,256,512",
        FULL,
    ),
];

const OPTIMIZERS: [&str; 2] = ["adam", "sgd"];

fn check(model: &Model, rule: &str, optimizer: &str, more: &[&str]) -> Value {
    let head_dim: &[&str] = if model.1.concat().contains("grouped-kv") {
        &["--head-dim", "8"]
    } else {
        &[]
    };
    verdict(
        &[
            model.1,
            head_dim,
            &["--rule", rule, "--optimizer", optimizer],
            more,
        ]
        .concat(),
    )
}

fn of(check: &Value) -> &str {
    check["verdict"].as_str().unwrap()
}

#[test]
fn sp_fails_and_mup_does_not() {
    for model in &MODELS {
        for optimizer in OPTIMIZERS {
            let small = ["--widths", model.2];
            let [sp, mup] = ["sp", "mup"].map(|rule| check(model, rule, optimizer, &small));
            println!(
                "{}, {optimizer}: SP {}, μP {}: {}",
                model.0,
                of(&sp),
                of(&mup),
                exceptions(&mup)
            );
            assert_eq!(of(&sp), "fail", "{} with {optimizer}", model.0);
            assert_ne!(
                of(&mup),
                "fail",
                "{} with {optimizer}: {}",
                model.0,
                mup["diagnosis"]
            );
        }
    }
}

/// Cells that do not pass, and the one of them that is furthest from what is expected.
fn exceptions(check: &Value) -> String {
    let judged: Vec<&Value> = check["cells"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|cell| !cell["verdict"].is_null())
        .collect();
    let open: Vec<&&Value> = judged
        .iter()
        .filter(|cell| cell["verdict"] != "pass")
        .collect();
    let distance = |cell: &Value| {
        (cell["fit"]["slope"].as_f64().unwrap_or(f64::INFINITY)
            - cell["expected"].as_f64().unwrap())
        .abs()
    };
    let worst = open
        .iter()
        .max_by(|a, b| distance(a).total_cmp(&distance(b)));
    worst.map_or(String::new(), |cell| {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let fit = &cell["fit"];
        let margin = (number(&fit["interval"][1]) - number(&fit["interval"][0])) / 2.0;
        format!(
            "{} of {} cells; {} of {}: {:.2} ± {margin:.2}",
            open.len(),
            judged.len(),
            cell["quantity"].as_str().unwrap().replace('-', " "),
            cell["module"].as_str().unwrap(),
            number(&fit["slope"]),
        )
    })
}

const MARKER: &str = "<!-- from here on generated: UPDATE=1 cargo test --release --workspace --test matrix -- --ignored -->\n";

/// An hour on two cores. Both parts of the page are one test, as one writes after the other.
#[test]
#[ignore = "an hour: the full protocol, and ten base seeds"]
fn full_protocol_and_ten_base_seeds() {
    let path = format!("{}/../../docs/verdicts.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, _) = page.split_once(MARKER).unwrap();
    let page = format!("{head}{MARKER}\n{}\n{}", full_protocol(), ten_base_seeds());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page).unwrap();
    }
}

fn full_protocol() -> String {
    let mut table =
        "## Full protocol\n\nFive widths, four updates; ten seeds with Adam, twenty with SGD.\n\n"
            .to_owned();
    table += "| model | widths | optimizer | SP | μP | cells of μP that do not pass, and the worst |\n|---|---|---|---|---|---|\n";
    for model in &MODELS {
        for optimizer in OPTIMIZERS {
            // Under SGD a seed's gradients scatter its later updates.
            let seeds = if optimizer == "sgd" { "20" } else { "10" };
            let full = ["--widths", model.3, "--seeds", seeds];
            let [sp, mup] = ["sp", "mup"].map(|rule| check(model, rule, optimizer, &full));
            let widths = model.3.replace(',', " ");
            let [sp_is, mup_is] = [&sp, &mup].map(of);
            let row = format!(
                "| {} | {widths} | {optimizer} | {sp_is} | {mup_is} | {} |",
                model.0,
                exceptions(&mup)
            );
            println!("{row}");
            writeln!(table, "{row}").unwrap();
            assert_eq!(sp_is, "fail", "{} with {optimizer}", model.0);
        }
    }
    table
}

fn ten_base_seeds() -> String {
    let mut table =
        "## Ten base seeds\n\nVerdicts of ten checks of five seeds each, at the small widths of the test.\n\n"
            .to_owned();
    table += "| model | widths | optimizer | SP: pass, undetermined, fail | μP: pass, undetermined, fail |\n|---|---|---|---|---|\n";
    for model in &MODELS {
        for optimizer in OPTIMIZERS {
            let counts = ["sp", "mup"].map(|rule| {
                let seeds = (1..=10).map(|base| (base * 1000).to_string());
                let found: Vec<String> = seeds
                    .map(|seed| {
                        let small = ["--widths", model.2, "--seeds", "5", "--seed", &seed];
                        of(&check(model, rule, optimizer, &small)).to_owned()
                    })
                    .collect();
                ["pass", "undetermined", "fail"]
                    .map(|kind| found.iter().filter(|verdict| *verdict == kind).count())
            });
            let [sp, mup] = counts;
            let list = |[pass, open, fail]: [usize; 3]| format!("{pass}, {open}, {fail}");
            let row = format!(
                "| {} | {} | {optimizer} | {} | {} |",
                model.0,
                model.2.replace(',', " "),
                list(sp),
                list(mup)
            );
            println!("{row}");
            writeln!(table, "{row}").unwrap();
            assert_eq!((sp[0], mup[2]), (0, 0), "{} with {optimizer}", model.0);
        }
    }
    table
}
