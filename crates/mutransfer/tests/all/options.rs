//! Every choice where the literature disagrees (O1 to O16 of the specification): the default and
//! each other one.

use crate::common;

use common::{Layout, options, plan, plan_with_heads, printed};
use mutransfer::{Alpha, Decay, Form, Optimizer, Options, Parametrization, Place, Role, Rule};

const MULTIPLIER: usize = 0;
const RATE: usize = 2;
const DECAY: usize = 3;
const EPS: usize = 4;

/// Option, value, optimizer, role, place, column, what stands there. `default` is the option left
/// alone.
type Case = (
    &'static str,
    &'static str,
    Optimizer,
    Role,
    Place,
    usize,
    &'static str,
);

#[track_caller]
fn assert_cases(rule: &Parametrization, cases: &[Case]) {
    for &(key, value, optimizer, role, place, column, expected) in cases {
        let chosen = if value == "default" {
            Options::default()
        } else {
            options([(key, value)])
        };
        let table = rule.clone().with_options(chosen).table(optimizer).unwrap();
        let found = &printed(table.law_at(role, place))[column];
        assert_eq!(
            found, expected,
            "{key}={value} with {optimizer}: {role} {place:?}"
        );
    }
}

/// O1: lr·wd per step is 1, 1/m, 1/√m, 1/m; the learning rate is 1/m.
#[test]
fn hidden_decay() {
    use Optimizer::AdamW;
    let case = |value, expected| {
        (
            "hidden-decay",
            value,
            AdamW,
            Role::Hidden,
            Place::Outside,
            DECAY,
            expected,
        )
    };
    let times_lr = [
        case("default", "m_in"),
        case("keep-product", "m_in"),
        case("constant-lambda", "1"),
        case("sqrt", "m_in^1/2"),
        case("independent-inverse-width", "1"),
    ];
    assert_cases(&Rule::Mup.into(), &times_lr);
    let independent = [
        case("default", "1"),
        case("constant-lambda", "m_in^-1"),
        case("sqrt", "m_in^-1/2"),
        case("independent-inverse-width", "m_in^-1"),
    ];
    assert_cases(
        &Parametrization::from(Rule::Mup).with_decay(Decay::Independent),
        &independent,
    );
    // 2512.05620: 1/width for every optimizer, whatever its learning rate.
    for optimizer in Optimizer::ALL.iter().copied() {
        let rule = Parametrization::from(Rule::Mup)
            .with_decay(Decay::Independent)
            .with_options(options([("hidden-decay", "independent-inverse-width")]));
        let table = rule.table(optimizer).unwrap();
        assert_eq!(
            printed(table.law(Role::Hidden))[DECAY],
            "m_in^-1",
            "{optimizer}"
        );
    }
    let others = |role| {
        (
            "hidden-decay",
            "constant-lambda",
            AdamW,
            role,
            Place::Outside,
            DECAY,
            "1",
        )
    };
    assert_cases(
        &Rule::Mup.into(),
        &[
            others(Role::Input),
            others(Role::Output),
            others(Role::Vector),
        ],
    );
}

#[test]
fn decay_depth() {
    let chosen = |decay_depth| options([("decay-depth", decay_depth), ("depth", "1/2")]);
    for (value, hidden, vector) in [
        ("published", "m_in", "1"),
        ("keep-product", "m_in m_L^1/2", "m_L^1/2"),
    ] {
        let rule = Parametrization::from(Rule::Mup).with_options(chosen(value));
        let table = rule.table(Optimizer::AdamW).unwrap();
        let decay = |role| printed(table.law_at(role, Place::Block))[DECAY].clone();
        assert_eq!(
            [decay(Role::Hidden), decay(Role::Vector)],
            [hidden, vector],
            "{value}"
        );
        assert_eq!(
            printed(table.law(Role::Hidden))[DECAY],
            "m_in",
            "{value}: outside of blocks"
        );
    }
}

/// O2, in the form of Table 8. Rows: input, hidden in a block, QK gain in a block, readout.
#[test]
fn eps() {
    let rows = [
        (
            "default",
            ["m_out^-1", "m_out^-1 m_L^-1", "m_L^-1", "m_in^-1"],
        ),
        (
            "faithful",
            ["m_out^-1", "m_out^-1 m_L^-1", "m_L^-1", "m_in^-1"],
        ),
        ("complete-p", ["1", "m_out^-1 m_L^-1", "m_L^-1", "1"]),
        (
            "complete-dp",
            ["m_out^-1", "m_out^-1 m_L^-1", "m_L^-1", "m_in^-1"],
        ),
        ("constant", ["1", "1", "1", "1"]),
    ];
    let places = [
        (Role::Input, Place::Outside),
        (Role::Hidden, Place::Block),
        (Role::Fixed, Place::Block),
        (Role::Output, Place::Outside),
    ];
    for (value, expected) in rows {
        let cases = [0, 1, 2, 3].map(|at| {
            let (role, place) = places[at];
            (
                "eps",
                value,
                Optimizer::AdamW,
                role,
                place,
                EPS,
                expected[at],
            )
        });
        assert_cases(&Rule::Mup.into(), &cases);
    }
    // Complete(d)P prints 1 for output weights, in the form without multipliers.
    let output = (
        "eps",
        "complete-dp",
        Optimizer::AdamW,
        Role::Output,
        Place::Outside,
        EPS,
        "1",
    );
    assert_cases(
        &Parametrization::from(Rule::Mup).with_form(Form::Table3),
        &[output],
    );
}

/// O2, TP5 B.3: 1/fan_in for every tensor, which is 1 in ratios where the fan-in is finite.
#[test]
fn eps_by_fan_in() {
    let rule = Parametrization::from(Rule::Mup).with_options(options([("eps", "fan-in")]));
    let plan = plan(rule, Optimizer::AdamW, 64, 256, Layout::InOut);
    let cases = [
        ("hidden.weight", 0.25),
        ("readout.weight", 0.25),
        ("embedding.weight", 1.0),
        ("norm.gain", 1.0),
    ];
    for (name, expected) in cases {
        assert_eq!(plan.param(name).unwrap().scales.eps, expected, "{name}");
    }
}

/// O16.
#[test]
fn final_norm_eps() {
    use Optimizer::AdamW;
    let case =
        |key, value, place, expected| (key, value, AdamW, Role::Vector, place, EPS, expected);
    let cases = [
        case("final-norm-eps", "default", Place::Outside, "m_out^-1"),
        case("final-norm-eps", "faithful", Place::Outside, "m_out^-1"),
        case("final-norm-eps", "constant", Place::Outside, "1"),
        case(
            "final-norm-eps",
            "constant",
            Place::Block,
            "m_out^-1 m_L^-1",
        ),
        case("eps", "complete-dp", Place::Outside, "1"),
    ];
    assert_cases(&Rule::Mup.into(), &cases);
}

/// O4, O9, O10.
#[test]
fn learning_rates() {
    use Optimizer::{AdamW, Lamb, Sgd};
    let case = |key, value, optimizer, role, expected| {
        (key, value, optimizer, role, Place::Outside, RATE, expected)
    };
    let cases = [
        case("embedding-lr", "default", AdamW, Role::Input, "1"),
        case("embedding-lr", "rule", AdamW, Role::Input, "1"),
        case(
            "embedding-lr",
            "inverse-sqrt",
            AdamW,
            Role::Input,
            "m_out^-1/2",
        ),
        case("embedding-lr", "inverse-sqrt", AdamW, Role::Vector, "1"),
        case("sgd-hidden", "default", Sgd, Role::Hidden, "m_in^-1 m_out"),
        case("sgd-hidden", "ratio", Sgd, Role::Hidden, "m_in^-1 m_out"),
        case("sgd-hidden", "one", Sgd, Role::Hidden, "1"),
        case("sgd-hidden", "one", AdamW, Role::Hidden, "m_in^-1"),
        case("trust-readout", "default", Lamb, Role::Output, "1"),
        case("trust-readout", "one", Lamb, Role::Output, "1"),
        case("trust-readout", "fan-in", Lamb, Role::Output, "m_in^-1/2"),
        case("trust-readout", "fan-in", AdamW, Role::Output, "1"),
    ];
    assert_cases(&Rule::Mup.into(), &cases);
    let table3 = Parametrization::from(Rule::Mup).with_form(Form::Table3);
    assert_cases(
        &table3,
        &[case(
            "trust-readout",
            "fan-in",
            Lamb,
            Role::Output,
            "m_in^-1/2",
        )],
    );
    // SP's hidden rate is 1 already.
    assert_cases(
        &Rule::Sp.into(),
        &[case("sgd-hidden", "one", Sgd, Role::Hidden, "1")],
    );
}

/// O3: Table 8 unless another form is asked for.
#[test]
fn readout_form() {
    let case = |expected| {
        (
            "clip",
            "default",
            Optimizer::AdamW,
            Role::Output,
            Place::Outside,
            MULTIPLIER,
            expected,
        )
    };
    assert_cases(&Rule::Mup.into(), &[case("m_in^-1")]);
    for (form, expected) in [
        (Form::Table3, "1"),
        (Form::Table8, "m_in^-1"),
        (Form::Table9, "m_in^-1/2"),
    ] {
        assert_cases(
            &Parametrization::from(Rule::Mup).with_form(form),
            &[case(expected)],
        );
    }
}

/// O5: alpha 1 unless chosen, from 1/2 to 1, or no law of depth at all.
#[test]
fn depth() {
    let residual = |chosen: Options| {
        let rule = Parametrization::from(Rule::Mup).with_options(chosen);
        rule.table(Optimizer::AdamW).unwrap().residual.to_string()
    };
    assert_eq!(residual(Options::default()), "m_L^-1");
    assert_eq!(Options::default().depth, Alpha::Rule);
    for (alpha, expected) in [
        ("1", "m_L^-1"),
        ("1/2", "m_L^-1/2"),
        ("0.75", "m_L^-3/4"),
        ("untested:2/5", "m_L^-2/5"),
        ("none", "1"),
    ] {
        assert_eq!(residual(options([("depth", alpha)])), expected);
    }
    let error = Options::from_pairs([("depth", "2/5")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "options: `2/5` is no depth exponent; give 1/2 to 1, which papers have tested, none, or \
         untested:2/5"
    );
    let none = options([("depth", "none")]);
    let table = Parametrization::from(Rule::Mup)
        .with_options(none)
        .table(Optimizer::AdamW)
        .unwrap();
    for role in Role::ALL {
        assert_eq!(table.law_at(role, Place::Block), table.law(role), "{role}");
    }
}

/// O13: √base/d, or 1/√d for models that norm queries and keys. Heads of 16 growing to 64.
#[test]
fn attention() {
    let scale = |chosen| {
        let rule = Parametrization::from(Rule::Mup).with_options(chosen);
        plan_with_heads(rule, 64, 256, [16, 64])
            .forward()
            .attention
            .unwrap()
    };
    assert_eq!(scale(Options::default()), 1.0 / 16.0);
    assert_eq!(scale(options([("attention", "rule")])), 1.0 / 16.0);
    assert_eq!(scale(options([("attention", "root")])), 1.0 / 8.0);
}

/// O8. Rows: input, hidden, readout, scalar at m = 4, in the form of Table 3, whose readout
/// gradient grows as m.
#[test]
fn clip() {
    let rows = [
        ("default", [1.0, 1.0, 0.25, 1.0]),
        ("invariant", [1.0, 1.0, 0.25, 1.0]),
        ("constant", [1.0, 1.0, 1.0, 1.0]),
        // 2308.01814 section 2.10.2: thresholds n^1/2 for vector-like, n for matrix-like, constant
        // for scalars.
        ("update", [2.0, 4.0, 2.0, 1.0]),
    ];
    for (value, expected) in rows {
        let chosen = if value == "default" {
            Options::default()
        } else {
            options([("clip", value)])
        };
        let rule = Parametrization::from(Rule::Mup)
            .with_form(Form::Table3)
            .with_options(chosen);
        let plan = plan(rule, Optimizer::AdamW, 64, 256, Layout::InOut);
        let names = [
            "input.weight",
            "hidden.weight",
            "readout.weight",
            "readout.bias",
        ];
        assert_eq!(
            names.map(|name| plan.param(name).unwrap().clip),
            expected,
            "{value}"
        );
    }
}

#[test]
fn options_are_written_as_they_are_read() {
    let written = serde_json::to_value(Options::default()).unwrap();
    let keys: Vec<_> = written.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 18);
    let pairs = written
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap()));
    assert_eq!(Options::from_pairs(pairs).unwrap(), Options::default());
}
