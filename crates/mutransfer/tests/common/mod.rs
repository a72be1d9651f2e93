//! A small network with every role, in both weight layouts.
#![allow(dead_code, reason = "each test file uses its part")]

use mutransfer::{Axes, Optimizer, Plan, Rule, Shape, Shapes, Widths};

#[derive(Clone, Copy)]
pub(crate) enum Layout {
    InOut,
    OutIn,
}

pub(crate) fn mlp(width: usize, layout: Layout) -> Shapes {
    let weight = |fan_in: usize, fan_out: usize| match layout {
        Layout::InOut => Shape::new([fan_in, fan_out]).with_axes(Axes::IN_OUT),
        Layout::OutIn => Shape::new([fan_out, fan_in]).with_axes(Axes::OUT_IN),
    };
    Shapes::from_iter([
        ("embedding.weight", Shape::new([50, width]).with_axes(Axes::LOOKUP)),
        ("input.weight", weight(784, width)),
        ("input.bias", Shape::vector(width)),
        ("norm.gain", Shape::vector(width)),
        ("up.weight", weight(width, 4 * width)),
        ("down.weight", weight(4 * width, width)),
        ("hidden.weight", weight(width, width)),
        ("hidden.bias", Shape::vector(width)),
        ("readout.weight", weight(width, 10)),
        ("readout.bias", Shape::vector(10)),
    ])
}

pub(crate) fn plan(rule: Rule, optimizer: Optimizer, base: usize, target: usize, layout: Layout) -> Plan {
    let widths = Widths::between(&mlp(base, layout), &mlp(base + 1, layout)).expect("widths of the MLP");
    Plan::new(&widths, &mlp(target, layout), rule, optimizer).expect("a plan of the MLP")
}
