//! G4: how gradient norms follow the width in each form, measured.

use crate::common;

use common::trainer::{Network, Recipe, numbers, shapes};
use mutransfer::{Decay, Form, Hyper, Optimizer, Parametrization, Plan, Role, Rule, Widths};

const WIDTHS: [usize; 4] = [128, 256, 512, 1024];

/// The tables taken literally, base width 1: norms of input, hidden, readout and of all together,
/// at the third step of Adam.
fn norms(form: Form, width: usize) -> [f64; 4] {
    let widths = Widths::between(&shapes(1), &shapes(2)).unwrap();
    let rule = Parametrization::from(Rule::Mup).with_form(form);
    let plan = Plan::new(&widths, &shapes(width), rule, Optimizer::AdamW).unwrap();
    let hyper = Hyper {
        learning_rate: 1e-2,
        ..Hyper::default()
    };
    let mut network = Network::new(width, numbers(&plan, &hyper));
    let recipe = Recipe {
        optimizer: Optimizer::AdamW,
        decay: Decay::TimesLr,
        threshold: f64::INFINITY,
    };
    let [input, hidden, readout] = (0..3)
        .map(|_| network.step(recipe))
        .last()
        .unwrap()
        .gradient_norms;
    [
        input,
        hidden,
        readout,
        (input * input + hidden * hidden + readout * readout).sqrt(),
    ]
}

/// Least squares of log2 norm against log2 width.
fn slopes(form: Form) -> [f64; 4] {
    let points: Vec<[f64; 4]> = WIDTHS
        .iter()
        .map(|&width| norms(form, width).map(f64::log2))
        .collect();
    let at: Vec<f64> = WIDTHS.iter().map(|&width| (width as f64).log2()).collect();
    let mean = at.iter().sum::<f64>() / at.len() as f64;
    let spread: f64 = at.iter().map(|x| (x - mean) * (x - mean)).sum();
    [0, 1, 2, 3].map(|norm| {
        at.iter()
            .zip(&points)
            .map(|(x, y)| (x - mean) * y[norm])
            .sum::<f64>()
            / spread
    })
}

#[test]
fn slopes_of_gradient_norms() {
    let cases = [
        (Form::Table3, [-0.5, 0.0, 0.5, 0.5]),
        (Form::Table8, [-0.5, 0.0, -0.5, 0.0]),
        (Form::Table9, [0.0, 0.0, 0.0, 0.0]),
    ];
    for (form, expected) in cases {
        let measured = slopes(form);
        for (measured, expected) in measured.iter().zip(expected) {
            assert!(
                (measured - expected).abs() < 0.1,
                "{form}: slopes {measured:.3}, expected {expected}"
            );
        }
    }
}

/// What the table alone says about it.
#[test]
fn only_the_readout_of_table_3_grows() {
    let widths = Widths::between(&shapes(64), &shapes(65)).unwrap();
    let growing = |form: Form| {
        let rule = Parametrization::from(Rule::Mup).with_form(form);
        Plan::new(&widths, &shapes(256), rule, Optimizer::AdamW)
            .unwrap()
            .growing_gradients()
    };
    assert_eq!(growing(Form::Table3), [Role::Output]);
    assert_eq!(growing(Form::Folded), [Role::Output]);
    assert_eq!(growing(Form::Table8), []);
    assert_eq!(growing(Form::Table9), []);
}
