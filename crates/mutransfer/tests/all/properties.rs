//! Identities that hold for every table: base is standard, scalings compose, layout and order do
//! not matter.

use crate::common;

use common::{Layout, mlp, plan};
use mutransfer::{
    Given, Optimizer, Parametrization, Plan, Power, Rational32, Role, Rule, SWITCHES, Scales,
    Shape, Shapes, Widths,
};
use proptest::prelude::*;

fn any_rule() -> impl Strategy<Value = Rule> {
    let named = prop::sample::select(&Rule::NAMED[..]);
    let uniform = (0i32..=50).prop_map(|percent| Rule::Uniform(Rational32::new(percent, 100)));
    let listed = prop::sample::subsequence(&SWITCHES[..], 1..=4);
    let ablation = (any::<bool>(), listed).prop_map(|(from_mup, switches)| {
        let (start, joint) = if from_mup {
            ("mup-", "-")
        } else {
            ("sp+", "+")
        };
        format!("{start}{}", switches.join(joint)).parse().unwrap()
    });
    prop_oneof![named, uniform, ablation]
}

/// Pairs for which there is a table.
fn any_table() -> impl Strategy<Value = (Rule, Optimizer)> {
    let pairs = (any_rule(), prop::sample::select(Optimizer::ALL));
    pairs.prop_filter("published", |(rule, optimizer)| {
        Parametrization::from(*rule).table(*optimizer).is_ok()
    })
}

fn relative() -> impl Strategy<Value = (Rule, Optimizer)> {
    any_table().prop_filter("relative to a base", |(rule, _)| !rule.is_absolute())
}

fn scales(plan: &Plan) -> Vec<(String, [f64; 5])> {
    let row = |s: Scales| {
        [
            s.multiplier,
            s.init_std,
            s.learning_rate,
            s.weight_decay,
            s.eps,
        ]
    };
    plan.params()
        .map(|(name, param)| (name.to_string(), row(param.scales)))
        .collect()
}

proptest! {
    #[test]
    fn at_the_base_every_scale_is_one((rule, optimizer) in relative(), width in 1usize..2000) {
        let plan = plan(rule, optimizer, width, width, Layout::InOut);
        for (name, row) in scales(&plan) {
            prop_assert_eq!(row, [1.0; 5], "{}", name);
        }
    }

    #[test]
    fn scalings_compose((rule, optimizer) in relative(), a in 1usize..500, b in 1usize..500, c in 1usize..500) {
        let first = scales(&plan(rule, optimizer, a, b, Layout::InOut));
        let second = scales(&plan(rule, optimizer, b, c, Layout::InOut));
        let whole = scales(&plan(rule, optimizer, a, c, Layout::InOut));
        for (((name, first), (_, second)), (_, whole)) in first.iter().zip(&second).zip(&whole) {
            for ((x, y), z) in first.iter().zip(second).zip(whole) {
                prop_assert!((x * y / z - 1.0).abs() < 1e-12, "{name}: {x} · {y} is not {z}");
            }
        }
    }

    #[test]
    fn axes_do_not_matter((rule, optimizer) in any_table(), base in 1usize..500, target in 1usize..500) {
        let in_out = plan(rule, optimizer, base, target, Layout::InOut);
        let out_in = plan(rule, optimizer, base, target, Layout::OutIn);
        prop_assert_eq!(scales(&in_out), scales(&out_in));
    }

    #[test]
    fn layout_does_not_matter((rule, optimizer) in any_table(), base in 1usize..500, target in 1usize..500) {
        let in_out = laid_out(rule, optimizer, base, target, Layout::InOut);
        let out_in = laid_out(rule, optimizer, base, target, Layout::OutIn);
        prop_assert_eq!(scales(&in_out), scales(&out_in));
    }

    #[test]
    fn order_does_not_matter(order in Just((0..10).collect::<Vec<usize>>()).prop_shuffle()) {
        let shuffled = |width| {
            let all: Vec<_> = mlp(width, Layout::InOut).iter().map(|(n, s)| (n.clone(), s.clone())).collect();
            order.iter().map(|&at| all[at].clone()).collect::<Shapes>()
        };
        let widths = Widths::between(&shuffled(64), &shuffled(96)).unwrap();
        let shuffled = Plan::new(&widths, &shuffled(256), Rule::Mup, Optimizer::AdamW).unwrap();
        let straight = plan(Rule::Mup, Optimizer::AdamW, 64, 256, Layout::InOut);
        prop_assert_eq!(shuffled.hash(), straight.hash());
    }

    #[test]
    fn groups_hold_every_parameter_once((rule, optimizer) in any_table(), base in 1usize..500, target in 1usize..500) {
        let plan = plan(rule, optimizer, base, target, Layout::InOut);
        let groups = plan.groups(&(&Given::default()).into());
        let mut names: Vec<_> = groups.iter().flat_map(|group| group.names.clone()).collect();
        names.sort();
        prop_assert_eq!(names, plan.params().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        for (group, name) in groups.iter().flat_map(|group| group.names.iter().map(move |name| (group, name))) {
            let own = plan.param(name.as_str()).unwrap().scales;
            let shared = (group.learning_rate, group.weight_decay, group.eps);
            prop_assert_eq!((own.learning_rate, own.weight_decay, own.eps), shared);
        }
    }

    #[test]
    fn rules_are_read_as_they_are_written(rule in any_rule()) {
        prop_assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
        let json = serde_json::to_string(&rule).unwrap();
        prop_assert_eq!(json.clone(), format!("\"{rule}\""));
        prop_assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule);
    }

    #[test]
    fn powers_are_read_as_they_are_written(exponents in prop::array::uniform5((-10i32..=10, 1i32..=12))) {
        let names = ["m_in", "m_out", "m_L", "m_aspect", "m_own"];
        let written = names.iter().zip(exponents).map(|(name, (top, bottom))| format!("{name}^{top}/{bottom}"));
        let power: Power = written.collect::<Vec<_>>().join(" ").parse().unwrap();
        prop_assert_eq!(power.to_string().parse::<Power>().unwrap(), power);
        prop_assert_eq!(power / power, Power::ONE);
        prop_assert_eq!(power.raised(3) / power, power * power);
    }
}

/// The MLP and a convolution by their sizes alone; where the layout cannot tell, roles are
/// declared.
fn laid_out(rule: Rule, optimizer: Optimizer, base: usize, target: usize, layout: Layout) -> Plan {
    let matrix = |fan_in: usize, fan_out: usize| match layout {
        Layout::InOut => Shape::new([fan_in, fan_out]),
        Layout::OutIn => Shape::new([fan_out, fan_in]),
    };
    let kernel = |fan_in: usize, fan_out: usize| match layout {
        Layout::InOut => Shape::new([3, 3, fan_in, fan_out]),
        Layout::OutIn => Shape::new([fan_out, fan_in, 3, 3]),
    };
    let shapes = |width: usize| {
        Shapes::from_iter([
            ("embedding", Shape::new([50, width])),
            ("input", matrix(784, width)),
            ("gain", Shape::vector(width)),
            ("up", matrix(width, 3 * width)),
            ("down", matrix(3 * width, width)),
            ("kernel", kernel(width, 2 * width)),
            ("first_kernel", kernel(3, width)),
            ("readout", matrix(width, 10)),
            ("scalar", Shape::vector(1)),
        ])
    };
    let widths = Widths::between(&shapes(base), &shapes(base + 1))
        .unwrap()
        .with_layout(layout);
    let widths = widths
        .declare("embedding", Role::Input)
        .unwrap()
        .declare("readout", Role::Output)
        .unwrap();
    Plan::new(&widths, &shapes(target), rule, optimizer).unwrap()
}

#[test]
fn optimizers_are_read_as_they_are_written() {
    for optimizer in Optimizer::ALL {
        assert_eq!(
            optimizer.to_string().parse::<Optimizer>().unwrap(),
            *optimizer
        );
        let json = serde_json::to_string(optimizer).unwrap();
        assert_eq!(
            serde_json::from_str::<Optimizer>(&json).unwrap(),
            *optimizer
        );
    }
}

#[test]
fn powers_as_typed() {
    let cases = [
        ("1", "1"),
        ("m_in", "m_in"),
        ("m_in^-1/2", "m_in^-1/2"),
        ("m_in^-0.5", "m_in^-1/2"),
        ("m_in^(1/2)*m_out", "m_in^1/2 m_out"),
        ("m_out · m_in^-1", "m_in^-1 m_out"),
        ("m_L^2/4", "m_L^1/2"),
        ("m_in m_in", "m_in^2"),
        ("m_own^0", "1"),
    ];
    for (typed, shown) in cases {
        assert_eq!(typed.parse::<Power>().unwrap().to_string(), shown);
    }
    for wrong in [
        "",
        " ",
        "n",
        "m_in^",
        "m_in^x",
        "m_in^1/0",
        "m_in^1/-2",
        "2",
        "m_in^0.0001",
        "m_in^11",
        "m_in^1/17",
        "m_in^6 m_in^6",
    ] {
        assert!(wrong.parse::<Power>().is_err(), "`{wrong}`");
    }
}

#[test]
fn equal_plans_have_equal_hashes_and_different_ones_do_not() {
    let hash = |rule, target| plan(rule, Optimizer::AdamW, 64, target, Layout::InOut).hash();
    assert_eq!(hash(Rule::Mup, 128), hash(Rule::Mup, 128));
    assert_ne!(hash(Rule::Mup, 128), hash(Rule::Mup, 129));
    assert_ne!(hash(Rule::Mup, 128), hash(Rule::Sp, 128));
}
