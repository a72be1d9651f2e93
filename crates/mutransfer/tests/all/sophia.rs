//! Sophia's rho, which scales beside the five numbers of a parameter.

use crate::common;

use common::{Layout, plan};
use mutransfer::{Form, Given, Optimizer, Parametrization, Place, Role, Rule};

const ROLES: [Role; 4] = [Role::Vector, Role::Input, Role::Hidden, Role::Output];

/// Sophia divides by `rho` times a Hessian that is as the square of the gradient: one over it, in
/// every form and at every depth.
#[test]
fn rho_of_sophia() {
    let rho = |rule: Parametrization, role, place| {
        let table = rule.table(Optimizer::Sophia).unwrap();
        table.rho_at(role, place).unwrap().to_string()
    };
    let outside = |rule: Parametrization| ROLES.map(|role| rho(rule.clone(), role, Place::Outside));
    let mup = || Parametrization::from(Rule::Mup);
    assert_eq!(outside(mup()), ["m_out", "m_out", "m_out", "m_in"]);
    assert_eq!(
        outside(mup().with_form(Form::Table3)),
        ["m_out", "m_out", "m_out", "1"]
    );
    assert_eq!(
        outside(mup().with_form(Form::Table9)),
        ["m_out", "m_out^1/2", "m_out", "m_in^1/2"]
    );
    assert_eq!(
        outside(Rule::MeanField.into())[2..],
        ["m_in^1/2 m_out", "m_in"]
    );
    assert_eq!(outside(Rule::Sp.into()), ["1"; 4]);
    assert_eq!(rho(mup(), Role::Fixed, Place::Outside), "1");
    assert_eq!(rho(mup(), Role::Hidden, Place::Block), "m_out m_L");
    let adam = mup().table(Optimizer::AdamW).unwrap();
    assert_eq!(adam.rho_at(Role::Hidden, Place::Outside), None);
}

/// The plan carries it, in its groups and in its document.
#[test]
fn plans_for_sophia_carry_rho() {
    let of = |optimizer| plan(Rule::Mup, optimizer, 64, 256, Layout::InOut);
    let sophia = of(Optimizer::Sophia);
    let groups = sophia.groups(&(&Given::default()).into());
    for (name, rho) in [
        ("hidden.weight", 4.0),
        ("norm.gain", 4.0),
        ("readout.weight", 4.0),
        ("readout.bias", 1.0),
    ] {
        let mut groups = groups.iter();
        let group = groups.find(|group| group.names.iter().any(|own| own.as_str() == name));
        assert_eq!(group.unwrap().rho, Some(rho), "{name}");
        assert_eq!(sophia.to_json(Given::default())["params"][name]["rho"], rho);
    }
    let adam = of(Optimizer::AdamW);
    assert!(
        adam.groups(&(&Given::default()).into())
            .iter()
            .all(|group| group.rho.is_none())
    );
    assert_eq!(
        adam.to_json(Given::default())["params"]["norm.gain"].get("rho"),
        None
    );
}
