//! Golden numbers of Complete-muE (2605.23893): MG1 to MG5, its invariants, and what cancels.

use crate::common;

use common::{close, digits, options, scales};
use mutransfer::{
    Axes, Decay, Form, Horizon, Hyper, Init, Optimizer, Parametrization, Plan, Role, Rule, Shape,
    Shapes, Size, Sizes, Widths,
};

/// A model with a layer of experts, one tensor standing for all.
#[derive(Clone, Copy)]
struct Model {
    width: usize,
    experts: usize,
    active: usize,
    expert_width: usize,
    shared: usize,
}

const UP: &str = "blocks.0.experts.up.weight";
const DOWN: &str = "blocks.0.experts.down.weight";
const ROUTER: &str = "blocks.0.router.weight";
const QUERY: &str = "blocks.0.query.weight";
const HEAD: &str = "head.weight";

impl Model {
    /// A dense layer: of one expert, which is active.
    const fn dense(width: usize, hidden: usize) -> Self {
        Self {
            width,
            experts: 1,
            active: 1,
            expert_width: hidden,
            shared: 0,
        }
    }

    fn shapes(self) -> Shapes {
        let weight = |fan_in, fan_out| Shape::new([fan_in, fan_out]).with_axes(Axes::IN_OUT);
        Shapes::from_iter([
            (
                "embedding.weight",
                Shape::new([50, self.width]).with_axes(Axes::LOOKUP),
            ),
            ("blocks.0.norm.gain", Shape::vector(self.width)),
            (QUERY, weight(self.width, self.width)),
            (ROUTER, weight(self.width, self.experts)),
            (UP, weight(self.width, self.expert_width)),
            (DOWN, weight(self.expert_width, self.width)),
            (HEAD, weight(self.width, 50)),
        ])
    }

    /// Without the sizes of experts.
    fn widths_of_shapes(self, target: Self) -> Widths {
        let declared = Widths::inferred(&self.shapes(), &target.shapes())
            .or_else(|_| Widths::unchanged(&self.shapes()))
            .and_then(|widths| widths.declare(UP, Role::ExpertIn))
            .and_then(|widths| widths.declare(DOWN, Role::ExpertOut))
            .and_then(|widths| widths.declare(ROUTER, Role::Router))
            .and_then(|widths| widths.declare(HEAD, Role::Output));
        declared.unwrap()
    }

    fn widths_to(self, target: Self) -> Widths {
        let sizes = Sizes::NONE
            .with(Size::Experts, self.experts, target.experts)
            .and_then(|sizes| sizes.with(Size::Active, self.active, target.active))
            .and_then(|sizes| sizes.with(Size::ExpertWidth, self.expert_width, target.expert_width))
            .and_then(|sizes| sizes.with(Size::SharedWidth, self.shared, target.shared));
        self.widths_of_shapes(target).with_sizes(sizes.unwrap())
    }

    fn plan(self, target: Self, rule: impl Into<Parametrization>) -> Plan {
        let widths = self.widths_to(target);
        Plan::new(&widths, &target.shapes(), rule, Optimizer::AdamW).unwrap()
    }
}

/// The companion of a width, the dense layer with H = d, in which all laws are stated.
const fn companion(width: usize) -> Model {
    Model::dense(width, width)
}

fn to(target: Model) -> Plan {
    companion(128).plan(target, Rule::CompleteMuE)
}

fn experts(plan: &Plan) -> mutransfer::Experts {
    plan.forward().experts.expect("experts are declared")
}

/// `128e8a1s` as a formula case, where the active width is nine times the width.
const NINE: Model = Model {
    width: 1024,
    experts: 128,
    active: 8,
    expert_width: 1024,
    shared: 1024,
};

/// From 25k steps to 100k at the same batch.
fn longer() -> Sizes {
    let sizes = Sizes::NONE.with(Size::Batch, 1, 1);
    sizes.unwrap().with(Size::Tokens, 25_000, 100_000).unwrap()
}

#[test]
fn mg1_scales() {
    let plan = to(NINE);
    let found = experts(&plan);
    assert_eq!(found.active_width, [128, 9 * 1024]);
    close(found.output, 1.0 / 9.0);
    close(found.route, 8.0);
    for name in [UP, ROUTER, QUERY] {
        let [multiplier, init, rate, _, eps] = scales(&plan, name);
        close(multiplier, 1.0);
        close(init, 8.0_f64.powf(-0.5));
        close(rate, 1.0 / 8.0);
        close(eps, 1.0 / 8.0);
    }
    let [multiplier, init, rate, _, eps] = scales(&plan, DOWN);
    close(multiplier, 1.0 / 9.0);
    digits(init, 1.060_660_2);
    close(rate, 1.0 / 8.0);
    close(eps, 1.0 / 8.0);
}

#[test]
fn mg1_absolute() {
    // Learning rate, decay and init of the base, and learning rate and decay of the target, then
    // the init of what writes an expert and of the other matrices.
    let cases = [
        (
            [1e-3, 0.1, 0.01],
            [5e-4, 0.05],
            [0.010_606_60, 0.003_535_534],
        ),
        (
            [4.52e-3, 0.02, 0.02],
            [2.26e-3, 0.01],
            [0.021_213_20, 0.007_071_068],
        ),
    ];
    for ([rate, decay, init], [grown_rate, grown_decay], [down, other]) in cases {
        let base = Hyper {
            learning_rate: rate,
            weight_decay: decay,
            init: Init::Constant(init),
            beta2: 0.95,
            ..Hyper::default()
        };
        let horizon = Horizon::default();
        let hyper = horizon.apply(longer(), &base, Decay::TimesLr).unwrap();
        close(hyper.learning_rate, grown_rate);
        close(hyper.weight_decay, grown_decay);
        close(hyper.eps, 2.0 * base.eps);
        close(hyper.beta1, 0.975);
        close(hyper.beta2, 0.9875);
        let plan = to(NINE);
        digits(plan.setting(DOWN, &hyper).unwrap().init_std.unwrap(), down);
        for name in [UP, ROUTER, QUERY] {
            let setting = plan.setting(name, &hyper).unwrap();
            digits(setting.init_std.unwrap(), other);
            close(setting.learning_rate, grown_rate / 8.0);
        }
        // Learning rate times decay stays; as printed, the decay does.
        close(
            plan.setting(UP, &hyper).unwrap().weight_decay,
            8.0 * grown_decay,
        );
        let printed = Parametrization::from(Rule::CompleteMuE)
            .with_options(options([("hidden-decay", "constant-lambda")]));
        let printed = companion(128).plan(NINE, printed);
        close(
            printed.setting(UP, &hyper).unwrap().weight_decay,
            grown_decay,
        );
    }
}

/// Learning rate, init and multiplier of the readout.
#[test]
fn mg1_head() {
    let hyper = Hyper {
        learning_rate: 5e-4,
        init: Init::Constant(0.01),
        ..Hyper::default()
    };
    for (head, expected) in [
        ("as-printed", [6.25e-5, 0.003_535_534, 1.0 / 8.0]),
        ("rule", [5e-4, 0.01, 1.0 / 8.0]),
        ("complete-dp", [6.25e-5, 0.001_25, 1.0]),
    ] {
        let rule = Parametrization::from(Rule::CompleteMuE).with_options(options([("head", head)]));
        let setting = companion(128)
            .plan(NINE, rule)
            .setting(HEAD, &hyper)
            .unwrap();
        let [rate, init, multiplier] = expected;
        close(setting.learning_rate, rate);
        digits(setting.init_std.unwrap(), init);
        close(setting.multiplier, multiplier);
    }
}

/// The same training without A.
#[test]
fn mg1_without_the_multiplier() {
    let rule = Parametrization::from(Rule::CompleteMuE).with_form(Form::Folded);
    let folded = companion(128).plan(NINE, rule);
    let own = to(NINE);
    let hyper = Hyper {
        learning_rate: 5e-4,
        init: Init::Constant(0.01),
        ..Hyper::default()
    };
    let setting = folded.setting(DOWN, &hyper).unwrap();
    close(setting.multiplier, 1.0);
    assert!((setting.learning_rate - 6.944_444e-6).abs() < 1e-12);
    assert!((setting.init_std.unwrap() - 0.001_178_511).abs() < 1e-9);
    let [_, _, _, decay, eps] = scales(&folded, DOWN);
    let [_, _, _, own_decay, own_eps] = scales(&own, DOWN);
    close(eps, 9.0 * own_eps);
    close(decay, 9.0 * own_decay);
    // R is still to be applied.
    close(experts(&folded).route, 8.0);
}

#[test]
fn mg2() {
    let plan = to(Model {
        expert_width: 512,
        shared: 512,
        ..NINE
    });
    let found = experts(&plan);
    assert_eq!(found.active_width, [128, 4608]);
    digits(found.output, 0.222_222_2);
    close(found.route, 8.0);
    let factor = |plan: &Plan| scales(plan, DOWN)[1] * 8.0_f64.sqrt();
    digits(factor(&plan), 2.121_320_3);
    let dense = to(Model::dense(1024, 4096));
    let found = experts(&dense);
    close(found.output, 0.25);
    close(found.route, 1.0);
    close(factor(&dense), 2.0);
    close(scales(&dense, DOWN)[2], 1.0 / 8.0);
}

/// What reaches the residual stream: at the start by the root of the sum, from an update by the
/// sum.
fn invariants(base: Model, target: Model, plan: &Plan) -> [f64; 2] {
    let active = |model: Model| (model.active * model.expert_width + model.shared) as f64;
    let [multiplier, init, rate, ..] = scales(plan, DOWN);
    let (own, grown) = (active(base), active(target));
    [
        multiplier * init * (grown / own).sqrt(),
        multiplier * rate * grown / own,
    ]
}

#[test]
fn mg3() {
    let base = companion(128);
    for target in [
        base,
        NINE,
        Model {
            expert_width: 512,
            shared: 512,
            ..NINE
        },
        Model::dense(512, 4096),
        Model {
            width: 256,
            experts: 16,
            active: 16,
            expert_width: 64,
            shared: 192,
        },
    ] {
        let plan = to(target);
        for invariant in invariants(base, target, &plan) {
            close(invariant, 1.0);
        }
        let hyper = Hyper {
            init: Init::Constant(0.01),
            ..Hyper::default()
        };
        let setting = plan.setting(DOWN, &hyper).unwrap();
        let active = experts(&plan).active_width[1] as f64;
        digits(
            setting.multiplier * setting.init_std.unwrap() * active.sqrt(),
            0.113_137_1,
        );
    }
}

#[test]
fn mg4_granularity_and_capacity() {
    let wide = Model { shared: 0, ..NINE };
    let fine = Model {
        active: 16,
        expert_width: 512,
        experts: 256,
        ..wide
    };
    let larger = Model {
        experts: 512,
        ..wide
    };
    let [of_wide, of_fine, of_larger] = [wide, fine, larger].map(to);
    close(experts(&of_wide).output, 0.125);
    digits(scales(&of_wide, DOWN)[1] * 8.0_f64.sqrt(), 2.828_427_1);
    assert_eq!(
        [experts(&of_wide).route, experts(&of_fine).route],
        [8.0, 16.0]
    );
    for name in [UP, DOWN, ROUTER, QUERY, HEAD] {
        assert_eq!(scales(&of_wide, name), scales(&of_fine, name), "{name}");
        assert_eq!(scales(&of_wide, name), scales(&of_larger, name), "{name}");
    }
    assert_eq!(experts(&of_larger).route, 8.0);
}

/// Bridge I, to a layer with all experts active, and Bridge II, to some of them, make the plan; on
/// the way more experts change nothing.
#[test]
fn bridges_compose() {
    let base = Model::dense(64, 256);
    let target = Model {
        width: 256,
        experts: 16,
        active: 4,
        expert_width: 256,
        shared: 0,
    };
    let all_active = Model {
        active: 16,
        ..target
    };
    let few = Model {
        experts: 4,
        ..target
    };
    let direct = base.plan(target, Rule::CompleteMuE);
    for between in [all_active, few, companion(256), companion(64)] {
        let first = base.plan(between, Rule::CompleteMuE);
        let second = between.plan(target, Rule::CompleteMuE);
        for name in [UP, DOWN, ROUTER, QUERY, HEAD] {
            let composed = scales(&first, name).into_iter().zip(scales(&second, name));
            for ((one, other), both) in composed.zip(scales(&direct, name)) {
                close(one * other, both);
            }
        }
        close(
            experts(&first).noise * experts(&second).noise,
            experts(&direct).noise,
        );
    }
    // The learning rate of every tensor, whatever is active.
    let second = all_active.plan(target, Rule::CompleteMuE);
    for name in [UP, DOWN, ROUTER, QUERY, HEAD] {
        close(scales(&second, name)[2], 1.0);
    }
}

/// Table 2 at k = 4: learning rate, epsilon, 1 - beta, and the noise that is left.
#[test]
fn mg5_table_2() {
    for (batch, tokens, expected) in [
        (4, 1, [2.0, 0.5, 4.0, 1.0]),
        (4, 4, [1.0, 1.0, 1.0, 0.5]),
        (1, 4, [0.5, 2.0, 0.25, 0.5]),
    ] {
        let sizes = Sizes::NONE.with(Size::Batch, 1, batch);
        let sizes = sizes.unwrap().with(Size::Tokens, 1, tokens).unwrap();
        let horizon = Parametrization::from(Rule::CompleteMuE).horizon();
        let growth = horizon.unwrap().growth(sizes, Decay::TimesLr);
        let [rate, eps, forgetting, noise] = expected;
        close(growth.learning_rate, rate);
        close(growth.weight_decay, rate);
        close(growth.eps, eps);
        close(growth.forgetting, forgetting);
        close(growth.noise, noise);
    }
}

#[test]
fn mg5_drift() {
    let one = Model {
        experts: 64,
        active: 1,
        ..NINE
    };
    let eight = Model { active: 8, ..one };
    let plan = one.plan(eight, Rule::CompleteMuE);
    digits(experts(&plan).noise, 0.353_553_4);
}

/// At the base everything is 1, but for R, which is what the base is trained with.
#[test]
fn the_base_is_itself() {
    let base = Model {
        width: 64,
        experts: 8,
        active: 2,
        expert_width: 32,
        shared: 32,
    };
    let plan = base.plan(base, Rule::CompleteMuE);
    for (_, param) in plan.params() {
        let one = mutransfer::Scales {
            multiplier: 1.0,
            init_std: 1.0,
            learning_rate: 1.0,
            weight_decay: 1.0,
            eps: 1.0,
        };
        assert_eq!(param.scales, one);
    }
    let found = experts(&plan);
    assert_eq!((found.output, found.route, found.noise), (1.0, 2.0, 1.0));
}

/// A rule that knows no experts copies what it is given, as frameworks do.
#[test]
fn the_naive_copy() {
    let plan = companion(128).plan(NINE, Rule::Mup);
    assert_eq!(experts(&plan).route, 1.0);
    assert_eq!(scales(&plan, DOWN), scales(&plan, QUERY));
}

#[test]
fn what_is_not_known_is_asked_for() {
    let base = companion(128);
    let widths = base.widths_of_shapes(NINE);
    let error = Plan::new(&widths, &NINE.shapes(), Rule::CompleteMuE, Optimizer::AdamW);
    assert_eq!(
        error.unwrap_err().to_string(),
        "complete-mue follows the active width of experts, and that of \
         `blocks.0.experts.down.weight` is unknown"
    );
    let many = Model {
        active: 200,
        ..NINE
    };
    let widths = base.widths_to(many);
    let error = Plan::new(&widths, &many.shapes(), Rule::CompleteMuE, Optimizer::AdamW);
    assert_eq!(
        error.unwrap_err().to_string(),
        "200 of 128 experts are active in the target model"
    );
}
