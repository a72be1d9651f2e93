//! `mutransfer plan` against the Python package `mup`, from shapes as torch gives them.

use crate::common;

use std::fs;
use std::path::Path;

use common::{mutransfer, write};
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../mutransfer/tests/data/mup");

/// A model of `mup`'s fixtures, with what its shapes do not say: which tables are looked up, which
/// are readouts.
struct Model {
    file: &'static str,
    declarations: &'static [&'static str],
}

const fn model(file: &'static str, declarations: &'static [&'static str]) -> Model {
    Model { file, declarations }
}

const MODELS: [Model; 8] = [
    model("mlp", &["--declare", "fc_3.weight=output"]),
    model("cnn", &["--declare", "readout.weight=output"]),
    model(
        "gpt",
        &[
            "--declare",
            "token.weight=input",
            "--declare",
            "position.weight=input",
            "--declare",
            "readout.weight=output",
        ],
    ),
    model(
        "gpt-tied",
        &[
            "--declare",
            "position.weight=input",
            "--tie",
            "readout.weight=token.weight",
        ],
    ),
    model("resnet", &["--declare", "readout.weight=output"]),
    model("gru", &["--declare", "readout.weight=output"]),
    model(
        "rounded-ffn",
        &[
            "--declare",
            "token.weight=input",
            "--declare",
            "readout.weight=output",
        ],
    ),
    model(
        "grouped-kv",
        &[
            "--declare",
            "token.weight=input",
            "--declare",
            "readout.weight=output",
        ],
    ),
];

const SEVERAL_FACTORS: [&str; 2] = ["rounded-ffn", "grouped-kv"];

fn fixture(file: &str) -> Value {
    serde_json::from_str(
        &fs::read_to_string(Path::new(FIXTURES).join(format!("{file}.json"))).unwrap(),
    )
    .unwrap()
}

/// Runs `mutransfer plan` and gives what it printed.
#[track_caller]
fn plan(arguments: &[&str]) -> String {
    let output = mutransfer().arg("plan").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&plan(arguments)).unwrap()
}

#[track_caller]
fn close(actual: &Value, expected: &Value, tolerance: f64, what: &str) {
    let [actual, expected] =
        [actual, expected].map(|value| value.as_f64().unwrap_or_else(|| panic!("{what}: {value}")));
    assert!(
        (actual - expected).abs() <= tolerance * expected.abs(),
        "{what}: {actual} is not {expected}"
    );
}

#[test]
fn reproduces_mup_for_every_model_and_optimizer() {
    let folder = tempfile::tempdir().unwrap();
    for Model { file, declarations } in MODELS {
        let fixture = fixture(file);
        let shapes = |name: &str, shapes: &Value| {
            write(
                folder.path(),
                &format!("{file}-{name}.json"),
                &shapes.to_string(),
            )
        };
        let (base, delta) = (
            shapes("base", &fixture["base"]),
            shapes("delta", &fixture["delta"]),
        );
        for target in fixture["targets"].as_array().unwrap() {
            let path = shapes("target", &target["shapes"]);
            for optimizer in ["adam", "adamw", "sgd"] {
                let files = [
                    "--base", &base, "--delta", &delta, "--target", &path, "--layout", "out-in",
                ];
                let hyper = [
                    "--optimizer",
                    optimizer,
                    "--lr",
                    "0.1",
                    "--weight-decay",
                    "0.01",
                    "--decay-vectors",
                    "--json",
                ];
                let plan = json(&[&files[..], declarations, &hyper].concat());
                let wanted = target["optimizers"][optimizer].as_object().unwrap();
                assert!(!wanted.is_empty());
                for (name, wanted) in wanted {
                    let (own, what) = (&plan["params"][name], format!("{file} {name} {optimizer}"));
                    close(&own["lr"], &wanted["lr"], 1e-12, &what);
                    close(&own["weight_decay"], &wanted["weight_decay"], 1e-12, &what);
                }
                assert_eq!(
                    plan["params"].as_object().unwrap().len(),
                    wanted.len(),
                    "{file}"
                );
            }
        }
    }
}

#[test]
fn readouts_are_multiplied_as_in_mup() {
    let folder = tempfile::tempdir().unwrap();
    for Model { file, declarations } in MODELS {
        let fixture = fixture(file);
        let target = fixture["targets"].as_array().unwrap().last().unwrap();
        let base = write(folder.path(), "base.json", &fixture["base"].to_string());
        let path = write(folder.path(), "target.json", &target["shapes"].to_string());
        let delta = write(folder.path(), "delta.json", &fixture["delta"].to_string());
        let files = [
            "--base", &base, "--target", &path, "--layout", "out-in", "--json",
        ];
        // Where sizes grow by several factors, the target alone does not show what are widths.
        let delta = ["--delta", &delta];
        let delta = if SEVERAL_FACTORS.contains(&file) {
            &delta[..]
        } else {
            &[]
        };
        let plan = json(&[&files[..], declarations, delta].concat());
        for (layer, wanted) in target["readout_forward_multiplier"].as_object().unwrap() {
            let weight = format!("{layer}.weight");
            let own =
                plan["params"]
                    .get(&weight)
                    .map_or(
                        &plan["forward"]["readout"][&weight],
                        |own| &own["multiplier"],
                    );
            close(own, wanted, 1e-12, &format!("{file} {layer}"));
        }
    }
}

#[test]
fn bsh_files_are_those_of_mup_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["mlp", "gpt", "resnet"] {
        let fixture = fixture(file);
        let base = write(folder.path(), "base.json", &fixture["base"].to_string());
        let delta = write(folder.path(), "delta.json", &fixture["delta"].to_string());
        let text = plan(&["--base", &base, "--delta", &delta, "--bsh"]);
        assert_eq!(text, fixture["bsh"].as_str().unwrap(), "{file}");
        let bsh = write(folder.path(), "base.bsh", &text);
        let target = write(
            folder.path(),
            "target.json",
            &fixture["targets"][1]["shapes"].to_string(),
        );
        let declarations = MODELS
            .iter()
            .find(|model| model.file == file)
            .unwrap()
            .declarations;
        let rest = [
            &["--target", &target, "--layout", "out-in", "--json"][..],
            declarations,
        ]
        .concat();
        let from_bsh = json(&[&["--base", &bsh][..], &rest].concat());
        let from_shapes = json(&[&["--base", &base, "--delta", &delta][..], &rest].concat());
        assert_eq!(from_bsh["hash"], from_shapes["hash"], "{file}");
    }
}

const BASE: &str = r#"{"token": {"dims": [50, 64], "fan_out": 1}, "up": {"dims": [64, 128], "fan_in": 0, "fan_out": 1},
    "bias": [128], "readout": {"dims": [128, 50], "fan_in": 0, "fan_out": 1}}"#;

/// The same network four times as wide.
fn wide() -> String {
    BASE.replace("64", "256").replace("128", "512")
}

#[test]
fn scales_without_hyperparameters_and_numbers_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let (base, target) = (
        write(folder.path(), "base.json", BASE),
        write(folder.path(), "wide.json", &wide()),
    );
    let files = ["--base", &base, "--target", &target, "--json"];
    let scales = json(&files);
    assert_eq!(scales["hyper"], serde_json::json!({}));
    assert_eq!(scales["params"]["up"]["lr"], 0.25);
    assert_eq!(scales["params"]["up"]["init_std"], 0.5);
    assert_eq!(scales["params"]["bias"]["init_std"], Value::Null);
    let numbers = json(
        &[
            &files[..],
            &["--lr", "0.01", "--init-std", "0.02", "--eps", "1e-8"],
        ]
        .concat(),
    );
    assert_eq!(numbers["params"]["up"]["lr"], 0.0025);
    assert_eq!(numbers["params"]["up"]["init_std"], 0.01);
    assert_eq!(numbers["params"]["up"]["init_scale"], 0.5);
    close(
        &numbers["params"]["up"]["eps"],
        &serde_json::json!(2.5e-9),
        1e-12,
        "eps",
    );
    assert_eq!(
        numbers["params"]["up"]["weight_decay"], 4.0,
        "a scale, since no decay was given"
    );
    assert_eq!(numbers["hash"], scales["hash"], "the plan is the same");
}

#[test]
fn forms_decays_and_options_change_what_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let (base, target) = (
        write(folder.path(), "base.json", BASE),
        write(folder.path(), "wide.json", &wide()),
    );
    let of =
        |more: &[&str]| json(&[&["--base", &base, "--target", &target, "--json"], more].concat());
    let table3 = of(&["--form", "table3"]);
    let readout = &table3["params"]["readout"];
    assert_eq!(
        [
            &readout["multiplier"],
            &readout["lr"],
            &readout["init_scale"]
        ],
        [&1.0, &0.25, &0.25].map(|x| x)
    );
    assert_eq!(
        table3["clip"]["factors"]["readout"], 0.25,
        "its gradient is four times that of Table 8"
    );
    let independent = of(&["--decay", "independent"]);
    assert_eq!(independent["params"]["up"]["weight_decay"], 1.0);
    assert_eq!(
        of(&["--option", "hidden-decay=sqrt"])["params"]["up"]["weight_decay"],
        2.0
    );
    assert_eq!(of(&["--rule", "ntk"])["params"]["up"]["multiplier"], 0.5);
    assert_eq!(
        of(&["--rule", "uniform:1/4", "--optimizer", "sgd"])["rule"],
        "uniform:1/4"
    );
    assert_eq!(of(&["--head-dim", "16:64"])["forward"]["attention"], 0.0625);
    assert_eq!(
        of(&["--zero-init", "readout"])["params"]["readout"]["init_std"],
        0.0
    );
}

#[test]
fn depth_compares_blocks_by_their_names_without_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = |count: usize, width: usize| {
        let of = |at: usize| {
            format!(
                r#""blocks.{at}.up": {{"dims": [{width}, {width}], "fan_in": 0, "fan_out": 1}}"#
            )
        };
        format!(
            "{{{}, \"bias\": [{width}]}}",
            (0..count).map(of).collect::<Vec<_>>().join(", ")
        )
    };
    let base = write(folder.path(), "base.json", &blocks(2, 64));
    let delta = write(folder.path(), "delta.json", &blocks(2, 96));
    let target = write(folder.path(), "target.json", &blocks(8, 64));
    let files = [
        "--base", &base, "--delta", &delta, "--target", &target, "--json", "--depth", "2:8",
    ];
    let plan = json(&files);
    assert_eq!(plan["params"].as_object().unwrap().len(), 9);
    assert_eq!(plan["forward"]["residual"], 0.25);
    assert_eq!(plan["params"]["blocks.7.up"]["eps"], 0.25);
    assert_eq!(plan["params"]["bias"]["eps"], 1.0);
    let half = json(&[&files[..], &["--option", "depth=1/2"]].concat());
    assert_eq!(half["forward"]["residual"], 0.5);
    assert_eq!(half["params"]["blocks.0.up"]["lr"], 0.5);
}

#[test]
fn the_table_for_people_names_every_parameter() {
    let folder = tempfile::tempdir().unwrap();
    let (base, target) = (
        write(folder.path(), "base.json", BASE),
        write(folder.path(), "wide.json", &wide()),
    );
    let text = plan(&["--base", &base, "--target", &target, "--lr", "0.01"]);
    for part in [
        "64→256 x 128→512",
        "hidden",
        "0.0025",
        "weight decay scale",
        "1 vector, 1 input, 1 hidden, 1 output",
    ] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}

/// What a plan that cannot be made says, with exit code 2.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = mutransfer().arg("plan").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        output.stdout.is_empty() && !said.contains("panicked"),
        "{said}"
    );
    said
}

#[test]
fn bad_requests_name_the_thing_and_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let (base, target) = (
        write(folder.path(), "base.json", BASE),
        write(folder.path(), "wide.json", &wide()),
    );
    let file = |name: &str, text: &str| write(folder.path(), name, text);
    let flat = file("flat.json", r#"{"w": [50, 64]}"#);
    let flat_wide = file("flat-wide.json", r#"{"w": [50, 128]}"#);
    let broken = file("broken.json", r#"{"w": [50, "#);
    let twice = file("twice.json", r#"{"w": [50, 64], "w": [50, 64]}"#);
    let cut = file("cut.safetensors", "\u{10}\0\0\0\0\0\0\0{}");
    let rule = file("rule.toml", "[input]\nlr = \"m_inn\"\n[hidden]\n[output]\n");
    let missing = file(
        "missing.json",
        r#"{"token": {"dims": [50, 256], "fan_out": 1}}"#,
    );
    let cases: [(&[&str], &[&str]); 16] = [
        (
            &["--base", "/no/such.json", "--target", &target],
            &["cannot read /no/such.json", "because No such file"],
        ),
        (
            &["--base", &broken, "--target", &target],
            &["broken.json", "EOF", "line 1"],
        ),
        (
            &["--base", &twice, "--target", &target],
            &["parameter `w` is given twice"],
        ),
        (
            &["--base", &base, "--target", &cut],
            &["cut.safetensors", "safetensors"],
        ),
        (
            &["--base", &base, "--target", &missing],
            &[
                "is missing in the target model",
                "hint: build base, delta and target",
            ],
        ),
        (
            &["--base", &base, "--target", &base],
            &["no dimension grows", "hint: build the delta model"],
        ),
        (
            &["--base", &flat, "--target", &flat_wide],
            &["parameter `w` of dimensions [50, 128]", "'w=input'"],
        ),
        (
            &[
                "--base",
                &base,
                "--target",
                &target,
                "--declare",
                "head=output",
            ],
            &["no parameter matches `head`"],
        ),
        (
            &[
                "--base",
                &base,
                "--target",
                &target,
                "--declare",
                "up=output",
            ],
            &["nothing shows that it is a width"],
        ),
        (
            &["--base", &base, "--target", &target, "--declare", "up"],
            &["`up` is not of the form PATTERN=ROLE"],
        ),
        (
            &["--base", &base, "--target", &target, "--rule", "magic"],
            &["unknown rule `magic`; known: sp,"],
        ),
        (
            &["--base", &base, "--target", &target, "--rule", &rule],
            &["rule.toml", "[input]", "`m_inn` is no power"],
        ),
        (
            &[
                "--base",
                &base,
                "--target",
                &target,
                "--optimizer",
                "shampoo",
            ],
            &["unknown optimizer `shampoo`; known: sgd,"],
        ),
        (
            &["--base", &base, "--target", &target, "--lr", "nan"],
            &["--lr is NaN; it must be a positive number"],
        ),
        (
            &["--base", &base, "--target", &target, "--option", "eps=big"],
            &["unknown variant `big`, expected one of `rule`, `faithful`"],
        ),
        (
            &[
                "--base",
                &base,
                "--target",
                &target,
                "--tie",
                "readout=token",
            ],
            &["`readout` cannot be tied to `token`"],
        ),
    ];
    for (arguments, parts) in cases {
        let said = refused(arguments);
        for part in parts {
            assert!(said.contains(part), "`{part}` is missing in: {said}");
        }
    }
}
