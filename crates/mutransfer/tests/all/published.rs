//! The tables as the papers print them, read in ratios to the base.

use crate::common;

use common::{law, options, printed, rule};
use mutransfer::{Decay, Form, Optimizer, Parametrization, Place, Role, Rule, SWITCHES};

/// Multiplier, standard deviation, learning rate of biases and gains, inputs, hidden matrices,
/// readouts.
type Rows = [[&'static str; 3]; 4];

const ROLES: [Role; 4] = [Role::Vector, Role::Input, Role::Hidden, Role::Output];

#[track_caller]
fn assert_rows(name: &str, rule: &Parametrization, optimizer: Optimizer, rows: Rows) {
    for (role, expected) in ROLES.into_iter().zip(rows) {
        assert_eq!(
            law(rule.clone(), optimizer, role)[..3],
            expected,
            "{name} with {optimizer}: {role}"
        );
    }
    assert_eq!(
        law(rule.clone(), optimizer, Role::Fixed),
        ["1"; 5],
        "{name} with {optimizer}: scalars never scale"
    );
}

/// TP5 (2203.03466) Tables 3, 8 and 9, for square hidden matrices as printed. Gains and biases stay
/// unrotated in Table 9.
#[test]
fn tp5_tables_3_8_9() {
    let hidden_sgd = ["1", "m_in^-1/2", "1"];
    let hidden_adam = ["1", "m_in^-1/2", "m_in^-1"];
    let sgd = ["1", "1", "m_out"];
    let adam = ["1", "1", "1"];
    let root = "m_in^-1/2";
    let cases: [(Form, Rows, Rows); 3] = [
        (
            Form::Table3,
            [sgd, sgd, hidden_sgd, ["1", "m_in^-1", "m_in^-1"]],
            [adam, adam, hidden_adam, ["1", "m_in^-1", "m_in^-1"]],
        ),
        (
            Form::Table8,
            [sgd, sgd, hidden_sgd, ["m_in^-1", "1", "m_in"]],
            [adam, adam, hidden_adam, ["m_in^-1", "1", "1"]],
        ),
        (
            Form::Table9,
            [
                sgd,
                ["m_out^1/2", "m_out^-1/2", "1"],
                hidden_sgd,
                [root, root, "1"],
            ],
            [
                adam,
                ["m_out^1/2", "m_out^-1/2", "m_out^-1/2"],
                hidden_adam,
                [root, root, root],
            ],
        ),
    ];
    for (form, sgd, adam) in cases {
        let mup = Parametrization::from(Rule::Mup).with_form(form);
        let square = mup.clone().with_options(options([("sgd-hidden", "one")]));
        assert_rows(&form.to_string(), &square, Optimizer::Sgd, sgd);
        assert_rows(&form.to_string(), &mup, Optimizer::Adam, adam);
    }
}

/// Their parentheses: SP in every table and form, for every optimizer.
#[test]
fn tp5_parentheses() {
    let (constant, matrix) = (["1", "1", "1"], ["1", "m_in^-1/2", "1"]);
    for optimizer in [
        Optimizer::Sgd,
        Optimizer::Adam,
        Optimizer::Lamb,
        Optimizer::Muon,
    ] {
        assert_rows(
            "sp",
            &Rule::Sp.into(),
            optimizer,
            [constant, constant, matrix, matrix],
        );
        assert_rows(
            "sp-constant-std",
            &Rule::SpConstantStd.into(),
            optimizer,
            [constant; 4],
        );
    }
}

/// TP4 Table 1 and 2308.01814 Def. 2.9.11 (NTP), 2407.05872 (mean field), TP4 Table 1 (SP with
/// 1/n).
#[test]
fn tensor_program_tables() {
    let root = "m_in^-1/2";
    let slow = ["1", "1", "m_out^-1/2"];
    let per_width = ["1", "1", "m_out^-1"];
    let per_in = ["1", root, "m_in^-1"];
    let (one, out) = (["1", "1", "1"], ["1", "1", "m_out"]);
    let cases: [(Rule, Optimizer, Rows); 6] = [
        (
            Rule::Ntk,
            Optimizer::Sgd,
            [one, one, [root, "1", "1"], [root, "1", "1"]],
        ),
        (
            Rule::Ntk,
            Optimizer::Adam,
            [
                slow,
                slow,
                [root, "1", "m_in^-1/2 m_out^-1/2"],
                [root, "1", root],
            ],
        ),
        (
            Rule::MeanField,
            Optimizer::Sgd,
            [out, out, [root, "1", "m_out"], ["m_in^-1", "1", "m_in"]],
        ),
        (
            Rule::MeanField,
            Optimizer::Adam,
            [one, one, [root, "1", root], ["m_in^-1", "1", "1"]],
        ),
        (
            Rule::SpInverseWidth,
            Optimizer::Sgd,
            [per_width, per_width, per_in, per_in],
        ),
        (
            Rule::SpInverseWidth,
            Optimizer::Adam,
            [per_width, per_width, per_in, per_in],
        ),
    ];
    for (rule, optimizer, rows) in cases {
        assert_rows(&rule.to_string(), &rule.into(), optimizer, rows);
    }
}

/// 2407.17465 Table 2 and the SGD rule of its library; 2310.17813 for the spectral condition.
#[test]
fn unit_scaled_and_spectral_tables() {
    let root = "m_in^-1/2";
    let narrow = "m_in^-1/2 m_aspect^1/2";
    let (one, out) = (["1", "1", "1"], ["1", "1", "m_out"]);
    let readout = ["m_in^-1", "1", "1"];
    let cases: [(Rule, Optimizer, Rows); 4] = [
        (
            Rule::UnitMup,
            Optimizer::AdamW,
            [one, ["1", "1", "m_out^-1/2"], [root, "1", root], readout],
        ),
        (
            Rule::UnitMup,
            Optimizer::Sgd,
            [
                out,
                ["1", "1", "m_out^1/2"],
                [root, "1", "m_in^1/2"],
                readout,
            ],
        ),
        (
            Rule::Spectral,
            Optimizer::Sgd,
            [
                out,
                out,
                ["1", narrow, "m_in^-1 m_out"],
                ["1", narrow, "m_in^-1"],
            ],
        ),
        (
            Rule::Spectral,
            Optimizer::AdamW,
            [one, one, ["1", narrow, "m_in^-1"], ["1", narrow, "m_in^-1"]],
        ),
    ];
    for (rule, optimizer, rows) in cases {
        assert_rows(&rule.to_string(), &rule.into(), optimizer, rows);
    }
}

/// 2605.21486: each switch changes its own entries of SP, and taken from μP leaves those of SP at
/// μP's rates.
#[test]
fn ablation_switches() {
    let (one, out, matrix) = (
        ["1", "1", "1"],
        ["1", "1", "m_out"],
        ["1", "m_in^-1/2", "1"],
    );
    let last = ["m_in^-1", "1", "m_in"];
    let per_in = ["1", "m_in^-1/2", "m_in^-1"];
    let slow = ["1", "1", "m_out^-1"];
    let mup_last = ["m_in^-1", "1", "1"];
    let cases: [(&str, Rows, &str); 10] = [
        ("sp+embedding", [one, out, matrix, matrix], "1"),
        ("sp+norm", [out, one, matrix, matrix], "1"),
        ("sp+attention", [one, one, matrix, matrix], "m_in^-1/2"),
        ("sp+last", [one, one, matrix, last], "1"),
        (
            "sp+embedding+norm+attention+last",
            [out, out, matrix, last],
            "m_in^-1/2",
        ),
        ("mup-embedding", [one, slow, per_in, mup_last], "m_in^-1/2"),
        ("mup-norm", [slow, one, per_in, mup_last], "m_in^-1/2"),
        ("mup-attention", [one, one, per_in, mup_last], "1"),
        ("mup-last", [one, one, per_in, per_in], "m_in^-1/2"),
        (
            "mup-embedding-norm-attention-last",
            [slow, slow, per_in, per_in],
            "1",
        ),
    ];
    for (name, rows, attention) in cases {
        let rule = Parametrization::from(rule(name));
        assert_rows(name, &rule, Optimizer::AdamW, rows);
        assert_eq!(
            rule.table(Optimizer::AdamW).unwrap().attention.to_string(),
            attention,
            "{name}"
        );
    }
    assert_eq!(SWITCHES, ["embedding", "norm", "attention", "last"]);
}

/// Attention logits: 1/d under μP and its kin, 1/√d under SP (TP5 Def. 4.1).
#[test]
fn attention_of_every_rule() {
    for named in Rule::NAMED {
        let table = Parametrization::from(named)
            .table(Optimizer::AdamW)
            .unwrap();
        let expected = if named.is_standard() {
            "1"
        } else {
            "m_in^-1/2"
        };
        assert_eq!(table.attention.to_string(), expected, "{named}");
    }
}

/// Section 5 of the specification, all five columns, with the law of depth for alpha = 3/4 (`torch`
/// decay).
#[test]
fn default_rule_in_and_out_of_blocks() {
    let rule = Parametrization::from(Rule::Mup).with_options(options([("depth", "3/4")]));
    let table = rule.table(Optimizer::AdamW).unwrap();
    let cases = [
        (
            Role::Input,
            Place::Outside,
            ["1", "1", "1", "1", "m_out^-1"],
        ),
        (
            Role::Hidden,
            Place::Block,
            [
                "1",
                "m_in^-1/2",
                "m_in^-1 m_L^-1/4",
                "m_in",
                "m_out^-1 m_L^-3/4",
            ],
        ),
        (
            Role::Vector,
            Place::Block,
            ["1", "1", "m_L^-1/4", "1", "m_out^-1 m_L^-3/4"],
        ),
        (
            Role::Fixed,
            Place::Block,
            ["1", "1", "m_L^-1/4", "1", "m_L^-3/4"],
        ),
        (
            Role::Vector,
            Place::Outside,
            ["1", "1", "1", "1", "m_out^-1"],
        ),
        (
            Role::Output,
            Place::Outside,
            ["m_in^-1", "1", "1", "1", "m_in^-1"],
        ),
        (Role::Fixed, Place::Outside, ["1", "1", "1", "1", "1"]),
    ];
    for (role, place, expected) in cases {
        assert_eq!(
            printed(table.law_at(role, place)),
            expected,
            "{role} {place:?}"
        );
    }
    let table3 = law(rule.with_form(Form::Table3), Optimizer::AdamW, Role::Output);
    assert_eq!(table3, ["1", "m_in^-1", "m_in^-1", "m_in", "1"]);
}

/// Section 6.1: SGD keeps learning rate times decay.
#[test]
fn sgd_in_full() {
    for optimizer in [Optimizer::Sgd, Optimizer::Momentum, Optimizer::Nesterov] {
        let rule = Parametrization::from(Rule::Mup).with_decay(Decay::TimesLr);
        let row = |role| law(rule.clone(), optimizer, role);
        assert_eq!(row(Role::Vector), ["1", "1", "m_out", "m_out^-1", "1"]);
        assert_eq!(row(Role::Input), ["1", "1", "m_out", "m_out^-1", "1"]);
        assert_eq!(
            row(Role::Hidden),
            ["1", "m_in^-1/2", "m_in^-1 m_out", "m_in m_out^-1", "1"]
        );
        assert_eq!(row(Role::Output), ["m_in^-1", "1", "m_in", "m_in^-1", "1"]);
    }
}

/// Section 6.2: everything that normalises entries has Adam's table.
#[test]
fn entrywise_optimizers_share_one_table() {
    let names = [
        "adam",
        "nadam",
        "radam",
        "adamax",
        "rmsprop",
        "adagrad",
        "signsgd",
        "lion",
        "sophia",
        "adafactor-unscaled",
    ];
    for name in names {
        let optimizer: Optimizer = name.parse().unwrap();
        for role in Role::ALL {
            let [own, adamw] = [optimizer, Optimizer::AdamW].map(|optimizer| {
                law(
                    Parametrization::from(Rule::Mup).with_decay(Decay::TimesLr),
                    optimizer,
                    role,
                )
            });
            assert_eq!(own, adamw, "{name} {role}");
        }
    }
}

/// Section 6.3 (TP5 B.3): hidden 1/√m_in, all else 1; O9 for the readout without multiplier.
#[test]
fn trust_ratio_optimizers() {
    let one = ["1", "1", "1"];
    for optimizer in [
        Optimizer::Lars,
        Optimizer::Lamb,
        Optimizer::Adafactor,
        Optimizer::Layca,
        Optimizer::Fromage,
    ] {
        let hidden = ["1", "m_in^-1/2", "m_in^-1/2"];
        assert_rows(
            "table8",
            &Rule::Mup.into(),
            optimizer,
            [one, one, hidden, ["m_in^-1", "1", "1"]],
        );
        let table3 = Parametrization::from(Rule::Mup).with_form(Form::Table3);
        assert_rows(
            "table3",
            &table3,
            optimizer,
            [one, one, hidden, ["1", "m_in^-1", "1"]],
        );
    }
}

/// Section 4.2: the decay of a readout in Table 3 (θ = m_in from Table 8), by family and
/// convention.
#[test]
fn decay_under_rotation() {
    use Decay::{Independent, L2, TimesLr};
    use Optimizer::{Adam, Lamb, Lars, Sgd};
    let cases = [
        (Sgd, TimesLr, "m_in"), // 1/C, and C = 1/m_in
        (Sgd, L2, "m_in"),
        (Sgd, Independent, "1"),
        (Adam, TimesLr, "m_in"),
        (Adam, L2, "m_in^2"),
        (Adam, Independent, "1"),
        (Lars, TimesLr, "1"),
        (Lars, L2, "m_in"), // 1/m_in in Table 8, times θ²
        (Lamb, L2, "m_in"),
        (Lamb, Independent, "1"),
    ];
    for (optimizer, decay, expected) in cases {
        let rule = Parametrization::from(Rule::Mup)
            .with_form(Form::Table3)
            .with_decay(decay);
        assert_eq!(
            law(rule, optimizer, Role::Output)[3],
            expected,
            "{optimizer} {decay}"
        );
    }
}
