//! G10: the largest stable learning rates of 2407.05872, and the rule that is made of them.

use crate::common;

use common::{fraction, options};
use mutransfer::theory::{Backward, Exponents, Layers, largest_stable_rates};
use mutransfer::{Alignment, Family, Optimizer, Parametrization, Rational32, Rule};

type Pairs = Layers<(Rational32, Rational32)>;

fn row(text: &str) -> Layers<Rational32> {
    let values: Vec<Rational32> = text.split(',').map(fraction).collect();
    Layers::new(values[0], values[1], values[2])
}

/// Multipliers n^-a and standard deviations n^-b, as printed in the paper's table of
/// parametrizations.
fn init(parametrization: &str) -> Pairs {
    let (a, b) = match parametrization {
        "SP" => ("0,0,0", "0,1/2,1/2"),
        "NTK" => ("0,1/2,1/2", "0,0,0"),
        "muP" => ("-1/2,0,1/2", "1/2,1/2,1/2"),
        "MFP" => ("0,1/2,1", "0,0,0"),
        other => panic!("no {other}"),
    };
    let (a, b) = (row(a), row(b));
    Layers::new(
        (a.input, b.input),
        (a.hidden, b.hidden),
        (a.output, b.output),
    )
}

/// Family, parametrization, exponents of (embedding, hidden, readout) under full alignment and
/// under none.
const RATES: [(Family, &str, &str, &str); 12] = [
    (Family::RawGradient, "SP", "1/2,-1/2,-1", "1/2,0,-1/2"),
    (Family::RawGradient, "NTK", "1/2,1/2,0", "1/2,1,1/2"),
    (Family::RawGradient, "muP", "0,0,0", "0,1/2,0"),
    (Family::RawGradient, "MFP", "1,1,1", "1,3/2,1"),
    (Family::Entrywise, "SP", "0,-1,-1", "0,-1/2,-1/2"),
    (Family::Entrywise, "NTK", "0,-1/2,-1/2", "0,0,0"),
    (Family::Entrywise, "muP", "-1/2,-1,-1/2", "-1/2,-1/2,0"),
    // O15: a public reimplementation has the last one's sign wrong.
    (Family::Entrywise, "MFP", "0,-1/2,0", "0,0,1/2"),
    (Family::Frobenius, "SP", "0,-1/2,-1/2", "0,0,0"),
    (Family::Frobenius, "NTK", "0,-1/2,-1/2", "0,0,0"),
    (Family::Frobenius, "muP", "0,-1/2,0", "0,0,0"),
    (Family::Frobenius, "MFP", "0,-1/2,0", "0,0,0"),
];

#[test]
fn all_24_rows() {
    for (family, name, full, none) in RATES {
        for (alignment, expected) in [(Alignment::Full, full), (Alignment::None, none)] {
            let solved = largest_stable_rates(init(name), family, alignment, Backward::Min);
            assert_eq!(
                solved,
                Ok(row(expected)),
                "{name} with {family} and alignment {alignment:?}"
            );
        }
    }
}

/// O11: as printed, with max, SGD's rates in SP would come out other than the paper's own.
#[test]
fn the_printed_max_contradicts_the_paper() {
    let solve =
        |backward| largest_stable_rates(init("SP"), Family::RawGradient, Alignment::Full, backward);
    assert_eq!(solve(Backward::Max), Ok(row("1,0,-1")));
    assert_ne!(solve(Backward::Max), solve(Backward::default()));
}

#[test]
fn sp_per_layer_is_what_the_solver_finds_for_sp() {
    let cases = [
        (Optimizer::Sgd, 0),
        (Optimizer::AdamW, 4),
        (Optimizer::Adafactor, 8),
    ];
    for (optimizer, at) in cases {
        for (alignment, expected) in [("full", RATES[at].2), ("none", RATES[at].3)] {
            let rule = Parametrization::from(Rule::SpPerLayer)
                .with_options(options([("alignment", alignment)]));
            let read = Exponents::of(&rule.table(optimizer).unwrap(), optimizer);
            let rates = Layers::new(
                -read.layers.input.c,
                -read.layers.hidden.c,
                -read.layers.output.c,
            );
            assert_eq!(rates, row(expected), "{optimizer}, alignment {alignment}");
            assert_eq!(
                -read.vector.c,
                row(expected).input,
                "{optimizer}: biases are as the embedding"
            );
        }
    }
}

#[test]
fn no_rates_for_what_is_unstable_from_the_start_or_has_no_constraints() {
    let constant = Layers {
        hidden: (fraction("0"), fraction("0")),
        ..init("SP")
    };
    let solve = |init, family| largest_stable_rates(init, family, Alignment::Full, Backward::Min);
    assert_eq!(
        solve(constant, Family::Entrywise),
        Err(
            "the init is unstable: a+b must be 0 for the input, 1/2 for hidden layers, at least 1/2 for the readout"
        )
    );
    assert_eq!(
        solve(init("SP"), Family::Spectral),
        Err("no constraints are published for spectral updates")
    );
}
