//! Trainers whose numbers are wrong without being any table: MU012 finds exactly the tensors they
//! are wrong for.

use crate::common;

use common::{Layout, weight};
use mutransfer::{
    Axes, Finding, Hyper, Init, Optimizer, Plan, PlanDocument, Rule, Settings, Shape, Shapes, Size,
    Sizes, Widths,
};
use serde_json::{Value, json};

const RATE: f64 = 0.01;
const HEAD: [usize; 2] = [16, 32];

/// Model, feed-forward and key widths grow by 4, 2 and 2.
const BASE: [usize; 3] = [64, 256, 32];
const TARGET: [usize; 3] = [256, 512, 64];

fn model([model, feed_forward, keys]: [usize; 3]) -> Shapes {
    let weight = |fan_in, fan_out| weight(fan_in, fan_out, Layout::InOut);
    Shapes::from_iter([
        (
            "embedding",
            Shape::new([1024, model]).with_axes(Axes::LOOKUP),
        ),
        ("gain", Shape::vector(model)),
        ("query", weight(model, model)),
        ("key", weight(model, keys)),
        ("up", weight(model, feed_forward)),
        ("down", weight(feed_forward, model)),
        ("readout", weight(model, 1024)),
    ])
}

fn planned() -> PlanDocument {
    let widths = Widths::between(&model(BASE), &model(BASE.map(|size| size + 1))).unwrap();
    let widths = widths.with_sizes(Sizes::NONE.with(Size::HeadDim, HEAD[0], HEAD[1]).unwrap());
    let plan = Plan::new(&widths, &model(TARGET), Rule::Mup, Optimizer::AdamW).unwrap();
    let hyper = Hyper {
        learning_rate: RATE,
        init: Init::FanIn(1.0),
        ..Hyper::default()
    };
    plan.document(&hyper)
}

/// What the plan says of a trainer that does as planned but for `change`.
fn findings(change: impl Fn(&mut Value)) -> Vec<Finding> {
    let plan = planned();
    let mut own = serde_json::to_value(&plan).unwrap();
    change(&mut own);
    let settings = json!({ "params": params_only(&own["params"]), "forward": own["forward"] });
    Settings::from_json(&settings.to_string())
        .unwrap()
        .compare(&plan)
}

/// What a trainer prints: the numbers, without roles.
fn params_only(params: &Value) -> Value {
    let numbers = |param: &Value| {
        json!({ "lr": param["lr"], "weight_decay": param["weight_decay"], "eps": param["eps"],
                "init_std": param["init_std"], "multiplier": param["multiplier"] })
    };
    params
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, param)| (name.clone(), numbers(param)))
        .collect()
}

#[track_caller]
fn assert_wrong(expected: &[&str], change: impl Fn(&mut Value)) {
    let findings = findings(change);
    assert!(findings.iter().all(|finding| finding.lint.code == "MU012"));
    let wrong: Vec<_> = findings
        .iter()
        .filter_map(|finding| Some(finding.parameter.as_ref()?.as_str()))
        .collect();
    assert_eq!(wrong, expected);
    assert_eq!(wrong.len(), findings.len(), "{findings:?}");
}

fn set(own: &mut Value, name: &str, key: &str, value: f64) {
    own["params"][name][key] = value.into();
}

#[test]
fn the_plan_itself_is_right() {
    assert_wrong(&[], |_| {});
}

/// Megatron-LM: the ratio of the model width for every matrix, though feed-forward grows less.
#[test]
fn one_global_ratio() {
    assert_wrong(&["down"], |own| {
        for name in ["query", "key", "up", "down"] {
            set(own, name, "lr", RATE / 4.0);
        }
    });
}

/// mup on weights stored `[in, out]`: the last dimension is taken for the fan-in, which square
/// matrices do not show.
#[test]
fn last_dimension_as_fan_in() {
    assert_wrong(&["down", "key", "up"], |own| {
        for (name, ratio) in [("query", 4.0), ("key", 2.0), ("up", 2.0), ("down", 4.0)] {
            set(own, name, "lr", RATE / ratio);
        }
    });
}

/// ezmup: 1024 words are divisible by the base width of 64, so that embedding and readout look like
/// hidden matrices.
#[test]
fn vocabulary_read_as_a_width() {
    assert_wrong(&["embedding", "readout"], |own| {
        set(own, "embedding", "lr", RATE / (1024.0 / 64.0));
        set(own, "readout", "lr", RATE / 4.0);
        set(own, "readout", "multiplier", 1.0);
    });
}

/// nanoGPT, DeepSpeed: `group["lr"] = lr`.
#[test]
fn scheduler_with_absolute_rates() {
    assert_wrong(&["down", "key", "query", "up"], |own| {
        for name in ["embedding", "gain", "query", "key", "up", "down", "readout"] {
            set(own, name, "lr", RATE);
        }
    });
}

/// gpt-neox: the model was built as SP, so its readout starts smaller and has no multiplier.
#[test]
fn flag_set_after_the_model_was_built() {
    assert_wrong(&["readout"], |own| {
        set(own, "readout", "multiplier", 1.0);
        set(own, "readout", "init_std", 1.0 / 16.0);
    });
}

/// Megatron-LM: 1/d without the base's √d, which at the base is not SP. R3: 1/√width. SP: 1/√d.
#[test]
fn attention_scales() {
    let scale = |attention: f64| findings(|own| own["forward"]["attention"] = attention.into());
    for wrong in [1.0 / 32.0, 1.0 / 256f64.sqrt(), 1.0 / 32f64.sqrt()] {
        let [found] = scale(wrong).try_into().unwrap();
        assert!(
            found
                .message
                .starts_with(&format!("forward multiplier attention is {wrong}, ")),
            "{}",
            found.message
        );
    }
    assert_eq!(scale(16f64.sqrt() / 32.0), []);
}

#[test]
fn a_finding_says_what_is_wrong() {
    let [found] = findings(|own| set(own, "down", "lr", 0.0025))
        .try_into()
        .unwrap();
    assert_eq!(found.message, "lr is 0.0025, the plan has 0.005");
    let both = findings(|own| {
        set(own, "down", "lr", 0.0025);
        set(own, "down", "eps", 1.0);
    });
    assert_eq!(
        both[0].message,
        "lr is 0.0025, the plan has 0.005; eps is 1, the plan has 0.0000000025"
    );
}

#[test]
fn parameters_without_a_group_and_groups_without_a_parameter() {
    let found = findings(|own| {
        let params = own["params"].as_object_mut().unwrap();
        let key = params.remove("key").unwrap();
        params.insert("keys".to_owned(), key);
    });
    let messages: Vec<_> = found
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "`keys` is no parameter of the plan",
            "`key` of the plan is in no group of the trainer"
        ]
    );
}

/// Trainers print in single precision, and need not print everything.
#[test]
fn rounded_and_missing_numbers_are_right() {
    assert_wrong(&[], |own| {
        set(own, "query", "lr", f64::from((RATE / 4.0) as f32));
    });
    assert_wrong(&[], |own| own["params"]["query"] = json!({}));
    assert_eq!(
        Settings::from_json(r#"{"params": {}}"#)
            .unwrap()
            .compare(&planned()),
        []
    );
}

/// A checkpoint may keep a tied tensor under the readout's name; its multiplier belongs to that
/// use.
#[test]
fn a_tie_is_named_as_the_readout_whichever_name_the_shapes_have() {
    let shapes = |width: usize, name: &str| {
        let text = format!(
            r#"{{"{name}": [50, {width}], "up": {{"dims": [{width}, {width}], "fan_in": 0, "fan_out": 1}}}}"#
        );
        Shapes::from_json(&text).unwrap()
    };
    for name in ["head", "token"] {
        let widths = Widths::between(&shapes(8, name), &shapes(16, name))
            .unwrap()
            .with_layout(mutransfer::Layout::OutIn);
        let plan = Plan::new(
            &widths.tie("head", "token").unwrap(),
            &shapes(32, name),
            Rule::Mup,
            Optimizer::AdamW,
        );
        let plan = plan.unwrap();
        assert_eq!(
            plan.forward()
                .readout
                .iter()
                .map(|(name, by)| (name.as_str(), *by))
                .collect::<Vec<_>>(),
            [("head", 0.25)]
        );
        assert_eq!(plan.param(name).unwrap().scales.multiplier, 1.0);
    }
}

#[test]
fn settings_that_compare_nothing_are_refused() {
    let error = Settings::from_json(r#"{"parameters": {}}"#)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "shapes in JSON (settings): nothing to compare: no `params`, `param_groups` or `forward`"
    );
}

/// What torch keeps of an optimizer that was given `named_parameters`: `state_dict()` of AdamW in
/// torch 2.6, without its state.
fn torch(groups: &[(&[&str], f64, f64)]) -> String {
    let group = |(names, lr, decay): &(&[&str], f64, f64)| {
        json!({
            "lr": lr, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": decay, "amsgrad": false,
            "maximize": false, "foreach": null, "capturable": false, "differentiable": false,
            "fused": null, "decoupled_weight_decay": true, "param_names": names,
            "params": (0..names.len()).collect::<Vec<_>>()
        })
    };
    let groups: Vec<Value> = groups.iter().map(group).collect();
    json!({ "state": {}, "param_groups": groups }).to_string()
}

/// A proxy with a rate of its own for the embedding and no decay on gains, and a target that has the
/// same times the plan's scales: nothing is found, though no number is the plan's.
#[test]
fn a_trainer_is_compared_with_its_own_proxy() {
    let plan = {
        let widths = Widths::between(&model(BASE), &model(BASE.map(|size| size + 1))).unwrap();
        let plan = Plan::new(&widths, &model(TARGET), Rule::Mup, Optimizer::AdamW).unwrap();
        plan.document(mutransfer::Given::default())
    };
    let matrices: &[&str] = &["query", "key", "up", "down"];
    let proxy = torch(&[
        (matrices, 0.01, 0.1),
        (&["embedding", "readout"], 0.2, 0.0),
        (&["gain"], 0.01, 0.0),
    ]);
    let eps = |name: &str| plan.params[name].eps * 1e-8;
    let target = |rate: f64| {
        let group = |name: &str, lr: f64, decay: f64| json!({ "lr": lr, "weight_decay": decay, "eps": eps(name), "params": [name] });
        json!([
            group("query", 0.0025, 0.4),
            group("key", 0.0025, 0.4),
            group("up", 0.0025, 0.4),
            group("down", rate, 0.2),
            group("embedding", 0.2, 0.0),
            group("readout", 0.2, 0.0),
            group("gain", 0.01, 0.0),
        ])
        .to_string()
    };
    let found = |target: &str| {
        let [own, proxy] = [target, &proxy].map(|text| Settings::from_json(text).unwrap());
        own.compare_to(&proxy, &plan)
    };
    assert_eq!(found(&target(0.005)), []);
    let wrong = found(&target(0.0025));
    assert_eq!(wrong.len(), 1);
    assert_eq!(
        wrong[0].message,
        "lr is 0.0025, and the proxy's 0.01 times 0.5 is 0.005"
    );
    assert_eq!(wrong[0].parameter, Some("down".into()));
    let nameless = r#"[{ "lr": 0.1, "params": [0, 1] }]"#;
    assert_eq!(
        Settings::from_json(nameless).unwrap_err().to_string(),
        "shapes in JSON (settings): group 0 has no names of parameters; torch keeps them as \
         `param_names` where the optimizer was made of named_parameters()"
    );
    let fewer = torch(&[(&["query"], 0.0025, 0.4)]);
    assert_eq!(found(&fewer).len(), 1 + 6);
}
