//! The numbers of the papers and of the `mup` package, for the tables built so far.

mod common;

use common::{Layout, mlp, plan};
use mutransfer::{Error, Family, Hyper, Init, Optimizer, Plan, Power, Role, Rule, Shape, Shapes, Widths};

fn setting(rule: Rule, optimizer: Optimizer, target: usize, name: &str, hyper: Hyper) -> mutransfer::Setting {
    plan(rule, optimizer, 64, target, Layout::InOut).setting(name, &hyper).expect("a parameter of the MLP")
}

#[track_caller]
fn close(actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= 1e-12 * expected.abs(), "{actual} is not {expected}");
}

/// `mup` 1.0.0, base 64, target 128: Adam, learning rate .01, weight decay .1.
#[test]
fn adam_matches_mup() {
    let hyper = Hyper { learning_rate: 0.01, weight_decay: 0.1, ..Hyper::default() };
    let pair = |name| {
        let setting = setting(Rule::Mup, Optimizer::AdamW, 128, name, hyper);
        (setting.learning_rate, setting.weight_decay)
    };
    assert_eq!(pair("hidden.weight"), (0.005, 0.2));
    for name in ["input.weight", "input.bias", "hidden.bias", "readout.weight", "readout.bias"] {
        assert_eq!(pair(name), (0.01, 0.1), "{name}");
    }
}

/// `mup` 1.0.0, base 64, target 128: SGD, learning rate .1.
#[test]
fn sgd_matches_mup() {
    let hyper = Hyper { learning_rate: 0.1, ..Hyper::default() };
    let rate = |name| setting(Rule::Mup, Optimizer::Sgd, 128, name, hyper).learning_rate;
    for name in ["input.weight", "input.bias", "hidden.bias", "readout.weight"] {
        assert_eq!(rate(name), 0.2, "{name}");
    }
    assert_eq!(rate("hidden.weight"), 0.1);
    assert_eq!(rate("readout.bias"), 0.1);
}

/// SGD's decay keeps learning rate times weight decay, and the hidden rate follows m_out/m_in of its own axes.
#[test]
fn sgd_uses_each_matrix_its_own_ratios() {
    let shapes = |width: usize, feed_forward: usize| {
        let weight = |dims: [usize; 2]| Shape::new(dims).with_axes(mutransfer::Axes::IN_OUT);
        Shapes::from_iter([("up", weight([width, feed_forward])), ("down", weight([feed_forward, width]))])
    };
    let widths = Widths::between(&shapes(64, 256), &shapes(128, 300)).unwrap();
    let plan = Plan::new(&widths, &shapes(128, 1024), Rule::Mup, Optimizer::Sgd).unwrap();
    let hyper = Hyper { learning_rate: 1.0, weight_decay: 1.0, ..Hyper::default() };
    let up = plan.setting("up", &hyper).unwrap();
    assert_eq!((up.learning_rate, up.weight_decay), (2.0, 0.5));
    let down = plan.setting("down", &hyper).unwrap();
    assert_eq!((down.learning_rate, down.weight_decay), (0.5, 2.0));
}

/// Rotation example G3, readout with m_in = 8 in Table 8 form: (A, B, C, E, W) = (1/8, 1, 1, 1/8, 1).
#[test]
fn readout_of_table_8() {
    let plan = plan(Rule::Mup, Optimizer::AdamW, 64, 512, Layout::InOut);
    let scales = plan.param("readout.weight").unwrap().scales;
    let row = [scales.multiplier, scales.init_std, scales.learning_rate, scales.eps, scales.weight_decay];
    assert_eq!(row, [0.125, 1.0, 1.0, 0.125, 1.0]);
}

/// GPT-3 6.7B from a proxy of width 256: hidden learning rate 0.006/16 (TP5 section 7.4).
#[test]
fn gpt3_hidden_learning_rate() {
    let hyper = Hyper { learning_rate: 0.006, ..Hyper::default() };
    let plan = plan(Rule::Mup, Optimizer::AdamW, 256, 4096, Layout::InOut);
    close(plan.setting("hidden.weight", &hyper).unwrap().learning_rate, 3.75e-4);
}

/// The whole Table 8 with the columns that follow from it, role by role.
#[test]
fn tables_read_as_published() {
    let row = |rule: Rule, family, role| {
        let table = rule.table(family);
        let law = *table.law(role);
        let powers: [Power; 5] = [law.multiplier, law.init_std, law.learning_rate, law.weight_decay, law.eps];
        powers.map(|power| power.to_string())
    };
    let cases = [
        (Rule::Mup, Family::Entrywise, Role::Fixed, ["1", "1", "1", "1", "1"]),
        (Rule::Mup, Family::Entrywise, Role::Vector, ["1", "1", "1", "1", "m_out^-1"]),
        (Rule::Mup, Family::Entrywise, Role::Input, ["1", "1", "1", "1", "m_out^-1"]),
        (Rule::Mup, Family::Entrywise, Role::Hidden, ["1", "m_in^-1/2", "m_in^-1", "m_in", "m_out^-1"]),
        (Rule::Mup, Family::Entrywise, Role::Output, ["m_in^-1", "1", "1", "1", "m_in^-1"]),
        (Rule::Mup, Family::RawGradient, Role::Input, ["1", "1", "m_out", "m_out^-1", "1"]),
        (Rule::Mup, Family::RawGradient, Role::Hidden, ["1", "m_in^-1/2", "m_in^-1 m_out", "m_in m_out^-1", "1"]),
        (Rule::Mup, Family::RawGradient, Role::Output, ["m_in^-1", "1", "m_in", "m_in^-1", "1"]),
        (Rule::Sp, Family::Entrywise, Role::Input, ["1", "1", "1", "1", "1"]),
        (Rule::Sp, Family::Entrywise, Role::Hidden, ["1", "m_in^-1/2", "1", "1", "1"]),
        (Rule::Sp, Family::RawGradient, Role::Output, ["1", "m_in^-1/2", "1", "1", "1"]),
    ];
    for (rule, family, role, expected) in cases {
        assert_eq!(row(rule, family, role), expected, "{rule} {family:?} {role}");
    }
}

/// `√base_head_dim / head_dim`, and `1/√head_dim` under SP; the `mup` README's 8/d for a base of 64.
#[test]
fn attention_scale() {
    let scale = |rule, base, size| {
        plan(rule, Optimizer::AdamW, 64, 128, Layout::InOut).with_head_dim(base, size).forward().attention.unwrap()
    };
    close(scale(Rule::Mup, 64, 128), 8.0 / 128.0);
    close(scale(Rule::Mup, 16, 64), 4.0 / 64.0);
    close(scale(Rule::Sp, 16, 64), 1.0 / 8.0);
    assert_eq!(scale(Rule::Mup, 24, 24), scale(Rule::Sp, 24, 24));
}

/// Walk-through of TP5 B.1: hidden N(0, s²/d_model), embedding N(0, s²), unembedding N(0, s²/d_model_base).
#[test]
fn initial_standard_deviations() {
    let hyper = Hyper { init: Init::FanIn(1.0), ..Hyper::default() };
    let std = |rule, name| setting(rule, Optimizer::AdamW, 256, name, hyper).init_std;
    assert_eq!(std(Rule::Mup, "hidden.weight"), Some(1.0 / 16.0));
    assert_eq!(std(Rule::Mup, "readout.weight"), Some(1.0 / 8.0));
    assert_eq!(std(Rule::Sp, "readout.weight"), Some(1.0 / 16.0));
    assert_eq!(std(Rule::Mup, "embedding.weight"), Some(1.0));
    assert_eq!(std(Rule::Mup, "hidden.bias"), None);
    let constant = Hyper { init: Init::Constant(0.02), ..hyper };
    let std = |name| setting(Rule::Mup, Optimizer::AdamW, 256, name, constant).init_std.unwrap();
    close(std("hidden.weight"), 0.01);
    close(std("readout.weight"), 0.02);
    close(std("embedding.weight"), 0.02);
}

#[test]
fn zero_init_is_for_what_matches() {
    let plan = plan(Rule::Mup, Optimizer::AdamW, 64, 128, Layout::InOut).with_zero_init("readout.*").unwrap();
    let std = |name| plan.setting(name, &Hyper::default()).unwrap().init_std.unwrap();
    assert_eq!(std("readout.weight"), 0.0);
    assert!(std("hidden.weight") > 0.0);
    let error = plan.clone().with_zero_init("head.*").unwrap_err();
    assert_eq!(error.to_string(), "no parameter matches `head.*`");
}

#[test]
fn coupled_decay_under_adam_is_warned_about() {
    let decayed = Hyper { weight_decay: 0.1, ..Hyper::default() };
    let warnings = |optimizer, hyper| plan(Rule::Mup, optimizer, 64, 128, Layout::InOut).warnings(hyper).len();
    assert_eq!(warnings(Optimizer::Adam, &decayed), 1);
    assert_eq!(warnings(Optimizer::AdamW, &decayed), 0);
    assert_eq!(warnings(Optimizer::Adam, &Hyper::default()), 0);
}

#[test]
fn errors_name_parameter_sizes_and_fix() {
    let base = mlp(64, Layout::InOut);
    let target = |edit: &dyn Fn(&str, Shape) -> Option<Shape>| {
        Shapes::from_iter(
            mlp(128, Layout::InOut)
                .iter()
                .filter_map(|(name, shape)| edit(name.as_str(), shape.clone()).map(|shape| (name.clone(), shape))),
        )
    };
    let message = |target: Shapes| {
        let widths = Widths::between(&base, &mlp(96, Layout::InOut)).unwrap();
        Plan::new(&widths, &target, Rule::Mup, Optimizer::AdamW).unwrap_err().to_string()
    };
    let missing = target(&|name, shape| (name != "hidden.weight").then_some(shape));
    assert_eq!(message(missing), "parameter `hidden.weight` of the base model is missing in the target model");
    let vocabulary = target(&|name, shape| Some(if name == "readout.bias" { Shape::vector(11) } else { shape }));
    assert_eq!(
        message(vocabulary),
        "axis 0 of parameter `readout.bias` is 10 in the base and delta models but 11 in the target model"
    );
    let empty = target(&|name, shape| Some(if name == "hidden.bias" { Shape::vector(0) } else { shape }));
    assert_eq!(message(empty), "axis 0 of parameter `hidden.bias` has size zero in the target model");
    assert_eq!(Widths::between(&base, &base).unwrap_err(), Error::NothingGrows);

    let unknown = |width: usize| Shapes::from_iter([("w", Shape::new([width, 10]))]);
    let widths = Widths::between(&unknown(64), &unknown(128)).unwrap();
    let error = Plan::new(&widths, &unknown(256), Rule::Mup, Optimizer::AdamW).unwrap_err();
    assert_eq!(error.to_string(), "parameter `w` of dimensions [64, 10] grows, but which axis is fan-in is unknown");
    assert!(error.hint().is_some());
    let declared = widths.declare("w", Role::Output).unwrap();
    let plan = Plan::new(&declared, &unknown(256), Rule::Mup, Optimizer::AdamW).unwrap();
    assert_eq!(plan.param("w").unwrap().scales.multiplier, 0.25);

    let contradiction = Widths::between(&base, &mlp(96, Layout::InOut)).unwrap().declare("hidden.weight", Role::Output);
    let error = Plan::new(&contradiction.unwrap(), &base, Rule::Mup, Optimizer::AdamW).unwrap_err();
    assert_eq!(error.to_string(), "parameter `hidden.weight` is declared output but its growing axes make it hidden");
    assert_eq!(
        "lion".parse::<Optimizer>().unwrap_err().to_string(),
        "unknown optimizer `lion`; known: sgd, adam, adamw"
    );
}
