//! Decay and epsilon under a trust ratio.

use crate::common;

use common::law;
use mutransfer::{Form, Optimizer, Parametrization, Role, Rule};

const ROLES: [Role; 4] = [Role::Vector, Role::Input, Role::Hidden, Role::Output];

/// Decay that a trust ratio takes in: its step is as large as the weights, so LAMB's 1/(B C), whose
/// direction has entries of order one, and LARS's the gradient's norm over that of the weights.
#[test]
fn decay_under_a_trust_ratio() {
    for (optimizer, expected) in [
        (Optimizer::Lamb, ["1", "1", "m_in", "1"]),
        (
            Optimizer::Lars,
            ["m_out^-1", "m_out^-1", "m_in m_out^-1", "m_in^-1"],
        ),
    ] {
        for (role, expected) in ROLES.into_iter().zip(expected) {
            assert_eq!(
                law(Rule::Mup, optimizer, role)[3],
                expected,
                "{optimizer} {role}"
            );
        }
    }
    // Multiplied by the learning rate alone, as torch's Adafactor has it: 1/C.
    assert_eq!(
        law(Rule::Mup, Optimizer::Adafactor, Role::Hidden)[3],
        "m_in^1/2"
    );
    // In every form; SP is what frameworks do.
    let table3 = Parametrization::from(Rule::Mup).with_form(Form::Table3);
    assert_eq!(law(table3, Optimizer::Lamb, Role::Output)[3], "m_in");
    assert_eq!(
        law(Rule::MeanField, Optimizer::Lamb, Role::Hidden)[3],
        "m_in^1/2"
    );
    assert_eq!(law(Rule::Sp, Optimizer::Lamb, Role::Hidden)[3], "1");
}

/// Epsilon beside the norm of a tensor: as 2512.05620 has Muon's, and LARS's by the same count.
#[test]
fn epsilon_beside_a_norm() {
    let square = "m_in^1/2 m_out^-1/2";
    let lars = ["m_out^-1/2", "m_out^-1/2", square, "m_in^-1/2"];
    for (role, expected) in ROLES.into_iter().zip(lars) {
        assert_eq!(law(Rule::Mup, Optimizer::Lars, role)[4], expected, "{role}");
    }
    assert_eq!(law(Rule::Mup, Optimizer::Muon, Role::Hidden)[4], square);
    assert_eq!(
        law(Rule::MeanField, Optimizer::Muon, Role::Hidden)[4],
        "m_out^-1/2"
    );
    assert_eq!(law(Rule::Ntk, Optimizer::Muon, Role::Hidden)[4], "1");
    let adam = ["m_out^-1", "m_out^-1", "m_out^-1", "m_in^-1"];
    for (role, expected) in ROLES.into_iter().zip(adam) {
        assert_eq!(
            law(Rule::Mup, Optimizer::Lamb, role)[4],
            expected,
            "{role}: LAMB has Adam's"
        );
    }
    assert_eq!(law(Rule::Sp, Optimizer::Lars, Role::Input)[4], "1");
}
