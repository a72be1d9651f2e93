//! A small network with every role, in both weight layouts, and comparisons that several files
//! make.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod trainer;

pub(crate) use mutransfer::Layout;
use mutransfer::{
    Axes, Law, Optimizer, Options, Parametrization, Plan, Rational32, Role, Rule, Shape, Shapes,
    Size, Sizes, Widths,
};

pub(crate) fn weight(fan_in: usize, fan_out: usize, layout: Layout) -> Shape {
    match layout {
        Layout::InOut => Shape::new([fan_in, fan_out]).with_axes(Axes::IN_OUT),
        Layout::OutIn => Shape::new([fan_out, fan_in]).with_axes(Axes::OUT_IN),
    }
}

pub(crate) fn mlp(width: usize, layout: Layout) -> Shapes {
    Shapes::from_iter([
        (
            "embedding.weight",
            Shape::new([50, width]).with_axes(Axes::LOOKUP),
        ),
        ("input.weight", weight(784, width, layout)),
        ("input.bias", Shape::vector(width)),
        ("norm.gain", Shape::vector(width)),
        ("up.weight", weight(width, 4 * width, layout)),
        ("down.weight", weight(4 * width, width, layout)),
        ("hidden.weight", weight(width, width, layout)),
        ("hidden.bias", Shape::vector(width)),
        ("readout.weight", weight(width, 10, layout)),
        ("readout.bias", Shape::vector(10)),
    ])
}

pub(crate) fn widths(base: usize, layout: Layout) -> Widths {
    Widths::between(&mlp(base, layout), &mlp(base + 1, layout)).expect("widths of the MLP")
}

pub(crate) fn plan(
    rule: impl Into<Parametrization>,
    optimizer: Optimizer,
    base: usize,
    target: usize,
    layout: Layout,
) -> Plan {
    Plan::new(&widths(base, layout), &mlp(target, layout), rule, optimizer)
        .expect("a plan of the MLP")
}

/// The same for AdamW, with heads of such sizes in base and target.
pub(crate) fn plan_with_heads(
    rule: impl Into<Parametrization>,
    base: usize,
    target: usize,
    heads: [usize; 2],
) -> Plan {
    let sizes = Sizes::NONE.with(Size::HeadDim, heads[0], heads[1]);
    let widths = widths(base, Layout::InOut).with_sizes(sizes.expect("sizes"));
    let target = mlp(target, Layout::InOut);
    Plan::new(&widths, &target, rule, Optimizer::AdamW).expect("a plan of the MLP")
}

/// The factors of one parameter: A, B, C, W, E of the papers.
pub(crate) fn scales(plan: &Plan, name: &str) -> [f64; 5] {
    let scales = plan
        .param(name)
        .unwrap_or_else(|| panic!("no `{name}`"))
        .scales;
    [
        scales.multiplier,
        scales.init_std,
        scales.learning_rate,
        scales.weight_decay,
        scales.eps,
    ]
}

pub(crate) fn rule(name: &str) -> Rule {
    name.parse().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn options<const N: usize>(pairs: [(&str, &str); N]) -> Options {
    Options::from_pairs(pairs).unwrap_or_else(|error| panic!("{error}"))
}

/// A law as its five columns are printed.
pub(crate) fn printed(law: &Law) -> [String; 5] {
    law.columns().map(|(_, power)| power.to_string())
}

/// The law of a role outside of blocks, as printed.
pub(crate) fn law(
    rule: impl Into<Parametrization>,
    optimizer: Optimizer,
    role: Role,
) -> [String; 5] {
    printed(
        rule.into()
            .table(optimizer)
            .unwrap_or_else(|error| panic!("{error}"))
            .law(role),
    )
}

pub(crate) fn fraction(text: &str) -> Rational32 {
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("`{text}` is no fraction"))
}

/// Equal but for rounding.
#[track_caller]
pub(crate) fn close(actual: f64, expected: f64) {
    assert!(
        (actual - expected).abs() <= 1e-12 * expected.abs(),
        "{actual} is not {expected}"
    );
}

/// Equal to a number printed with seven decimals.
#[track_caller]
pub(crate) fn digits(actual: f64, printed: f64) {
    assert!(
        (actual - printed).abs() <= 1e-6 * printed.abs().max(0.1),
        "{actual} is not {printed}"
    );
}
