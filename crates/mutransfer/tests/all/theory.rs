//! G1: the dynamical dichotomy, on the tables of TP4 (2011.14522) and TP IVb (2308.01814).

use crate::common;

use common::{fraction, rule};
use mutransfer::theory::{Abcd, Exponents, Layers, Regime, Theory, shift};
use mutransfer::{Family, Optimizer, Parametrization, Rational32, Rule};

/// Rows as the papers print them, one entry per layer: first, middle, last.
fn exponents(family: Family, [a, b, c, d]: [&str; 4]) -> Exponents {
    let row = |text: &str| text.split(',').map(fraction).collect::<Vec<_>>();
    let [a, b, c, d] = [a, b, c, d].map(row);
    let layer = |at: usize| Abcd {
        a: a[at],
        b: b[at],
        c: c[at],
        d: d[at],
    };
    // Biases have no multiplier: the first layer, rotated to a = 0.
    let turns = if family == Family::RawGradient { 2 } else { 1 };
    let vector = Abcd {
        a: fraction("0"),
        b: fraction("0"),
        c: c[0] + a[0] * turns,
        d: if turns == 1 { d[0] - a[0] } else { d[0] },
    };
    let layers = Layers::new(layer(0), layer(1), layer(2));
    Exponents {
        layers,
        family,
        own_factor: fraction("0"),
        vector,
        attention: fraction("-1/2"),
    }
}

/// TP4: one global c, no d.
fn abc(a: &str, b: &str, c: &str) -> Exponents {
    exponents(Family::RawGradient, [a, b, &[c, c, c].join(","), "0,0,0"])
}

fn abcd(a: &str, b: &str, c: &str, d: &str) -> Exponents {
    exponents(Family::Entrywise, [a, b, c, d])
}

fn of_rule(rule: Rule, optimizer: Optimizer) -> Exponents {
    Exponents::of(
        &Parametrization::from(rule).table(optimizer).unwrap(),
        optimizer,
    )
}

fn broken(theory: &Theory) -> Vec<String> {
    theory
        .broken()
        .map(|condition| format!("{}: {}", condition.layer, condition.statement))
        .collect()
}

/// TP4 Table 1; the mean field column in its form for deeper networks (2407.05872).
#[test]
fn table_1_of_tp4() {
    let cases = [
        (
            "SP",
            abc("0,0,0", "0,1/2,1/2", "0"),
            ["-1", "0", "-1/2"],
            Regime::Unstable,
        ),
        (
            "SP (LR 1/n)",
            abc("0,0,0", "0,1/2,1/2", "1"),
            ["1/2", "1", "1"],
            Regime::Kernel,
        ),
        (
            "NTP",
            abc("0,1/2,1/2", "0,0,0", "0"),
            ["1/2", "1", "1"],
            Regime::Kernel,
        ),
        (
            "MFP",
            abc("0,1/2,1", "0,0,0", "-1"),
            ["0", "1", "1"],
            Regime::Features,
        ),
        (
            "muP",
            abc("-1/2,0,1/2", "1/2,1/2,1/2", "0"),
            ["0", "1", "1"],
            Regime::Features,
        ),
    ];
    for (name, exponents, expected, regime) in cases {
        let theory = Theory::of(exponents);
        let readout = exponents.layers.output;
        let row = [theory.r, readout.a * 2 + readout.c, theory.propagated];
        assert_eq!(row, expected.map(fraction), "{name}");
        assert_eq!(theory.regime, regime, "{name}");
        assert_eq!(theory.is_nontrivial, name != "SP", "{name}");
        assert_eq!(theory.is_mup(), regime == Regime::Features, "{name}");
        assert_eq!(
            theory.faithfulness,
            [],
            "{name}: a raw gradient has no epsilon"
        );
    }
}

#[test]
fn sp_at_a_constant_rate_breaks_where_tp4_says() {
    let theory = Theory::of(abc("0,0,0", "0,1/2,1/2", "0"));
    assert_eq!(
        broken(&theory),
        ["hidden: r >= 0", "output: r >= 0", "output: a + b + r >= 1"]
    );
    assert_eq!(
        theory.updates,
        Layers::new(fraction("0"), fraction("-1"), fraction("-1"))
    );
}

/// TP4: mean field is muP under t = -1/2 in every layer.
#[test]
fn mean_field_is_mup_shifted() {
    let mean_field = abc("0,1/2,1", "0,0,0", "-1");
    let mup = abc("-1/2,0,1/2", "1/2,1/2,1/2", "0");
    let half = fraction("-1/2");
    assert_eq!(
        shift(&mean_field, &mup),
        Some(Layers::new(half, half, half))
    );
    assert_eq!(shift(&mup, &abc("0,1/2,1/2", "0,0,0", "0")), None);
    assert_eq!(
        shift(&mup, &abcd("0,0,1", "0,1/2,0", "0,1,0", "1,1,1")),
        None,
        "another family"
    );
}

/// TP4 App. G at c = 0: a = (s - 1/2, s, 1/2), b = 1/2 - s; r of every layer but the last is s.
#[test]
fn uniform_family_under_sgd() {
    let half = fraction("1/2");
    for s in ["0", "1/10", "1/4", "1/2"] {
        let size = fraction(s);
        let a = [size - half, size, half].map(|a| a.to_string()).join(",");
        let b = [half - size; 3].map(|b| b.to_string()).join(",");
        let closed = abc(&a, &b, "0");
        let theory = Theory::of(closed);
        assert_eq!(
            (theory.updates.input, theory.updates.hidden, theory.r),
            (size, size, size),
            "UP_{s}"
        );
        assert_eq!(theory.updates.output, fraction("0"), "UP_{s}");
        let regime = if s == "0" {
            Regime::Features
        } else {
            Regime::Kernel
        };
        assert_eq!(
            (theory.regime, theory.is_mup()),
            (regime, s == "0"),
            "UP_{s}"
        );
        let table = of_rule(rule(&format!("uniform:{s}")), Optimizer::Sgd);
        assert!(
            shift(&closed, &table).is_some(),
            "the rule's table is no rotation of UP_{s}"
        );
    }
}

/// 2308.01814 Rem. 2.8.25: a = (0, 0, 1), b = (0, 1/2, -s), c = (s, 1 + s, 0), d = (1 - s, 1 - s,
/// 1). O15: r of the readout is 0, not 1 as printed.
#[test]
fn uniform_family_under_adam() {
    for s in ["0", "1/10", "1/4", "1/2"] {
        let size = fraction(s);
        let one = fraction("1");
        let row = |values: [Rational32; 3]| values.map(|value| value.to_string()).join(",");
        let d = row([one - size, one - size, one]);
        let closed = abcd(
            "0,0,1",
            &row([fraction("0"), fraction("1/2"), -size]),
            &row([size, one + size, fraction("0")]),
            &d,
        );
        assert_eq!(
            of_rule(rule(&format!("uniform:{s}")), Optimizer::AdamW).layers,
            closed.layers,
            "UP_{s}"
        );
        let theory = Theory::of(closed);
        assert_eq!(
            theory.updates,
            Layers::new(size, size, fraction("0")),
            "UP_{s}"
        );
        assert_eq!(
            (theory.propagated, broken(&theory)),
            (one, vec![]),
            "UP_{s}"
        );
        assert!(
            theory.faithfulness.iter().all(|condition| condition.holds),
            "UP_{s}"
        );
    }
}

/// 2308.01814 Ex. 2.2.2, Def. 2.4.1, Def. 2.5.1: r_l, a + b + r of the readout, regime.
#[test]
fn adam_tables_of_tp4b() {
    let cases = [
        (
            "SP",
            abcd("0,0,0", "0,1/2,1/2", "0,0,0", "0,0,0"),
            ["0", "-1", "-1"],
            "-1/2",
            Regime::Unstable,
        ),
        (
            "SP, c = 1",
            abcd("0,0,0", "0,1/2,1/2", "1,1,1", "0,0,0"),
            ["1", "0", "0"],
            "1/2",
            Regime::Unstable,
        ),
        (
            "NTP",
            abcd("0,1/2,1/2", "0,0,0", "1/2,1,1/2", "1/2,1,1/2"),
            ["1/2", "1/2", "0"],
            "1",
            Regime::Kernel,
        ),
        (
            "muP",
            abcd("0,0,1", "0,1/2,0", "0,1,0", "1,1,1"),
            ["0", "0", "0"],
            "1",
            Regime::Features,
        ),
    ];
    for (name, exponents, updates, propagated, regime) in cases {
        let theory = Theory::of(exponents);
        let [input, hidden, output] = updates.map(fraction);
        assert_eq!(theory.updates, Layers::new(input, hidden, output), "{name}");
        assert_eq!(theory.r, input.min(hidden), "{name}");
        assert_eq!(
            (theory.propagated, theory.regime),
            (fraction(propagated), regime),
            "{name}"
        );
        assert_eq!(theory.is_mup(), name == "muP", "{name}");
    }
}

/// Rem. 2.2.7 calls SP at the rate 1/n feature learning (r = 0), but Eq. 2.27 says that it is not
/// stable, and why.
#[test]
fn adam_sp_at_the_rate_1_over_n_has_r_0_and_is_not_stable() {
    let theory = Theory::of(abcd("0,0,0", "0,1/2,1/2", "1,1,1", "0,0,0"));
    assert_eq!(theory.r, fraction("0"));
    assert_eq!(broken(&theory), ["output: a + b + r >= 1"]);
    assert_eq!(
        of_rule(Rule::SpInverseWidth, Optimizer::Adam).layers,
        theory.exponents.layers
    );
}

/// Eq. 2.26: SP's constant epsilon is faithful in the last layer only; those of NTP and muP
/// everywhere.
#[test]
fn faithful_epsilon() {
    let unfaithful = |exponents| {
        let theory = Theory::of(exponents);
        theory
            .faithfulness
            .into_iter()
            .filter(|condition| !condition.holds)
            .map(|c| c.layer.to_string())
            .collect::<Vec<_>>()
    };
    let (a, b) = ("0,0,0", "0,1/2,1/2");
    assert_eq!(
        unfaithful(abcd(a, b, "0,0,0", "0,0,0")),
        ["vector", "input", "hidden"]
    );
    assert_eq!(unfaithful(abcd(a, b, "0,0,0", "1/2,1/2,0")), [""; 0]);
    assert_eq!(
        unfaithful(abcd("0,1/2,1/2", "0,0,0", "1/2,1,1/2", "1/2,1,1/2")),
        [""; 0]
    );
    assert_eq!(
        unfaithful(abcd("0,0,1", "0,1/2,0", "0,1,0", "1,1,1")),
        [""; 0]
    );
    assert_eq!(
        unfaithful(abcd("0,0,1", "0,1/2,0", "0,1,0", "1,1,0")),
        ["output"]
    );
}

/// Every family: rotations of muP are muP, nothing else is.
#[test]
fn verdict_on_every_rule_for_every_family() {
    let verdicts = |name: &str| {
        let regime = |optimizer| Theory::of(of_rule(rule(name), optimizer)).regime;
        [
            Optimizer::Sgd,
            Optimizer::AdamW,
            Optimizer::Lamb,
            Optimizer::Muon,
        ]
        .map(regime)
    };
    for name in ["mup", "mean-field", "uniform:0", "spectral"] {
        assert_eq!(verdicts(name), [Regime::Features; 4], "{name}");
        for optimizer in [
            Optimizer::Sgd,
            Optimizer::AdamW,
            Optimizer::Lamb,
            Optimizer::Muon,
        ] {
            assert!(
                Theory::of(of_rule(rule(name), optimizer)).is_mup(),
                "{name} with {optimizer}"
            );
        }
    }
    for name in ["ntk", "uniform:1/4", "uniform:1/2"] {
        assert_eq!(verdicts(name), [Regime::Kernel; 4], "{name}");
    }
    assert_eq!(verdicts("sp"), [Regime::Unstable; 4]);
    assert_eq!(verdicts("sp-constant-std"), [Regime::Unstable; 4]);
    assert_eq!(
        verdicts("sp-inverse-width")[..2],
        [Regime::Kernel, Regime::Unstable]
    );
}

/// Aligned queries and keys: logits of 1/√d grow as √d, those of 1/d do not (TP5 Def. 4.1).
#[test]
fn attention_logits() {
    let attention = |name| Theory::of(of_rule(rule(name), Optimizer::AdamW)).attention;
    for (name, expected) in [
        ("mup", "0"),
        ("sp", "1/2"),
        ("sp+attention", "0"),
        ("mup-attention", "1/2"),
    ] {
        assert_eq!(attention(name), fraction(expected), "{name}");
    }
}
