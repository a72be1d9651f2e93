//! What `check` finds of experts: each by a counterexample that triggers it and only it. MG6.

use crate::common;

use common::options;
use mutransfer::{
    Check, Layout, Optimizer, Parametrization, Role, Rule, Shape, Shapes, Size, Sizes, Widths,
    routing_variance,
};

/// A model of a width with experts of these widths.
fn model(width: usize, experts: &[usize]) -> Shapes {
    let around = [
        ("embedding", [50, width]),
        ("blocks.0.query", [width, width]),
        ("blocks.0.router", [experts.len(), width]),
        ("readout", [50, width]),
    ];
    let around = around.map(|(name, dims)| (name.to_owned(), Shape::new(dims)));
    let experts = experts.iter().enumerate().flat_map(|(number, own)| {
        let name = |part| format!("blocks.0.experts.{number}.{part}");
        [
            (name("up"), Shape::new([*own, width])),
            (name("down"), Shape::new([width, *own])),
        ]
    });
    around.into_iter().chain(experts).collect()
}

/// From four experts to four wider ones, of which so many are active.
struct Case {
    active: [usize; 2],
    target: Shapes,
    rule: Parametrization,
    zero_init: Vec<String>,
}

fn right() -> Case {
    Case {
        active: [2, 2],
        target: model(64, &[48; 4]),
        rule: Rule::CompleteMuE.into(),
        zero_init: Vec::new(),
    }
}

fn found(case: &Case) -> Vec<(&'static str, Option<String>)> {
    let sizes = Sizes::NONE
        .with(Size::Active, case.active[0], case.active[1])
        .and_then(|sizes| sizes.with(Size::ExpertWidth, 24, 48));
    let widths = Widths::inferred(&model(32, &[24; 4]), &case.target)
        .unwrap()
        .with_layout(Layout::OutIn)
        .declare("embedding", Role::Input)
        .and_then(|widths| widths.declare("readout", Role::Output))
        .unwrap()
        .with_sizes(sizes.unwrap());
    let check = Check {
        widths: &widths,
        target: &case.target,
        rule: &case.rule,
        optimizer: Optimizer::AdamW,
        decays: true,
        clips: true,
        zero_init: &case.zero_init,
    };
    let findings = check.findings().unwrap().into_iter();
    let of = |finding: mutransfer::Finding| {
        let name = finding.parameter.map(|name| name.to_string());
        (finding.lint.code, name)
    };
    findings.map(of).collect()
}

fn chosen(pair: (&str, &str)) -> Parametrization {
    Parametrization::from(Rule::CompleteMuE).with_options(options([pair]))
}

#[test]
fn a_correct_layer_triggers_none() {
    assert_eq!(found(&right()), []);
    let rule = Rule::Mup.into();
    assert_eq!(found(&Case { rule, ..right() }), []);
}

#[test]
fn mu021_another_share_of_active_experts() {
    let denser = |rule| Case {
        active: [2, 4],
        rule,
        ..right()
    };
    assert_eq!(found(&denser(Rule::CompleteMuE.into())), [("MU021", None)]);
    assert_eq!(found(&denser(chosen(("density", "allow")))), []);
}

#[test]
fn mu022_a_gate_that_the_rule_does_not_cover() {
    for gate in ["softmax", "sigmoid", "sqrt-gate", "top-k-softmax"] {
        let rule = chosen(("gate", gate));
        assert_eq!(found(&Case { rule, ..right() }), [("MU022", None)]);
    }
}

#[test]
fn mu023_a_router_without_a_gradient() {
    let one = |rule| Case {
        active: [1, 1],
        rule,
        ..right()
    };
    assert_eq!(found(&one(Rule::CompleteMuE.into())), [("MU023", None)]);
    assert_eq!(found(&one(chosen(("gate", "sigmoid")))), [("MU022", None)]);
}

#[test]
fn mu024_experts_under_a_rule_without_laws_for_them() {
    let naive = Case {
        active: [1, 2],
        rule: Rule::Mup.into(),
        ..right()
    };
    assert_eq!(found(&naive), [("MU024", None)]);
}

#[test]
fn mu025_a_router_that_starts_at_zero() {
    let zero_init = vec!["blocks.*.router".to_owned()];
    let router = Some("blocks.0.router".to_owned());
    assert_eq!(
        found(&Case {
            zero_init,
            ..right()
        }),
        [("MU025", router)]
    );
}

#[test]
fn mu026_experts_of_several_widths() {
    let target = model(64, &[48, 48, 48, 96]);
    assert_eq!(found(&Case { target, ..right() }), [("MU026", None)]);
}

/// F: of equal weights, of one that has all, and of two that share it.
#[test]
fn mg6() {
    let weights = |own: &[f64]| {
        let mut all = [0.0; 8];
        all[..own.len()].copy_from_slice(own);
        all
    };
    for (own, expected) in [
        (weights(&[0.125; 8]), 1.0),
        (weights(&[1.0]), 8.0),
        (weights(&[0.5, 0.5]), 4.0),
    ] {
        assert_eq!(routing_variance([&own[..]], 8), Some(expected));
    }
    assert_eq!(routing_variance([], 8), None);
}
