//! Every family of models under SP and μP with Adam and SGD, and its variants with Adam: SP fails its
//! coordinate check, μP does not.
//!
//! At small widths in a minute or two. The verdicts of the families at ten base seeds in
//! `docs/verdicts.md` are written by `UPDATE=1 cargo test --release --workspace --test all matrix --
//! --ignored --test-threads 1`, in about an hour, and compared by the same without `UPDATE=1`, or
//! for one family with `matrix::mlp` in place of `matrix`, in two minutes. That the page is of this
//! protocol is tested always.
#![allow(clippy::print_stdout, reason = "an hour is long without a word")]

use crate::common;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use common::{study, verdict};
use mutransfer::{Axes, Hyper, Optimizer, Plan, Rule, Shape, Shapes, Widths};
use mutransfer_study::study::Study;
use serde_json::Value;

/// What is checked: its name, its options, and widths for the quick run.
#[derive(Debug)]
struct Model(&'static str, &'static [&'static str], &'static str);

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verdicts.md");

const SMALL: &str = "32,64,128,256";

/// The models that are families and not variants of one.
const FAMILIES: usize = 6;

const MODELS: [Model; 15] = [
    Model("mlp", &["--model", "mlp"], SMALL),
    Model("cnn", &["--model", "cnn"], SMALL),
    Model("bert", &["--model", "bert"], "64,128,256,512"),
    Model("resnet", &["--model", "resnet"], SMALL),
    Model("gpt", &[], SMALL),
    Model("moe", &["--model", "moe"], SMALL),
    Model(
        "gpt, tied",
        &["--variant", "tied", "--init-std", "0.02"],
        SMALL,
    ),
    Model("gpt, rms-norm", &["--variant", "rms-norm"], SMALL),
    Model("gpt, rope", &["--variant", "rope"], SMALL),
    Model("gpt, swiglu", &["--variant", "swiglu"], SMALL),
    Model("gpt, qk-norm", &["--variant", "qk-norm"], SMALL),
    Model(
        "gpt, grouped-kv",
        &["--variant", "grouped-kv", "--head-dim", "8"],
        SMALL,
    ),
    Model("gpt, post-norm", &["--variant", "post-norm"], SMALL),
    Model(
        "gpt, rms-norm, rope, swiglu, grouped-kv",
        &[
            "--variant",
            "rms-norm,rope,swiglu,grouped-kv",
            "--head-dim",
            "8",
        ],
        SMALL,
    ),
    Model(
        "bert, post-norm",
        &["--model", "bert", "--variant", "post-norm"],
        "64,128,256,512",
    ),
];

/// Adam at learning rate 2^-7, SGD with momentum at 0.1, and 0.3 for moe.
const OPTIMIZERS: [&str; 2] = ["adam", "sgd"];

/// The first seeds of the checks.
const BASE_SEEDS: [&str; 10] = [
    "1000", "2000", "3000", "4000", "5000", "6000", "7000", "8000", "9000", "10000",
];

fn check(model: &Model, rule: &str, optimizer: &str, more: &[&str]) -> Value {
    let given = ["--rule", rule, "--optimizer", optimizer];
    verdict(&[model.1, &given, more].concat())
}

fn of(check: &Value) -> &str {
    check["verdict"].as_str().unwrap()
}

#[test]
fn sp_fails_and_mup_does_not() {
    for (place, model) in MODELS.iter().enumerate() {
        // What a variant changes shows under one optimizer.
        let optimizers = if place < FAMILIES {
            &OPTIMIZERS[..]
        } else {
            &OPTIMIZERS[..1]
        };
        for &optimizer in optimizers {
            let small = ["--widths", model.2, "--seeds", "8"];
            let [sp, mup] = ["sp", "mup"].map(|rule| check(model, rule, optimizer, &small));
            let (name, open) = (model.0, exceptions(&mup));
            println!(
                "{name}, {optimizer}: SP {}, μP {}: {open}",
                of(&sp),
                of(&mup)
            );
            assert_eq!(of(&sp), "fail", "{name} with {optimizer}");
            let why = &mup["diagnosis"];
            assert_ne!(of(&mup), "fail", "{name} with {optimizer}: {why}");
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

#[test]
#[ignore = "two minutes: ten base seeds"]
fn mlp() {
    part("mlp");
}

#[test]
#[ignore = "four minutes: ten base seeds"]
fn cnn() {
    part("cnn");
}

#[test]
#[ignore = "nine minutes: ten base seeds"]
fn resnet() {
    part("resnet");
}

#[test]
#[ignore = "nine minutes: ten base seeds"]
fn gpt() {
    part("gpt");
}

#[test]
#[ignore = "a quarter of an hour: ten base seeds"]
fn moe() {
    part("moe");
}

#[test]
#[ignore = "a quarter of an hour: ten base seeds"]
fn bert() {
    part("bert");
}

/// Where a part of the page begins, and where it ends.
fn marks(model: &Model) -> [String; 2] {
    [
        format!("<!-- generated: {} {} -->\n", model.0, fingerprint(model)),
        format!("<!-- end: {} -->\n", model.0),
    ]
}

/// Compares a part of the page with what is measured, or writes it.
fn part(name: &str) {
    let model = MODELS.iter().find(|model| model.0 == name).unwrap();
    let measured = measured(model);
    let page = fs::read_to_string(PAGE).unwrap();
    let [begin, end] = marks(model);
    let any = format!("<!-- generated: {} ", model.0);
    let (head, rest) = page.split_once(&any).expect("the part's beginning");
    let (old, tail) = rest.split_once(&end).expect("the part's end");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, format!("{head}{begin}{measured}{end}{tail}")).unwrap();
    } else {
        let (_, old) = old.split_once('\n').expect("a line of its own");
        assert_eq!(old, measured, "docs/verdicts.md is not what is measured");
    }
}

#[test]
fn the_page_of_verdicts_is_of_this_protocol() {
    let page = fs::read_to_string(PAGE).unwrap();
    for model in &MODELS[..FAMILIES] {
        let [begin, _] = marks(model);
        assert!(
            page.contains(&begin),
            "{} in docs/verdicts.md was measured with other options, seeds or tables of rules: \
             measure it again, with the command that the page names: {begin}",
            model.0
        );
    }
}

/// The widths, the batch and the rest of a check that nothing is said of.
fn usual(model: &Model) -> String {
    let text = study(&format!("model = \"{}\"", model.0));
    let study = Study::parse(&text, Path::new("study.toml")).unwrap();
    let subject = mutransfer_models::open(study.subject(), None).unwrap();
    format!("{:?}", subject.usual_check())
}

/// Changes with the model's options, the usual check, the seeds, and what the tables of the two rules make of a
/// model twice as wide.
fn fingerprint(model: &Model) -> String {
    let mut protocol = format!("{model:?} {OPTIMIZERS:?} {BASE_SEEDS:?} {}", usual(model));
    for rule in [Rule::Sp, Rule::Mup] {
        for optimizer in [Optimizer::Adam, Optimizer::Sgd] {
            protocol += &scaled(rule, optimizer);
        }
    }
    let hash = blake3::hash(protocol.as_bytes()).to_hex();
    hash[..16].to_owned()
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

/// Seeds that a check needed.
fn seeds(check: &Value) -> u64 {
    let cells = check["cells"].as_array().unwrap().iter();
    let of = |cell: &Value| {
        let decisive = if cell["pooled"].is_null() {
            &cell["fit"]
        } else {
            &cell["pooled"]
        };
        decisive["seeds"].as_u64()
    };
    cells.filter_map(of).max().unwrap_or(0)
}

/// How many of the base seeds pass, are undetermined, and fail, and the seeds they needed.
fn verdicts(model: &Model, rule: &str, optimizer: &str) -> ([usize; 3], String) {
    let found = BASE_SEEDS.map(|seed| check(model, rule, optimizer, &["--seed", seed]));
    let needed: Vec<String> = found.iter().map(|check| seeds(check).to_string()).collect();
    let counts = ["pass", "undetermined", "fail"]
        .map(|kind| found.iter().filter(|check| of(check) == kind).count());
    (counts, needed.join(" "))
}

fn measured(model: &Model) -> String {
    let mut table = "| model | optimizer | SP: pass, undetermined, fail | seeds | μP: pass, \
                     undetermined, fail | seeds |\n|---|---|---|---|---|---|\n"
        .to_owned();
    let mut failed = Vec::new();
    for optimizer in OPTIMIZERS {
        let [(sp, sp_seeds), (mup, mup_seeds)] =
            ["sp", "mup"].map(|rule| verdicts(model, rule, optimizer));
        let list = |[pass, open, fail]: [usize; 3]| format!("{pass}, {open}, {fail}");
        let (name, sp_is, mup_is) = (model.0, list(sp), list(mup));
        let row =
            format!("| {name} | {optimizer} | {sp_is} | {sp_seeds} | {mup_is} | {mup_seeds} |");
        println!("{row}");
        writeln!(table, "{row}").unwrap();
        failed.extend(((sp[2], mup[2]) != (10, 0)).then_some(row));
    }
    assert!(
        failed.is_empty(),
        "SP must fail, and μP must not: {failed:?}"
    );
    table
}
