//! Every lint has a counterexample that triggers it and only it; a correct model triggers none.

use crate::common;

use std::collections::BTreeSet;

use common::rule;
use mutransfer::{
    Check, Finding, Form, LINTS, Layout, Lint, Optimizer, Options, Parametrization, Role, Rule,
    Shape, Shapes, Size, Sizes, Widths,
};

/// A language model stored as torch stores it, by its sizes alone.
fn model(width: usize) -> Shapes {
    Shapes::from_iter([
        ("embedding", Shape::new([50, width])),
        ("blocks.0.norm", Shape::vector(width)),
        ("blocks.0.query", Shape::new([width, width])),
        ("blocks.0.up", Shape::new([4 * width, width])),
        ("blocks.0.down", Shape::new([width, 4 * width])),
        ("readout", Shape::new([50, width])),
    ])
}

fn with(shapes: &Shapes, name: &str, dims: &[usize]) -> Shapes {
    let others = shapes
        .iter()
        .map(|(name, shape)| (name.clone(), shape.clone()));
    others.chain([(name.into(), Shape::new(dims))]).collect()
}

fn between(base: &Shapes, delta: &Shapes) -> Widths {
    let widths = Widths::between(base, delta)
        .unwrap()
        .with_layout(Layout::OutIn);
    widths.declare("embedding", Role::Input).unwrap()
}

fn widths() -> Widths {
    between(&model(16), &model(32))
        .declare("readout", Role::Output)
        .unwrap()
}

/// Everything there is to check.
struct Subject {
    widths: Widths,
    target: Shapes,
    rule: Parametrization,
    optimizer: Optimizer,
    clips: bool,
    zero_init: Vec<String>,
}

/// Nothing is wrong with it.
fn right() -> Subject {
    let zero_init = vec!["readout".to_owned()];
    let (rule, optimizer) = (Rule::Mup.into(), Optimizer::AdamW);
    Subject {
        widths: widths(),
        target: model(64),
        rule,
        optimizer,
        clips: true,
        zero_init,
    }
}

impl Subject {
    /// With weight decay.
    fn findings(&self) -> Vec<Finding> {
        let Self {
            widths,
            target,
            rule,
            optimizer,
            clips,
            zero_init,
        } = self;
        Check {
            widths,
            target,
            rule,
            optimizer: *optimizer,
            decays: true,
            clips: *clips,
            zero_init,
        }
        .findings()
        .unwrap()
    }
}

/// Codes with the parameter they are about.
fn found(subject: &Subject) -> Vec<(&'static str, Option<String>)> {
    subject
        .findings()
        .iter()
        .map(|one| {
            (
                one.lint.code,
                one.parameter.as_ref().map(ToString::to_string),
            )
        })
        .collect()
}

#[track_caller]
fn assert_only(code: &'static str, parameter: Option<&str>, subject: Subject) {
    assert_eq!(found(&subject), [(code, parameter.map(str::to_owned))]);
}

#[test]
fn a_correct_model_triggers_none() {
    assert_eq!(found(&right()), []);
    for name in ["mup", "mean-field", "uniform:0"] {
        let subject = Subject {
            rule: rule(name).into(),
            ..right()
        };
        assert_eq!(found(&subject), [], "{name}");
    }
    for optimizer in [
        Optimizer::Sgd,
        Optimizer::Lion,
        Optimizer::Muon,
        Optimizer::MuonMoonlight,
    ] {
        assert_eq!(
            found(&Subject {
                optimizer,
                ..right()
            }),
            [],
            "{optimizer}"
        );
    }
    let deeper = with(&model(64), "blocks.1.query", &[64, 64]);
    assert_eq!(
        found(&Subject {
            widths: widths().with_sizes(Sizes::NONE.with(Size::Depth, 1, 2).unwrap()),
            target: deeper,
            ..right()
        }),
        []
    );
}

#[test]
fn mu001_readout_not_declared() {
    let widths = between(&model(16), &model(32));
    assert_only("MU001", Some("readout"), Subject { widths, ..right() });
    let widths = Widths::between(&model(16), &model(32))
        .unwrap()
        .with_layout(Layout::OutIn);
    let widths = widths.declare("readout", Role::Output).unwrap();
    assert_only("MU001", Some("embedding"), Subject { widths, ..right() });
}

#[test]
fn mu002_nothing_grows() {
    let error = Widths::between(&model(16), &model(16)).unwrap_err();
    let finding = Finding::of_error(&error);
    assert_eq!((finding.lint.code, finding.parameter), ("MU002", None));
}

#[test]
fn mu003_silent_standard_parametrization() {
    assert_only(
        "MU003",
        None,
        Subject {
            target: model(16),
            ..right()
        },
    );
    // u-μP has no base that the target could be.
    assert_eq!(
        found(&Subject {
            rule: Rule::UnitMup.into(),
            target: model(16),
            ..right()
        }),
        []
    );
}

#[test]
fn mu004_scaled_twice() {
    let readout = "input = {}\nhidden = { b = '1/2', c = '1' }\noutput = { a = '1', c = '1' }";
    let readout = Parametrization::from_toml("twice", readout).unwrap();
    assert_only(
        "MU004",
        None,
        Subject {
            rule: readout,
            ..right()
        },
    );
    let muon = "input = {}\nhidden = { b = '1/2', c = '1' }\noutput = { a = '1' }";
    let muon = Parametrization::from_toml("twice", muon).unwrap();
    for optimizer in [
        Optimizer::Muon,
        Optimizer::MuonKellerJordan,
        Optimizer::MuonMoonlight,
    ] {
        assert_only(
            "MU004",
            None,
            Subject {
                rule: muon.clone(),
                optimizer,
                ..right()
            },
        );
    }
}

#[test]
fn mu005_tied_without_multiplier() {
    let untied = |width| model(width).without("readout");
    let widths = between(&untied(16), &untied(32));
    let zero_init = Vec::new();
    assert_only(
        "MU005",
        None,
        Subject {
            widths: widths.clone(),
            target: untied(64),
            zero_init,
            ..right()
        },
    );

    let tied = widths.tie("readout", "embedding").unwrap();
    assert_eq!(
        found(&Subject {
            widths: tied.clone(),
            ..right()
        }),
        []
    );
    let table3 = Parametrization::from(Rule::Mup).with_form(Form::Table3);
    let codes = found(&Subject {
        widths: tied,
        rule: table3,
        ..right()
    });
    assert_eq!(codes, [("MU005", Some("readout".to_owned()))]);
}

/// Deeper targets have parameters that the base does not have, and may lack a readout all the same.
#[test]
fn mu005_in_a_deeper_model() {
    let untied = |width| model(width).without("readout");
    let widths =
        between(&untied(16), &untied(32)).with_sizes(Sizes::NONE.with(Size::Depth, 1, 2).unwrap());
    let target = with(&untied(64), "blocks.1.query", &[64, 64]);
    assert_only(
        "MU005",
        None,
        Subject {
            widths,
            target,
            ..right()
        },
    );
}

#[test]
fn mu006_fan_in_unknown() {
    let cube = |width| with(&model(width), "cube", &[3, 3, width]);
    let growing = between(&cube(16), &cube(32))
        .declare("readout", Role::Output)
        .unwrap();
    let without_layout = Widths::between(&model(16), &model(32)).unwrap();
    let without_layout = without_layout
        .declare("embedding", Role::Input)
        .unwrap()
        .declare("readout", Role::Output);
    let codes = found(&Subject {
        widths: without_layout.unwrap(),
        ..right()
    });
    let matrices = ["blocks.0.down", "blocks.0.query", "blocks.0.up"];
    assert_eq!(codes, matrices.map(|name| ("MU006", Some(name.to_owned()))));
    // A lone growing axis that no layer sums over may be anything, so its role is what is missing.
    assert_only(
        "MU001",
        Some("cube"),
        Subject {
            widths: growing,
            target: cube(64),
            ..right()
        },
    );
}

#[test]
fn mu007_parts_of_a_fused_matrix_grow_unequally() {
    // Grouped keys and values: queries grow, they do not.
    let fused = |width: usize| with(&model(width), "blocks.0.qkv", &[width + 2 * 8, width]);
    let widths = between(&fused(16), &fused(32))
        .declare("readout", Role::Output)
        .unwrap();
    assert_only(
        "MU007",
        Some("blocks.0.qkv"),
        Subject {
            widths: widths.clone(),
            target: fused(64),
            ..right()
        },
    );
    let together = |width: usize| with(&model(width), "blocks.0.qkv", &[3 * width, width]);
    let widths = between(&together(16), &together(32))
        .declare("readout", Role::Output)
        .unwrap();
    assert_eq!(
        found(&Subject {
            widths,
            target: together(64),
            ..right()
        }),
        []
    );
}

#[test]
fn mu007_in_every_block_of_a_deeper_model() {
    let fused = |width: usize| with(&model(width), "blocks.0.qkv", &[width + 2 * 8, width]);
    let widths = between(&fused(16), &fused(32))
        .declare("readout", Role::Output)
        .unwrap()
        .with_sizes(Sizes::NONE.with(Size::Depth, 1, 2).unwrap());
    let target = with(&fused(64), "blocks.1.qkv", &[80, 64]);
    let blocks = ["blocks.0.qkv", "blocks.1.qkv"];
    assert_eq!(
        found(&Subject {
            widths,
            target,
            ..right()
        }),
        blocks.map(|name| ("MU007", Some(name.to_owned())))
    );
}

#[test]
fn mu008_sizes_contradict_each_other() {
    let target = |target: Shapes| Subject { target, ..right() };
    assert_only(
        "MU008",
        Some("blocks.0.norm"),
        target(model(64).without("blocks.0.norm")),
    );
    assert_only(
        "MU008",
        Some("extra"),
        target(with(&model(64), "extra", &[64])),
    );
    assert_only(
        "MU008",
        Some("blocks.0.norm"),
        target(with(&model(64), "blocks.0.norm", &[64, 1])),
    );
    // What base and delta agree on is fixed, unless it grows as widths do.
    let padded = target(with(&model(64), "embedding", &[64, 64]));
    assert_eq!(found(&padded), []);
    let table = |width, size| with(&model(width), "blocks.0.table", &[size, width]);
    let same = between(&table(16, 24), &table(32, 24));
    assert_only(
        "MU008",
        Some("blocks.0.table"),
        Subject {
            widths: same.declare("readout", Role::Output).unwrap(),
            target: table(64, 96),
            ..right()
        },
    );
    assert_only(
        "MU008",
        Some("blocks.0.norm"),
        target(with(&model(64), "blocks.0.norm", &[0])),
    );
    let contradiction = widths().declare("blocks.0.norm", Role::Input).unwrap();
    assert_only(
        "MU008",
        Some("blocks.0.norm"),
        Subject {
            widths: contradiction,
            ..right()
        },
    );
    let cube = |width| with(&model(width), "cube", &[width, width, width]);
    let widths = between(&cube(16), &cube(32));
    assert_only(
        "MU008",
        Some("cube"),
        Subject {
            widths: widths.declare("readout", Role::Output).unwrap(),
            target: cube(64),
            ..right()
        },
    );
}

#[test]
fn mu009_weight_decay_in_the_gradient() {
    assert_only(
        "MU009",
        None,
        Subject {
            optimizer: Optimizer::Adam,
            ..right()
        },
    );
}

/// LAMB adds its decay to a direction whose entries are of order one, LARS to a gradient that is
/// normalised as a whole: both scale.
#[test]
fn decay_under_a_norm_of_the_whole_tensor_is_no_finding() {
    for optimizer in [Optimizer::Lamb, Optimizer::Lars] {
        let subject = Subject {
            optimizer,
            ..right()
        };
        let codes: Vec<_> = found(&subject).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, ["MU010"], "{optimizer}");
    }
}

#[test]
fn mu010_zero_init_under_a_trust_ratio() {
    assert_only(
        "MU010",
        Some("readout"),
        Subject {
            optimizer: Optimizer::Adafactor,
            ..right()
        },
    );
}

#[test]
fn mu011_gradient_norm_grows_with_width() {
    let table3 = Parametrization::from(Rule::Mup).with_form(Form::Table3);
    assert_only(
        "MU011",
        None,
        Subject {
            rule: table3,
            ..right()
        },
    );
    assert_only(
        "MU011",
        None,
        Subject {
            rule: Rule::Spectral.into(),
            ..right()
        },
    );
}

/// MU012 is about a trainer's numbers; settings.rs has its counterexamples.
#[test]
fn mu013_rule_does_not_transfer() {
    let standard = ["sp", "sp-constant-std", "sp-inverse-width", "sp-per-layer"];
    for name in standard
        .into_iter()
        .chain(["ntk", "uniform:1/4", "uniform:1/2", "sp+embedding"])
    {
        // The gradients of some of them grow with width, which is a finding of its own.
        let subject = Subject {
            rule: rule(name).into(),
            clips: false,
            ..right()
        };
        assert_eq!(found(&subject), [("MU013", None)], "{name}");
    }
    let slow = "input = { c = '1/2' }\nhidden = { b = '1/2', c = '1' }\noutput = { a = '1' }";
    let subject = Subject {
        rule: Parametrization::from_toml("slow", slow).unwrap(),
        ..right()
    };
    assert_eq!(
        subject.findings()[0].message,
        "slow under adamw is in the regime features; input is not updated maximally"
    );
    let without_norm = Subject {
        rule: rule("mup-norm").into(),
        ..right()
    };
    assert_eq!(
        without_norm.findings()[0].message,
        "mup-norm under adamw is in the regime features; vector is not updated maximally"
    );
}

#[test]
fn mu014_epsilon_does_not_follow_the_gradient() {
    let options = Options::from_pairs([("eps", "constant")]).unwrap();
    let constant = Parametrization::from(Rule::Mup).with_options(options);
    assert_only(
        "MU014",
        None,
        Subject {
            rule: constant,
            ..right()
        },
    );
}

#[test]
fn mu015_a_size_of_the_data_taken_for_a_width() {
    let model = |width, words| with(&model(width), "readout", &[words, width]);
    let widths = || {
        let widths = Widths::inferred(&model(16, 50), &model(64, 51)).unwrap();
        let widths = widths.with_layout(Layout::OutIn);
        widths.declare("embedding", Role::Input).unwrap()
    };
    let subject = |widths| Subject {
        widths,
        target: model(64, 51),
        ..right()
    };
    assert_only("MU015", Some("readout"), subject(widths()));
    let declared = widths().declare("readout", Role::Output).unwrap();
    assert_eq!(found(&subject(declared)), []);
}

#[test]
fn mu016_no_input() {
    let inner = |width| model(width).without("embedding");
    let widths = Widths::between(&inner(16), &inner(32)).unwrap();
    let widths = widths.with_layout(Layout::OutIn);
    assert_only(
        "MU016",
        None,
        Subject {
            widths: widths.declare("readout", Role::Output).unwrap(),
            target: inner(64),
            ..right()
        },
    );
}

#[test]
fn mu017_a_matrix_grows_alone() {
    let model = |width: usize, size: usize| {
        let model = with(&model(width), "mix.in", &[size, width]);
        with(&model, "mix.out", &[width, size])
    };
    let widths = between(&model(16, 24), &model(32, 48));
    let subject = |size| Subject {
        widths: widths.clone().declare("readout", Role::Output).unwrap(),
        target: model(64, size),
        ..right()
    };
    let found_alone = ["mix.in", "mix.out"].map(|name| ("MU017", Some(name.to_owned())));
    assert_eq!(found(&subject(24)), found_alone);
    assert_eq!(found(&subject(96)), []);
}

#[test]
fn lints_have_distinct_codes_and_texts() {
    let codes: Vec<_> = LINTS.iter().map(|lint| lint.code).collect();
    assert_eq!(
        codes,
        (1..=26)
            .map(|number| format!("MU{number:03}"))
            .collect::<Vec<_>>()
    );
    for texts in [
        |lint: &Lint| lint.title,
        |lint: &Lint| lint.what,
        |lint: &Lint| lint.why,
        |lint: &Lint| lint.fix,
    ] {
        let distinct: BTreeSet<_> = LINTS.iter().map(|lint| texts(lint)).collect();
        assert_eq!(distinct.len(), LINTS.len());
        assert!(
            distinct
                .iter()
                .all(|text| text.len() > 10 && !text.contains("  ") && *text == text.trim())
        );
    }
    assert!(LINTS.iter().all(|lint| !lint.source.is_empty()));
}

#[test]
fn lints_are_found_by_code() {
    for lint in LINTS {
        assert_eq!(lint.code.parse::<&Lint>().unwrap(), *lint);
        assert_eq!(lint.code.to_lowercase().parse::<&Lint>().unwrap(), *lint);
    }
    let error = "MU099".parse::<&Lint>().unwrap_err().to_string();
    assert!(
        error.starts_with("unknown lint `MU099`; known: MU001, MU002,"),
        "{error}"
    );
}
