//! G9: u-μP (2407.17465) against the numbers of the `unit-scaling` library.

use crate::common;

use common::{close, digits, weight};
use mutransfer::{
    Axes, Decay, Hyper, Layout, Optimizer, Parametrization, Plan, Rule, Shape, Shapes, Size, Sizes,
    Widths, residual_tau,
};

const DEPTH: usize = 3;

/// An embedding of 256 entries, a stack of linear layers, a readout to 1024 classes.
fn model(width: usize, depth: usize) -> Shapes {
    let layer = |at: usize| {
        let name = |part: &str| format!("stack.{at}.{part}");
        [
            (name("weight"), weight(width, width, Layout::OutIn)),
            (name("bias"), Shape::vector(width)),
        ]
    };
    let ends = [
        (
            "embedding".to_owned(),
            Shape::new([256, width]).with_axes(Axes::LOOKUP),
        ),
        ("readout".to_owned(), weight(width, 1024, Layout::OutIn)),
    ];
    ends.into_iter().chain((0..depth).flat_map(layer)).collect()
}

/// The base sizes do not matter: they could be any.
fn plan(optimizer: Optimizer, base: usize, base_depth: usize) -> Plan {
    let sizes = Sizes::NONE.with(Size::Depth, base_depth, DEPTH);
    planned(optimizer, base, base_depth, sizes.unwrap())
}

fn planned(optimizer: Optimizer, base: usize, base_depth: usize, sizes: Sizes) -> Plan {
    let widths = Widths::between(&model(base, base_depth), &model(base + 1, base_depth))
        .unwrap()
        .with_sizes(sizes);
    let rule = Parametrization::from(Rule::UnitMup).with_decay(Decay::Independent);
    Plan::new(&widths, &model(16, DEPTH), rule, optimizer).unwrap()
}

/// Learning rate and decay as torch's AdamW wants it.
fn pair(plan: &Plan, name: &str, learning_rate: f64, weight_decay: f64) -> [f64; 2] {
    let hyper = Hyper {
        learning_rate,
        weight_decay,
        ..Hyper::default()
    };
    let setting = plan.setting(name, &hyper).unwrap();
    [setting.learning_rate, setting.decay_times_lr(plan.decay())]
}

#[test]
fn adam_learning_rates_and_decays() {
    let plan = plan(Optimizer::AdamW, 4, 1);
    let cases = [
        ("embedding", 0.025, 0.04),
        ("stack.2.weight", 0.0144338, 0.0692820),
        ("stack.2.bias", 0.0577350, 0.0173205),
        ("readout", 0.1, 0.01),
    ];
    for (name, learning_rate, weight_decay) in cases {
        let [found, decay] = pair(&plan, name, 0.1, 0.001);
        digits(found, learning_rate);
        digits(decay, weight_decay);
    }
    close(
        pair(&plan, "stack.0.weight", 0.1, 0.001)[0],
        0.1 / 4.0 / 3f64.sqrt(),
    );
}

#[test]
fn sgd_learning_rates() {
    let plan = plan(Optimizer::Sgd, 4, 1);
    for (name, expected) in [
        ("embedding", 0.4),
        ("stack.2.weight", 0.2309401),
        ("stack.2.bias", 0.9237604),
    ] {
        digits(pair(&plan, name, 0.1, 0.0)[0], expected);
    }
    assert_eq!(pair(&plan, "readout", 0.1, 0.0)[0], 0.1);
}

/// A group's own learning rate of .3 and decay of .05: a matrix (1, 16), both of whose sides are
/// widths, and a readout.
#[test]
fn group_with_its_own_numbers() {
    let shapes = |width: usize| {
        let matrix = Shape::new([width / 16, width]).with_axes(Axes::OUT_IN);
        Shapes::from_iter([
            ("matrix", matrix),
            ("readout", weight(width, 10, Layout::OutIn)),
        ])
    };
    let widths = Widths::between(&shapes(64), &shapes(32)).unwrap();
    let rule = Parametrization::from(Rule::UnitMup).with_decay(Decay::Independent);
    let plan = Plan::new(&widths, &shapes(16), rule, Optimizer::AdamW).unwrap();
    for (name, expected) in [
        ("matrix", [0.075, 0.6666667]),
        ("readout", [0.3, 0.1666667]),
    ] {
        let found = pair(&plan, name, 0.3, 0.05);
        found
            .into_iter()
            .zip(expected)
            .for_each(|(found, expected)| digits(found, expected));
    }
}

/// Multipliers and the attention scale are absolute too.
#[test]
fn forward_pass() {
    let sizes = Sizes::NONE
        .with(Size::Depth, 1, DEPTH)
        .and_then(|sizes| sizes.with(Size::HeadDim, 64, 8));
    let plan = planned(Optimizer::AdamW, 4, 1, sizes.unwrap());
    let multiplier = |name: &str| plan.param(name).unwrap().scales.multiplier;
    assert_eq!(multiplier("embedding"), 1.0);
    assert_eq!(multiplier("stack.0.weight"), 0.25);
    assert_eq!(multiplier("readout"), 1.0 / 16.0);
    close(plan.forward().attention.unwrap(), 1.0 / 8.0);
    assert!(plan.params().all(|(_, param)| param.scales.init_std == 1.0));
}

/// It has no base: whatever widths and depth are called that.
#[test]
fn base_sizes_do_not_matter() {
    let of = |base, base_depth| {
        let plan = plan(Optimizer::AdamW, base, base_depth);
        plan.params()
            .map(|(_, param)| param.scales)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(4, 1), of(7, 1));
    assert_eq!(of(4, 1), of(4, 2));
}

/// With `(tau · branch + skip)/√(1 + tau²)` every branch reaches the end with the same share, and
/// the stream keeps its variance; without the denominator later ones get less.
#[test]
fn tau_rule_with_its_denominator_gives_every_branch_the_same() {
    let taus = residual_tau(6, 1.0, 1.0);
    let share = |branch: usize| -> f64 {
        let divided = |tau: f64| 1.0 / (1.0 + tau * tau);
        let later: f64 = taus[branch + 1..].iter().copied().map(divided).product();
        taus[branch].powi(2) * divided(taus[branch]) * later
    };
    (1..6).for_each(|branch| close(share(branch), share(0)));
}

#[test]
fn tau_rule() {
    let expected = [2f64, 3.0, 4.0, 5.0].map(|square| 1.0 / square.sqrt());
    residual_tau(4, 1.0, 1.0)
        .into_iter()
        .zip(expected)
        .for_each(|(tau, expected)| close(tau, expected));
    // App. G by hand: r = 2, q = 1/2 give a_mlp² = 6.4 and a_attn² = 1.6; L/2 = 1.
    let expected = [1.6f64, 6.4 / 2.6].map(f64::sqrt);
    residual_tau(2, 2.0, 0.5)
        .into_iter()
        .zip(expected)
        .for_each(|(tau, expected)| close(tau, expected));
}
