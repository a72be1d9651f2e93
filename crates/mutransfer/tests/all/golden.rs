//! G5, G6: what the `mup` package and TP5 give one parameter, in absolute numbers.

use crate::common;

use common::{Layout, close, plan, plan_with_heads};
use mutransfer::{Hyper, Init, Optimizer, Plan, Rule, Setting, Shape, Shapes, Widths};

fn setting(rule: Rule, optimizer: Optimizer, target: usize, name: &str, hyper: Hyper) -> Setting {
    plan(rule, optimizer, 64, target, Layout::InOut)
        .setting(name, &hyper)
        .expect("a parameter of the MLP")
}

/// `mup` 1.0.0, base 64, target 128: Adam, learning rate .01, weight decay .1.
#[test]
fn adam_matches_mup() {
    let hyper = Hyper {
        learning_rate: 0.01,
        weight_decay: 0.1,
        ..Hyper::default()
    };
    let pair = |name| {
        let setting = setting(Rule::Mup, Optimizer::AdamW, 128, name, hyper);
        (setting.learning_rate, setting.weight_decay)
    };
    assert_eq!(pair("hidden.weight"), (0.005, 0.2));
    for name in [
        "input.weight",
        "input.bias",
        "hidden.bias",
        "readout.weight",
        "readout.bias",
    ] {
        assert_eq!(pair(name), (0.01, 0.1), "{name}");
    }
}

/// `mup` 1.0.0, base 64, target 128: SGD, learning rate .1.
#[test]
fn sgd_matches_mup() {
    let hyper = Hyper {
        learning_rate: 0.1,
        ..Hyper::default()
    };
    let rate = |name| setting(Rule::Mup, Optimizer::Sgd, 128, name, hyper).learning_rate;
    for name in [
        "input.weight",
        "input.bias",
        "hidden.bias",
        "readout.weight",
    ] {
        assert_eq!(rate(name), 0.2, "{name}");
    }
    assert_eq!(rate("hidden.weight"), 0.1);
    assert_eq!(rate("readout.bias"), 0.1);
}

/// SGD's decay keeps learning rate times weight decay, and the hidden rate follows m_out/m_in of
/// its own axes.
#[test]
fn sgd_uses_each_matrix_its_own_ratios() {
    let shapes = |width: usize, feed_forward: usize| {
        let weight = |dims: [usize; 2]| Shape::new(dims).with_axes(mutransfer::Axes::IN_OUT);
        Shapes::from_iter([
            ("up", weight([width, feed_forward])),
            ("down", weight([feed_forward, width])),
        ])
    };
    let widths = Widths::between(&shapes(64, 256), &shapes(128, 300)).unwrap();
    let plan = Plan::new(&widths, &shapes(128, 1024), Rule::Mup, Optimizer::Sgd).unwrap();
    let hyper = Hyper {
        learning_rate: 1.0,
        weight_decay: 1.0,
        ..Hyper::default()
    };
    let up = plan.setting("up", &hyper).unwrap();
    assert_eq!((up.learning_rate, up.weight_decay), (2.0, 0.5));
    let down = plan.setting("down", &hyper).unwrap();
    assert_eq!((down.learning_rate, down.weight_decay), (0.5, 2.0));
}

/// GPT-3 6.7B from a proxy of width 256: hidden learning rate 0.006/16 (TP5 section 7.4).
#[test]
fn gpt3_hidden_learning_rate() {
    let hyper = Hyper {
        learning_rate: 0.006,
        ..Hyper::default()
    };
    let plan = plan(Rule::Mup, Optimizer::AdamW, 256, 4096, Layout::InOut);
    close(
        plan.setting("hidden.weight", &hyper).unwrap().learning_rate,
        3.75e-4,
    );
}

/// `√base_head_dim / head_dim`, and `1/√head_dim` under SP; the `mup` README's 8/d for a base of
/// 64.
#[test]
fn attention_scale() {
    let scale = |rule, base, size| {
        plan_with_heads(rule, 64, 128, [base, size])
            .forward()
            .attention
            .unwrap()
    };
    close(scale(Rule::Mup, 64, 128), 8.0 / 128.0);
    close(scale(Rule::Mup, 16, 64), 4.0 / 64.0);
    close(scale(Rule::Sp, 16, 64), 1.0 / 8.0);
    assert_eq!(scale(Rule::Mup, 24, 24), scale(Rule::Sp, 24, 24));
}

/// Walk-through of TP5 B.1: hidden N(0, s²/d_model), embedding N(0, s²), unembedding N(0,
/// s²/d_model_base).
#[test]
fn initial_standard_deviations() {
    let hyper = Hyper {
        init: Init::FanIn(1.0),
        ..Hyper::default()
    };
    let std = |rule, name| setting(rule, Optimizer::AdamW, 256, name, hyper).init_std;
    assert_eq!(std(Rule::Mup, "hidden.weight"), Some(1.0 / 16.0));
    assert_eq!(std(Rule::Mup, "readout.weight"), Some(1.0 / 8.0));
    assert_eq!(std(Rule::Sp, "readout.weight"), Some(1.0 / 16.0));
    assert_eq!(std(Rule::Mup, "embedding.weight"), Some(1.0));
    assert_eq!(std(Rule::Mup, "hidden.bias"), None);
    let constant = Hyper {
        init: Init::Constant(0.02),
        ..hyper
    };
    let std = |name| {
        setting(Rule::Mup, Optimizer::AdamW, 256, name, constant)
            .init_std
            .unwrap()
    };
    close(std("hidden.weight"), 0.01);
    close(std("readout.weight"), 0.02);
    close(std("embedding.weight"), 0.02);
}

#[test]
fn zero_init_is_for_what_matches() {
    let plan = plan(Rule::Mup, Optimizer::AdamW, 64, 128, Layout::InOut)
        .with_zero_init("readout.*")
        .unwrap();
    let std = |name| {
        plan.setting(name, &Hyper::default())
            .unwrap()
            .init_std
            .unwrap()
    };
    assert_eq!(std("readout.weight"), 0.0);
    assert!(std("hidden.weight") > 0.0);
    let error = plan.clone().with_zero_init("head.*").unwrap_err();
    assert_eq!(error.to_string(), "no parameter matches `head.*`");
}
