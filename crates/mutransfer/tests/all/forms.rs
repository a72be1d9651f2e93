//! G3: epsilon in every form, and one readout in three of them.

use crate::common;

use common::{Layout, close, fraction, law, plan, rule, scales};
use mutransfer::theory::Exponents;
use mutransfer::{Decay, Form, Optimizer, Parametrization, Plan, Rational32, Role, Rule};

fn exponents(rule: Parametrization) -> Exponents {
    Exponents::of(&rule.table(Optimizer::AdamW).unwrap(), Optimizer::AdamW)
}

/// Exponents x of E = n^x per layer, from Eq. 2.26 of 2308.01814 for each form.
const EPS: [(&str, Option<Form>, [&str; 3]); 6] = [
    ("sp", None, ["-1/2", "-1/2", "0"]),
    ("ntk", None, ["-1/2", "-1", "-1/2"]),
    ("mup", Some(Form::Table3), ["-1", "-1", "0"]),
    ("mup", Some(Form::Table8), ["-1", "-1", "-1"]),
    ("mup", Some(Form::Table9), ["-1/2", "-1", "-1/2"]),
    ("mean-field", None, ["-1", "-3/2", "-1"]),
];

fn formed(name: &str, form: Option<Form>) -> Parametrization {
    let own = Parametrization::from(rule(name));
    form.map_or(own.clone(), |form| own.with_form(form))
}

#[test]
fn faithful_epsilon_of_six_forms() {
    for (name, form, expected) in EPS {
        let own = exponents(formed(name, form));
        let found: [Rational32; 3] =
            [Role::Input, Role::Hidden, Role::Output].map(|role| -own.faithful(role).unwrap());
        assert_eq!(found, expected.map(fraction), "{name} {form:?}");
    }
}

/// SP keeps the constant of frameworks; every other table has the faithful one.
#[test]
fn tables_have_the_faithful_epsilon() {
    for (name, form, expected) in EPS.iter().filter(|(name, ..)| *name != "sp") {
        let layers = exponents(formed(name, *form)).layers;
        let found = [-layers.input.d, -layers.hidden.d, -layers.output.d];
        assert_eq!(found, expected.map(fraction), "{name} {form:?}");
    }
    let sp = exponents(formed("sp", None)).layers;
    assert_eq!([sp.input.d, sp.hidden.d, sp.output.d], [fraction("0"); 3]);
}

/// E = 1/m_out without multipliers and θ/m_out otherwise, each tensor with its own fan-out.
#[test]
fn epsilon_in_ratios() {
    let eps = |form, role| law(formed("mup", Some(form)), Optimizer::AdamW, role)[4].clone();
    let cases = [
        (Form::Table3, ["m_out^-1", "m_out^-1", "1"]),
        (Form::Table8, ["m_out^-1", "m_out^-1", "m_in^-1"]),
        (Form::Table9, ["m_out^-1/2", "m_out^-1", "m_in^-1/2"]),
    ];
    for (form, expected) in cases {
        assert_eq!(
            [Role::Input, Role::Hidden, Role::Output].map(|role| eps(form, role)),
            expected,
            "{form}"
        );
        assert_eq!(
            eps(form, Role::Vector),
            "m_out^-1",
            "{form}: gains stay unrotated"
        );
        assert_eq!(
            eps(form, Role::Fixed),
            "1",
            "{form}: a gain shared by heads of fixed size"
        );
    }
}

/// Readout with m_in = 8 under AdamW: A, B, C, W, E.
#[test]
fn one_readout_in_three_forms() {
    let root = 8f64.sqrt();
    let cases = [
        (Form::Table3, [1.0, 0.125, 0.125, 8.0, 1.0]),
        (Form::Table8, [0.125, 1.0, 1.0, 1.0, 0.125]),
        (
            Form::Table9,
            [1.0 / root, 1.0 / root, 1.0 / root, root, 1.0 / root],
        ),
        (Form::Folded, [1.0, 0.125, 0.125, 8.0, 1.0]),
    ];
    for (form, expected) in cases {
        let plan = plan(
            formed("mup", Some(form)),
            Optimizer::AdamW,
            64,
            512,
            Layout::InOut,
        );
        for (found, expected) in scales(&plan, "readout.weight").into_iter().zip(expected) {
            close(found, expected);
        }
        assert_eq!(plan.form(), form.to_string());
    }
}

/// What a rule's table is written in when no form is asked for.
#[test]
fn own_forms() {
    let cases = [
        (Rule::Mup, "table8"),
        (Rule::Spectral, "table3"),
        (Rule::Sp, "standard"),
        (Rule::SpPerLayer, "standard"),
        (Rule::MeanField, "own"),
        (Rule::Ntk, "own"),
    ];
    for (rule, expected) in cases {
        assert_eq!(Parametrization::from(rule).form(), expected, "{rule}");
    }
}

/// SP has no rotation: it is what frameworks do, in any form.
#[test]
fn forms_leave_sp_alone() {
    for form in Form::ALL {
        for role in Role::ALL {
            let [own, formed] = [formed("sp", None), formed("sp", Some(form))]
                .map(|p| law(p, Optimizer::AdamW, role));
            assert_eq!(own, formed, "{form} {role}");
        }
    }
}

/// One parameter folded is as in the form that folds it, for any optimizer and decay; the others
/// stay.
#[test]
fn one_parameter_folded() {
    for &optimizer in Optimizer::ALL {
        for decay in Decay::ALL {
            let formed = |form| {
                let rule = Parametrization::from(Rule::Mup).with_form(form);
                plan(rule.with_decay(decay), optimizer, 8, 64, Layout::OutIn)
            };
            let (table8, table3) = (formed(Form::Table8), formed(Form::Table3));
            let folded = table8.clone().folded("readout.*").unwrap();
            for (name, own) in folded.params() {
                let expected = if name.as_str() == "readout.weight" {
                    &table3
                } else {
                    &table8
                };
                let numbers = |plan: &Plan| {
                    let param = plan.param(name.as_str()).unwrap();
                    let others = [param.clip, param.rho.unwrap_or(1.0)];
                    [&scales(plan, name.as_str())[..], &others].concat()
                };
                assert_eq!(own.scales.multiplier, 1.0, "{name}");
                for (own, expected) in numbers(&folded).into_iter().zip(numbers(expected)) {
                    close(own, expected);
                }
            }
            assert_ne!(folded.hash(), table8.hash());
        }
    }
    let plan = plan(Rule::Mup, Optimizer::AdamW, 8, 64, Layout::OutIn);
    let error = plan.folded("head.weight").unwrap_err();
    assert_eq!(error.to_string(), "no parameter matches `head.weight`");
}
