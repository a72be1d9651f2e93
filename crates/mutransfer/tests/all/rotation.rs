//! G2: tables that are rotations of each other train the same network, step by step (TP5 lemma
//! J.1).

use crate::common;

use common::rule;
use common::trainer::{LAYERS, Network, Numbers, Recipe, numbers, shapes};
use mutransfer::{
    Decay, Form, Hyper, Law, Optimizer, Parametrization, Plan, Power, Ratio, Ratios, Rule, Widths,
};

const BASE: usize = 6;
const WIDTH: usize = 18;
const STEPS: usize = 8;
const OPTIMIZERS: [Optimizer; 8] = [
    Optimizer::Sgd,
    Optimizer::Momentum,
    Optimizer::Adam,
    Optimizer::AdamW,
    Optimizer::Lars,
    Optimizer::Lamb,
    Optimizer::Muon,
    Optimizer::MuonPlain,
];

/// Epsilon and decay are large, so that a wrong one shows.
const HYPER: fn(Optimizer) -> Hyper = |optimizer| Hyper {
    learning_rate: if matches!(optimizer, Optimizer::Sgd | Optimizer::Momentum) {
        0.3
    } else {
        0.02
    },
    weight_decay: 0.1,
    eps: 1e-3,
    ..Hyper::default()
};

fn recipe(optimizer: Optimizer, decay: Decay) -> Recipe {
    Recipe {
        optimizer,
        decay,
        threshold: 0.05,
    }
}

/// Everything the network computes on its way.
fn outputs(numbers: [Numbers; 3], recipe: Recipe) -> Vec<f64> {
    let mut network = Network::new(WIDTH, numbers);
    (0..STEPS)
        .flat_map(|_| network.step(recipe).outputs)
        .collect()
}

fn planned(rule: Rule, form: Option<Form>, recipe: Recipe) -> [Numbers; 3] {
    let widths = Widths::between(&shapes(BASE), &shapes(BASE + 1)).unwrap();
    let rule = Parametrization::from(rule).with_decay(recipe.decay);
    let rule = form.map_or(rule.clone(), |form| rule.with_form(form));
    let plan = Plan::new(&widths, &shapes(WIDTH), rule, recipe.optimizer).unwrap();
    numbers(&plan, &HYPER(recipe.optimizer))
}

fn distance(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| (left - right).abs())
        .fold(0.0, f64::max)
}

#[test]
fn every_form_and_every_rule_equal_to_mup_trains_as_table_8() {
    let others = [
        ("mup", Some(Form::Table3)),
        ("mup", Some(Form::Table9)),
        ("mup", Some(Form::Folded)),
        ("mean-field", None),
        ("mean-field", Some(Form::Table9)),
        ("uniform:0", None),
        ("spectral", None),
    ];
    for (optimizer, decay) in OPTIMIZERS
        .into_iter()
        .flat_map(|optimizer| Decay::ALL.map(|decay| (optimizer, decay)))
    {
        let recipe = recipe(optimizer, decay);
        let expected = outputs(planned(Rule::Mup, None, recipe), recipe);
        for (name, form) in others {
            let apart = distance(
                &outputs(planned(rule(name), form, recipe), recipe),
                &expected,
            );
            assert!(
                apart < 1e-12,
                "{name} {form:?} with {optimizer}, {decay}: {apart:e}"
            );
        }
    }
}

/// The factors of a rotation by any number, layer by layer.
fn rotated(numbers: Numbers, by: f64, layer: usize, recipe: Recipe) -> Numbers {
    let family = recipe.optimizer.family_of(LAYERS[layer].1);
    let law = Law::ONE.rotated(Power::fan_in(1, 1), family, recipe.optimizer, recipe.decay);
    let at = |power: Power| power.at(Ratios::ONE.with(Ratio::FanIn, by));
    Numbers {
        multiplier: numbers.multiplier * at(law.multiplier),
        init_std: numbers.init_std * at(law.init_std),
        learning_rate: numbers.learning_rate * at(law.learning_rate),
        weight_decay: numbers.weight_decay * at(law.weight_decay),
        eps: numbers.eps * at(law.eps),
        // A gradient grows as its multiplier.
        clip: numbers.clip / by,
    }
}

#[test]
fn any_rotation_of_any_layer_changes_nothing() {
    let thetas = [3.0, 0.2, 1.0 / WIDTH as f64];
    for (optimizer, decay) in OPTIMIZERS
        .into_iter()
        .flat_map(|optimizer| Decay::ALL.map(|decay| (optimizer, decay)))
    {
        let recipe = recipe(optimizer, decay);
        let own = planned(Rule::Mup, None, recipe);
        let turned = [0, 1, 2].map(|layer| rotated(own[layer], thetas[layer], layer, recipe));
        let apart = distance(&outputs(turned, recipe), &outputs(own, recipe));
        assert!(apart < 1e-12, "{optimizer}, {decay}: {apart:e}");
    }
}

/// The two tests above could not fail if the trainer ignored a number.
#[test]
fn every_number_matters_to_the_trainer() {
    let recipe = recipe(Optimizer::AdamW, Decay::TimesLr);
    let own = planned(Rule::Mup, None, recipe);
    let expected = outputs(own, recipe);
    let changes: [fn(&mut Numbers); 5] = [
        |numbers| numbers.multiplier *= 1.01,
        |numbers| numbers.init_std *= 1.01,
        |numbers| numbers.learning_rate *= 1.01,
        |numbers| numbers.weight_decay *= 1.01,
        |numbers| numbers.eps *= 1.01,
    ];
    for (layer, (at, change)) in
        (0..3).flat_map(|layer| changes.iter().enumerate().map(move |each| (layer, each)))
    {
        let mut wrong = own;
        change(&mut wrong[layer]);
        assert!(
            distance(&outputs(wrong, recipe), &expected) > 1e-9,
            "number {at} of layer {layer}"
        );
    }
}

/// Gradients clipped at a global norm, too: without the plan's factor the forms part.
#[test]
fn clip_factors_make_clipping_independent_of_the_form() {
    let recipe = recipe(Optimizer::Sgd, Decay::TimesLr);
    let expected = outputs(planned(Rule::Mup, None, recipe), recipe);
    let table3 = planned(Rule::Mup, Some(Form::Table3), recipe);
    let without = table3.map(|numbers| Numbers {
        clip: 1.0,
        ..numbers
    });
    assert!(distance(&outputs(table3, recipe), &expected) < 1e-12);
    assert!(distance(&outputs(without, recipe), &expected) > 1e-6);
}
