//! Tables that are the same up to a rotation, exactly, for every optimizer family and decay
//! convention.

use crate::common;

use common::{Layout, close, plan, rule, scales, weight};
use mutransfer::theory::{Exponents, shift};
use mutransfer::{
    Decay, Family, Form, Law, Optimizer, Parametrization, Place, Plan, Power, Role, Rule, Shapes,
    Table, Widths,
};

/// One or two optimizers of each family, all variants of Muon.
const OPTIMIZERS: [Optimizer; 9] = [
    Optimizer::Sgd,
    Optimizer::Adam,
    Optimizer::AdamW,
    Optimizer::Lars,
    Optimizer::Lamb,
    Optimizer::Muon,
    Optimizer::MuonPlain,
    Optimizer::MuonKellerJordan,
    Optimizer::MuonMoonlight,
];

fn everywhere() -> impl Iterator<Item = (Optimizer, Decay)> {
    OPTIMIZERS
        .into_iter()
        .flat_map(|optimizer| Decay::ALL.map(|decay| (optimizer, decay)))
}

fn table(rule: Parametrization, (optimizer, decay): (Optimizer, Decay)) -> Table {
    rule.with_decay(decay).table(optimizer).unwrap()
}

/// Rotates every law of `from` to the multipliers of `to`, and expects the laws of `to`.
#[track_caller]
fn assert_rotation(name: &str, from: &Table, to: &Table, (optimizer, decay): (Optimizer, Decay)) {
    for role in Role::ALL {
        for place in Place::ALL {
            let [from, to] = [from, to].map(|table| with_residual(table, role, place));
            let theta = to.multiplier / from.multiplier;
            let rotated = from.rotated(theta, optimizer.family_of(role), optimizer, decay);
            assert_eq!(
                rotated, to,
                "{name} with {optimizer}, {decay}: {role} {place:?}"
            );
        }
    }
}

/// A law with the multiplier of its branch, which is beside the weights or in them.
fn with_residual(table: &Table, role: Role, place: Place) -> Law {
    let law = *table.law_at(role, place);
    let residual = match place {
        Place::BranchEnd => table.unfolded_residual(),
        Place::Outside | Place::Block => Power::ONE,
    };
    Law {
        multiplier: law.multiplier * residual,
        ..law
    }
}

#[test]
fn equivalent_rules_are_rotations_of_each_other() {
    for (left, right) in [
        ("mup", "mean-field"),
        ("uniform:1/2", "ntk"),
        ("uniform:0", "mup"),
    ] {
        for with in everywhere() {
            let [from, to] = [left, right].map(|name| table(rule(name).into(), with));
            assert_rotation(&format!("{left} to {right}"), &from, &to, with);
            assert_rotation(&format!("{right} to {left}"), &to, &from, with);
            let [from, to] = [&from, &to].map(|table| Exponents::of(table, with.0));
            assert!(
                shift(&from, &to).is_some(),
                "{left} to {right} with {}",
                with.0
            );
        }
    }
}

#[test]
fn uniform_0_is_mup_itself() {
    for with in everywhere() {
        assert_eq!(
            table(rule("uniform:0").into(), with),
            table(Rule::Mup.into(), with)
        );
    }
}

#[test]
fn others_are_no_rotations() {
    let of = |name: &str| {
        Exponents::of(
            &table(rule(name).into(), (Optimizer::AdamW, Decay::TimesLr)),
            Optimizer::AdamW,
        )
    };
    for (left, right) in [
        ("mup", "ntk"),
        ("mup", "sp"),
        ("ntk", "mean-field"),
        ("uniform:1/4", "mup"),
    ] {
        assert_eq!(shift(&of(left), &of(right)), None, "{left} to {right}");
    }
}

/// Asking for a form rotates the laws to its multipliers and nothing else; there and back is exact.
#[test]
fn forms_are_rotations() {
    for name in ["mup", "mean-field", "ntk", "uniform:1/4", "spectral"] {
        let formed = |form| Parametrization::from(rule(name)).with_form(form);
        for with in everywhere() {
            for (left, right) in Form::ALL
                .into_iter()
                .flat_map(|left| Form::ALL.map(|right| (left, right)))
            {
                let what = format!("{name} from {left} to {right}");
                assert_rotation(
                    &what,
                    &table(formed(left), with),
                    &table(formed(right), with),
                    with,
                );
            }
        }
    }
}

#[test]
fn a_rotation_and_its_inverse_leave_every_law() {
    let theta: Power = "m_in^-1/3 m_out^2 m_L m_own^1/2".parse().unwrap();
    for (optimizer, decay) in everywhere() {
        for role in Role::ALL {
            let law = *table(Rule::Mup.into(), (optimizer, decay)).law(role);
            let turn =
                |law: Law, by: Power| law.rotated(by, optimizer.family_of(role), optimizer, decay);
            assert_eq!(
                turn(turn(law, theta), theta.raised(-1)),
                law,
                "{optimizer} {decay} {role}"
            );
            assert_ne!(turn(law, theta), law);
        }
    }
}

/// TP5 lemma J.1 and what follows from it: exponents of θ in C, E and each convention of W, per
/// family.
#[test]
fn exponents_of_a_rotation() {
    use Optimizer::{AdamW, Lamb, Lars, Muon, Sgd};
    let cases = [
        (Family::RawGradient, Sgd, ["-2", "0"], ["2", "2", "0"]),
        (Family::Entrywise, AdamW, ["-1", "1"], ["2", "1", "0"]),
        (Family::Spectral, Muon, ["-1", "1"], ["2", "1", "0"]),
        (Family::Frobenius, Lars, ["0", "1"], ["2", "0", "0"]),
        (Family::Frobenius, Lamb, ["0", "1"], ["1", "0", "0"]),
    ];
    let theta = |exponent: &str| Power::fan_in(exponent.parse().unwrap(), 1);
    for (family, optimizer, [rate, eps], decays) in cases {
        for (decay, weight_decay) in Decay::ALL.into_iter().zip(decays) {
            let law = Law::ONE.rotated(theta("1"), family, optimizer, decay);
            assert_eq!((law.multiplier, law.init_std), (theta("1"), theta("-1")));
            assert_eq!(
                (law.learning_rate, law.eps),
                (theta(rate), theta(eps)),
                "{optimizer}"
            );
            assert_eq!(law.weight_decay, theta(weight_decay), "{optimizer} {decay}");
        }
    }
}

/// Square hidden matrices and a readout narrower than the network: then the spectral condition is
/// μP in Table 3.
#[test]
fn spectral_is_mup_without_multipliers() {
    let shapes = |width: usize| {
        let weight = |fan_in, fan_out| weight(fan_in, fan_out, Layout::InOut);
        Shapes::from_iter([
            ("input", weight(3, width)),
            ("hidden", weight(width, width)),
            ("readout", weight(width, 2)),
        ])
    };
    let widths = Widths::between(&shapes(16), &shapes(17)).unwrap();
    let table3 = Parametrization::from(Rule::Mup).with_form(Form::Table3);
    for (optimizer, decay) in everywhere() {
        let planned = |rule: Parametrization| {
            let plan = Plan::new(&widths, &shapes(48), rule.with_decay(decay), optimizer).unwrap();
            ["input", "hidden", "readout"].map(|name| scales(&plan, name))
        };
        let [spectral, mup] = [planned(Rule::Spectral.into()), planned(table3.clone())];
        spectral
            .as_flattened()
            .iter()
            .zip(mup.as_flattened())
            .for_each(|(left, right)| close(*left, *right));
    }
}

/// Where a matrix is wider than tall, the spectral condition starts it smaller (2310.17813).
#[test]
fn spectral_init_of_a_contraction() {
    let plan = plan(Rule::Spectral, Optimizer::AdamW, 64, 128, Layout::InOut);
    // Contracting by 4 at base and target: the aspect does not change.
    close(scales(&plan, "down.weight")[1], 0.5f64.sqrt());
    let shapes = |width: usize, narrow: usize| {
        Shapes::from_iter([("down", weight(width, narrow, Layout::InOut))])
    };
    let widths = Widths::between(&shapes(64, 64), &shapes(65, 65)).unwrap();
    let plan = Plan::new(
        &widths,
        &shapes(1024, 256),
        Rule::Spectral,
        Optimizer::AdamW,
    )
    .unwrap();
    // fan_in^-1/2 min(1, √(fan_out/fan_in)): 1/64 of 1/32 over 1/8 of 1.
    close(scales(&plan, "down")[1], (1.0 / 32.0 * 0.5) / (1.0 / 8.0));
}
