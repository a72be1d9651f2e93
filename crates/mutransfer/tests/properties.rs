//! Identities that hold for every table: base is standard, scalings compose, layout and order do not matter.

mod common;

use common::{Layout, mlp, plan};
use mutransfer::{Optimizer, Plan, Rule, Scales, Shapes, Widths};
use proptest::prelude::*;

fn rules() -> impl Strategy<Value = (Rule, Optimizer)> {
    (prop::sample::select(&Rule::ALL[..]), prop::sample::select(&Optimizer::ALL[..]))
}

fn scales(plan: &Plan) -> Vec<(String, [f64; 5])> {
    let row = |s: Scales| [s.multiplier, s.init_std, s.learning_rate, s.weight_decay, s.eps];
    plan.params().map(|(name, param)| (name.to_string(), row(param.scales))).collect()
}

proptest! {
    #[test]
    fn at_the_base_every_scale_is_one((rule, optimizer) in rules(), width in 1usize..2000) {
        let plan = plan(rule, optimizer, width, width, Layout::InOut);
        for (name, row) in scales(&plan) {
            prop_assert_eq!(row, [1.0; 5], "{}", name);
        }
    }

    #[test]
    fn scalings_compose((rule, optimizer) in rules(), a in 1usize..500, b in 1usize..500, c in 1usize..500) {
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
    fn layout_does_not_matter((rule, optimizer) in rules(), base in 1usize..500, target in 1usize..500) {
        let in_out = plan(rule, optimizer, base, target, Layout::InOut);
        let out_in = plan(rule, optimizer, base, target, Layout::OutIn);
        prop_assert_eq!(scales(&in_out), scales(&out_in));
    }

    #[test]
    fn order_does_not_matter(order in Just(mlp(64, Layout::InOut).len()).prop_flat_map(|n| Just((0..n).collect::<Vec<_>>()).prop_shuffle())) {
        let shuffled = |width| {
            let all: Vec<_> = mlp(width, Layout::InOut).iter().map(|(n, s)| (n.clone(), s.clone())).collect();
            Shapes::from_iter(order.iter().map(|&at| all[at].clone()))
        };
        let widths = Widths::between(&shuffled(64), &shuffled(96)).unwrap();
        let shuffled = Plan::new(&widths, &shuffled(256), Rule::Mup, Optimizer::AdamW).unwrap();
        let straight = plan(Rule::Mup, Optimizer::AdamW, 64, 256, Layout::InOut);
        prop_assert_eq!(shuffled.hash(), straight.hash());
    }

    #[test]
    fn groups_hold_every_parameter_once((rule, optimizer) in rules(), base in 1usize..500, target in 1usize..500) {
        let plan = plan(rule, optimizer, base, target, Layout::InOut);
        let groups = plan.groups();
        prop_assert!(groups.len() <= 5);
        let mut names: Vec<_> = groups.iter().flat_map(|group| group.names.clone()).collect();
        names.sort();
        prop_assert_eq!(names, plan.params().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        for group in &groups {
            for name in &group.names {
                prop_assert_eq!(plan.param(name.as_str()).unwrap().scales.learning_rate, group.learning_rate);
            }
        }
    }
}

#[test]
fn equal_plans_have_equal_hashes_and_different_ones_do_not() {
    let hash = |rule, target| plan(rule, Optimizer::AdamW, 64, target, Layout::InOut).hash();
    assert_eq!(hash(Rule::Mup, 128), hash(Rule::Mup, 128));
    assert_ne!(hash(Rule::Mup, 128), hash(Rule::Mup, 129));
    assert_ne!(hash(Rule::Mup, 128), hash(Rule::Sp, 128));
}
