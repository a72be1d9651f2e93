//! Hyperparameters with factors per role: what they do to every number, and how they are written.

use crate::common;

use common::{Layout, mlp, plan, widths};
use mutransfer::{
    Decay, Factors, Form, Hyper, Init, Optimizer, Parametrization, Plan, Role, Roles, Rule, Size,
    Sizes,
};
use serde_json::{Value, json};

const PLAIN: Hyper = Hyper {
    learning_rate: 3e-3,
    weight_decay: 0.1,
    eps: 1e-8,
    init: Init::Constant(0.02),
    beta1: 0.9,
    beta2: 0.95,
    momentum: 0.0,
    factors: Roles::all(Factors::ONE),
    attention: 1.0,
};

/// Another factor for everything, powers of two so that products are exact.
fn factored() -> Hyper {
    let factors = Roles::from_fn(|role| {
        let own = f64::from(1 << (role as i32));
        Factors {
            learning_rate: 2.0 * own,
            init_std: 4.0 * own,
            multiplier: 8.0 * own,
            weight_decay: 16.0 * own,
        }
    });
    Hyper {
        factors,
        attention: 0.25,
        ..PLAIN
    }
}

fn tied(form: Form) -> Plan {
    let widths = widths(64, Layout::InOut)
        .declare("readout.weight", Role::Output)
        .and_then(|widths| widths.tie("logits.weight", "embedding.weight"))
        .unwrap();
    let rule = Parametrization::from(Rule::Mup).with_form(form);
    let widths = widths.with_sizes(Sizes::NONE.with(Size::HeadDim, 16, 64).unwrap());
    Plan::new(&widths, &mlp(256, Layout::InOut), rule, Optimizer::AdamW).unwrap()
}

#[test]
fn factors_of_one_change_no_bit() {
    for rule in Rule::NAMED {
        let plan = plan(rule, Optimizer::AdamW, 48, 1000, Layout::InOut);
        for (name, param) in plan.params() {
            let setting = param.setting(&PLAIN);
            let scales = param.scales;
            let bits = |numbers: [f64; 4]| numbers.map(f64::to_bits);
            assert_eq!(
                bits([
                    setting.learning_rate,
                    setting.weight_decay,
                    setting.eps,
                    setting.multiplier
                ]),
                bits([
                    PLAIN.learning_rate * scales.learning_rate,
                    PLAIN.weight_decay * scales.weight_decay,
                    PLAIN.eps * scales.eps,
                    scales.multiplier
                ]),
                "{rule} {name}"
            );
        }
        assert_eq!(plan.forward_at(&PLAIN), *plan.forward());
    }
}

#[test]
fn factors_multiply_the_settings_of_their_role() {
    let plan = tied(Form::Table8);
    let hyper = factored();
    for (name, param) in plan.params() {
        let (own, plain) = (param.setting(&hyper), param.setting(&PLAIN));
        let factors = hyper.factors[param.role];
        assert_eq!(
            own.learning_rate,
            plain.learning_rate * factors.learning_rate,
            "{name}"
        );
        assert_eq!(
            own.weight_decay,
            plain.weight_decay * factors.weight_decay,
            "{name}"
        );
        assert_eq!(
            own.multiplier,
            plain.multiplier * factors.multiplier,
            "{name}"
        );
        assert_eq!(own.eps, plain.eps, "{name}");
        assert_eq!(
            own.init_std,
            plain.init_std.map(|std| std * factors.init_std),
            "{name}"
        );
    }
}

/// A tied tensor is an embedding that is used as readout too.
#[test]
fn tied_readout_takes_the_multiplier_of_the_output_role() {
    let plan = tied(Form::Table8);
    let hyper = factored();
    let (plain, forward) = (plan.forward(), plan.forward_at(&hyper));
    assert_eq!(
        forward.readout["logits.weight"],
        plain.readout["logits.weight"] * hyper.factors.output.multiplier
    );
    assert_eq!(forward.attention.unwrap(), plain.attention.unwrap() * 0.25);
    assert_eq!(forward.residual, plain.residual);
    let embedding = plan.setting("embedding.weight", &hyper).unwrap();
    assert_eq!(embedding.multiplier, hyper.factors.input.multiplier);
}

#[test]
fn plans_as_json_hold_the_factored_numbers() {
    let plan = tied(Form::Table8);
    let hyper = factored();
    let document = plan.document(&hyper);
    for (name, param) in plan.params() {
        let (written, setting) = (&document.params[name.as_str()], param.setting(&hyper));
        assert_eq!(written.lr, setting.learning_rate);
        assert_eq!(written.weight_decay, setting.weight_decay);
        assert_eq!(written.init_std, setting.init_std);
        assert_eq!(written.multiplier, setting.multiplier);
        let factor = hyper.factors[param.role].init_std;
        assert_eq!(written.init_scale, param.scales.init_std * factor);
    }
    let forward = plan.forward_at(&hyper);
    assert_eq!(document.forward.attention, forward.attention);
    assert_eq!(
        document.forward.readout["logits.weight"],
        forward.readout["logits.weight"]
    );
    let json = plan.to_json(&hyper);
    assert_eq!(json["hyper"]["factors"]["hidden"]["learning_rate"], 16.0);
    assert_eq!(json["hyper"]["attention"], 0.25);
    assert_eq!(plan.to_json(&PLAIN)["hyper"].get("factors"), None);
    assert_eq!(
        plan.hash(),
        tied(Form::Table8).hash(),
        "a plan is without hyperparameters"
    );
}

#[test]
fn groups_are_of_equal_absolute_numbers() {
    let plan = plan(Rule::Mup, Optimizer::AdamW, 64, 128, Layout::InOut);
    let mut hyper = PLAIN;
    let before = plan.groups(&hyper);
    // Biases train as the embedding until they get a rate of their own.
    hyper.factors.vector.learning_rate = 2.0;
    let after = plan.groups(&hyper);
    assert_eq!(after.len(), before.len() + 1);
    for group in &after {
        for name in &group.names {
            let own = plan.setting(name.as_str(), &hyper).unwrap();
            assert_eq!(group.learning_rate, own.learning_rate);
            assert_eq!((group.weight_decay, group.eps), (own.weight_decay, own.eps));
        }
    }
}

#[test]
fn decay_factor_under_each_convention() {
    let mut hyper = PLAIN;
    hyper.factors.hidden.weight_decay = 0.0;
    for decay in Decay::ALL {
        let rule = Parametrization::from(Rule::Mup).with_decay(decay);
        let plan = plan(rule, Optimizer::AdamW, 64, 128, Layout::InOut);
        let setting = plan.setting("hidden.weight", &hyper).unwrap();
        assert_eq!(
            (setting.weight_decay, setting.decay_times_lr(decay)),
            (0.0, 0.0)
        );
    }
}

#[test]
fn written_hyperparameters_hold_what_is_no_default() {
    let json = |hyper: &Hyper| serde_json::to_value(hyper).unwrap();
    assert_eq!(json(&Hyper::default()), json!({}));
    let mut hyper = Hyper {
        learning_rate: 2e-3,
        ..Hyper::default()
    };
    hyper.factors.input.learning_rate = 4.0;
    let expected = json!({"learning_rate": 2e-3, "factors": {"input": {"learning_rate": 4.0}}});
    assert_eq!(json(&hyper), expected);
    for hyper in [Hyper::default(), hyper, PLAIN, factored()] {
        let text = serde_json::to_string(&hyper).unwrap();
        assert_eq!(serde_json::from_str::<Hyper>(&text).unwrap(), hyper);
        let text = toml::to_string(&hyper).unwrap();
        assert_eq!(toml::from_str::<Hyper>(&text).unwrap(), hyper);
    }
}

/// Defaults are part of the format, as what is not written has them.
#[test]
fn defaults_are_pinned() {
    let defaults = Hyper {
        learning_rate: 1e-3,
        weight_decay: 0.0,
        eps: 1e-8,
        init: Init::FanIn(1.0),
        beta1: 0.9,
        beta2: 0.95,
        momentum: 0.0,
        factors: Roles::all(Factors::ONE),
        attention: 1.0,
    };
    assert_eq!(Hyper::default(), defaults);
    assert_eq!(Roles::<Factors>::default(), Roles::all(Factors::ONE));
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let cases: [(Value, &str); 11] = [
        (
            json!({"learning_rate": 0.0}),
            "`learning_rate` is 0; it must be a positive number",
        ),
        (
            json!({"weight_decay": -0.1}),
            "`weight_decay` is -0.1; it must be zero or a positive number",
        ),
        (
            json!({"eps": -1e-8}),
            "`eps` is -0.00000001; it must be zero or a positive number",
        ),
        (
            json!({"beta1": 1.0}),
            "`beta1` is 1; it must be at least 0 and less than 1",
        ),
        (
            json!({"beta2": -0.5}),
            "`beta2` is -0.5; it must be at least 0 and less than 1",
        ),
        (
            json!({"momentum": 2.0}),
            "`momentum` is 2; it must be at least 0 and less than 1",
        ),
        (
            json!({"attention": -1.0}),
            "`attention` is -1; it must be a positive number",
        ),
        (
            json!({"init": {"constant": -1.0}}),
            "`init` is -1; it must be zero or a positive number",
        ),
        (
            json!({"factors": {"hidden": {"multiplier": 0.0}}}),
            "`factors.hidden.multiplier` is 0; it must be a positive number",
        ),
        (json!({"factors": {"gate": {}}}), "unknown field `gate`"),
        (json!({"lr": 1.0}), "unknown field `lr`"),
    ];
    for (written, expected) in cases {
        let error = serde_json::from_value::<Hyper>(written)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    let infinite = Hyper {
        learning_rate: f64::INFINITY,
        ..Hyper::default()
    };
    assert!(infinite.check().is_err());
    assert!(toml::from_str::<Hyper>("eps = nan").is_err());
    assert!(factored().check().is_ok());
}

/// A framework's own initialiser, times the factor, is the plan's: what it scales by itself is not
/// scaled again.
#[test]
fn what_an_initialiser_scales_by_itself() {
    let plan = plan(Rule::Mup, Optimizer::AdamW, 48, 1000, Layout::InOut);
    for init in [
        Init::FanIn(0.7),
        Init::FanOut(1.0),
        Init::Xavier(2.0),
        Init::Constant(0.02),
    ] {
        for (name, param) in plan.params() {
            if let Some(factor) = param.init_factor(&Hyper { init, ..PLAIN }) {
                let scale = factor * param.init_ratio(init);
                common::close(scale, param.scales.init_std);
                if name.as_str() == "readout.weight" && init == Init::FanIn(0.7) {
                    common::close(param.init_ratio(init), (48_f64 / 1000.0).sqrt());
                }
            }
        }
    }
}
