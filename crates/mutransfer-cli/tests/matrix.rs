//! Every model under SP and μP with Adam and SGD: SP fails its coordinate check, μP does not.
//!
//! At small widths in a minute or two. The full protocol and ten base seeds take an hour: `cargo test
//! --release --workspace --test matrix -- --ignored` compares them with `docs/verdicts.md`, and
//! writes the page with `UPDATE=1`. That the page is of this protocol is tested always.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "an hour is long without a word")]

mod common;

use std::fmt::Write;
use std::fs;

use common::verdict;
use mutransfer::{Axes, Hyper, Optimizer, Plan, Rule, Shape, Shapes, Widths};
use serde_json::Value;

/// What is checked: its name, its options, widths for the quick run and for the full one.
#[derive(Debug)]
struct Model(
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
);

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verdicts.md");

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

/// What it is trained with: the optimizer, its learning rate, and the seeds of the full protocol.
/// Under SGD a seed's gradients scatter its later updates.
#[derive(Debug)]
struct Training(&'static str, &'static str, &'static str);

const OPTIMIZERS: [Training; 2] = [
    Training("adam", "0.0078125", "10"),
    Training("sgd", "0.1", "20"),
];

/// The first seeds of the checks of [`ten_base_seeds`], and how many seeds each has.
const BASE_SEEDS: [&str; 10] = [
    "1000", "2000", "3000", "4000", "5000", "6000", "7000", "8000", "9000", "10000",
];
const SEEDS_OF_EACH: &str = "5";

fn check(model: &Model, rule: &str, training: &Training, more: &[&str]) -> Value {
    let Training(optimizer, lr, _) = training;
    let head_dim: &[&str] = if model.1.concat().contains("grouped-kv") {
        &["--head-dim", "8"]
    } else {
        &[]
    };
    verdict(
        &[
            model.1,
            head_dim,
            &["--rule", rule, "--optimizer", optimizer, "--lr", lr],
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
        for training in &OPTIMIZERS {
            let optimizer = training.0;
            let small = ["--widths", model.2];
            let [sp, mup] = ["sp", "mup"].map(|rule| check(model, rule, training, &small));
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

const MARKER: &str = "<!-- from here on generated, in an hour: \
    UPDATE=1 cargo test --release --workspace --test matrix -- --ignored -->\n";

/// An hour on two cores. Both parts of the page are one test, as one writes after the other.
#[test]
#[ignore = "an hour: the full protocol, and ten base seeds"]
fn full_protocol_and_ten_base_seeds() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (head, _) = page.split_once(MARKER).unwrap();
    let measured = [fingerprint(), full_protocol(), ten_base_seeds()].join("\n");
    let measured = format!("{head}{MARKER}{measured}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, measured).unwrap();
    } else {
        assert_eq!(page, measured, "docs/verdicts.md is not what is measured");
    }
}

/// A page that was measured under another protocol or with other tables is stale.
#[test]
fn the_page_of_verdicts_is_of_this_protocol() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (_, measured) = page.split_once(MARKER).expect("the measured part");
    let of_page = measured.lines().next().unwrap_or_default();
    assert_eq!(
        of_page,
        fingerprint().trim_end(),
        "docs/verdicts.md was measured with other models, widths, seeds, learning rates or tables \
         of rules: measure it again, with the command that the page names"
    );
}

/// A line that changes with the models, their options and widths, the learning rates, the seeds, and
/// what the tables of the two rules make of a model twice as wide.
fn fingerprint() -> String {
    let mut protocol = format!("{MODELS:?} {OPTIMIZERS:?} {BASE_SEEDS:?} {SEEDS_OF_EACH}");
    for rule in [Rule::Sp, Rule::Mup] {
        for optimizer in [Optimizer::Adam, Optimizer::Sgd] {
            protocol += &scaled(rule, optimizer);
        }
    }
    let hash = blake3::hash(protocol.as_bytes()).to_hex();
    format!("<!-- protocol {} -->\n", &hash[..16])
}

/// The numbers of every role at twice the base width.
fn scaled(rule: Rule, optimizer: Optimizer) -> String {
    let widths = Widths::between(&shapes(64), &shapes(128)).unwrap();
    let plan = Plan::new(&widths, &shapes(128), rule, optimizer).unwrap();
    let hyper = Hyper {
        learning_rate: 0.01,
        weight_decay: 0.1,
        ..Hyper::default()
    };
    let mut text = String::new();
    for name in ["input", "vector", "hidden", "output"] {
        let of = plan.setting(name, &hyper).unwrap();
        let init = of.init_std.unwrap_or_default();
        let (lr, multiplier, eps) = (of.learning_rate, of.multiplier, of.eps);
        let decay = of.weight_decay;
        writeln!(
            text,
            "{name} {lr:e} {multiplier:e} {init:e} {decay:e} {eps:e}"
        )
        .unwrap();
    }
    text
}

fn shapes(width: usize) -> Shapes {
    let weight = |dims: [usize; 2]| Shape::new(dims).with_axes(Axes::IN_OUT);
    Shapes::from_iter([
        ("input", weight([8, width])),
        ("vector", Shape::vector(width)),
        ("hidden", weight([width, width])),
        ("output", weight([width, 8])),
    ])
}

fn full_protocol() -> String {
    let mut table =
        "## Full protocol\n\nFive widths, four updates; ten seeds with Adam, twenty with SGD.\n\n"
            .to_owned();
    table += "| model | widths | optimizer | SP | μP | cells of μP that do not pass, and the worst |\n|---|---|---|---|---|---|\n";
    for model in &MODELS {
        for training in &OPTIMIZERS {
            let Training(optimizer, _, seeds) = training;
            let full = ["--widths", model.3, "--seeds", seeds];
            let [sp, mup] = ["sp", "mup"].map(|rule| check(model, rule, training, &full));
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

/// How many of the base seeds pass, are undetermined, and fail.
fn verdicts(model: &Model, rule: &str, training: &Training) -> [usize; 3] {
    let found = BASE_SEEDS.map(|seed| {
        let seeds = ["--seeds", SEEDS_OF_EACH, "--seed", seed];
        let small = [&["--widths", model.2][..], &seeds].concat();
        of(&check(model, rule, training, &small)).to_owned()
    });
    ["pass", "undetermined", "fail"]
        .map(|kind| found.iter().filter(|verdict| *verdict == kind).count())
}

fn ten_base_seeds() -> String {
    let mut table =
        "## Ten base seeds\n\nVerdicts of ten checks of five seeds each, at the small widths of the test.\n\n"
            .to_owned();
    table += "| model | widths | optimizer | SP: pass, undetermined, fail | μP: pass, undetermined, fail |\n|---|---|---|---|---|\n";
    for model in &MODELS {
        for training in &OPTIMIZERS {
            let optimizer = training.0;
            let [sp, mup] = ["sp", "mup"].map(|rule| verdicts(model, rule, training));
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
