//! Biases and gains in the theory, in comparisons of tables, and in tables that do not mention them.

use crate::common;

use common::{Layout, fraction, plan, rule};
use mutransfer::theory::{Exponents, Regime, Theory, shift};
use mutransfer::{Optimizer, Parametrization, Role, Rule};

fn of_rule(rule: Rule, optimizer: Optimizer) -> Exponents {
    Exponents::of(
        &Parametrization::from(rule).table(optimizer).unwrap(),
        optimizer,
    )
}

fn table(text: &str) -> Parametrization {
    Parametrization::from_toml("mine", text).unwrap()
}

/// A bias is an input weight with the input 1 (TP5 App. B): NTK's weights with biases that learn
/// √n times faster under SGD move features, and logits by √n.
#[test]
fn fast_biases_are_unstable() {
    let ntk = "family = 'raw-gradient'\ninput = {}\nhidden = { a = '1/2' }\noutput = { a = '1/2' }";
    let theory = |text: &str| Theory::of_rule(&table(text), Optimizer::Sgd).unwrap();
    assert_eq!(theory(ntk).regime, Regime::Kernel);
    let fast = theory(&format!("{ntk}\nvector = {{ c = '-1/2' }}"));
    assert_eq!(fast.regime, Regime::Unstable);
    assert_eq!([fast.r, fast.propagated], [fraction("0"), fraction("1/2")]);
    let broken: Vec<_> = fast.broken().map(|own| own.statement).collect();
    assert_eq!(broken, ["a + b + r >= 1"]);
}

/// 2605.21486's ablation of μP's norms is not μP: biases and gains learn at 1/n.
#[test]
fn slow_biases_are_not_mup() {
    let theory = |name| Theory::of(of_rule(rule(name), Optimizer::Adam));
    let slow = theory("mup-norm");
    assert_eq!((slow.regime, slow.is_mup()), (Regime::Features, false));
    assert_eq!(slow.slow_layers().collect::<Vec<_>>(), [Role::Vector]);
    assert!(theory("mup-attention").is_mup());
    let half = "input = {}\nhidden = { b = 0.5, c = 1 }\noutput = { a = 1 }\nvector = { c = 0.5 }";
    let theory = Theory::of_rule(&table(half), Optimizer::Adam).unwrap();
    assert_eq!(theory.vector_update, fraction("1/2"));
    assert!(!theory.is_mup());
}

/// 2011.14522 Table 1 writes muP with a multiplier on the input, which biases do not have: their
/// rate makes up for it, or the two train different networks.
#[test]
fn biases_follow_the_input_without_its_multiplier() {
    let tp4 = "input = { a = -0.5, b = 0.5 }\nhidden = { b = 0.5 }\noutput = { a = 0.5, b = 0.5 }";
    let compare = |text: &str, optimizer| {
        let own = Exponents::of(&table(text).table(optimizer).unwrap(), optimizer);
        shift(&own, &of_rule(Rule::Mup, optimizer)).is_some()
    };
    assert!(compare(tp4, Optimizer::Sgd));
    let without = format!("{tp4}\nvector = {{ c = 0 }}");
    assert!(!compare(&without, Optimizer::Sgd));
    let plan = plan(table(tp4), Optimizer::Sgd, 64, 256, Layout::InOut);
    assert_eq!(plan.param("input.bias").unwrap().scales.learning_rate, 4.0);
    // c_vector is c_input + 2 a_input, + a_input, or c_input itself; gains' epsilon turns too.
    let entrywise = "input = { a = -0.5, b = 0.5, c = 0.5, d = 0.5 }\n\
                     hidden = { b = 0.5, c = 1, d = 1 }\noutput = { a = 1, d = 1 }";
    assert!(compare(entrywise, Optimizer::Adam));
    assert!(!compare(
        &format!("{entrywise}\nvector = {{ c = 0.5, d = 0.5 }}"),
        Optimizer::Adam
    ));
}
