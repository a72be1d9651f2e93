//! The numbers of the Python package `mup` 1.0.0, parameter by parameter, and where ours differ
//! from them on purpose.

use crate::reference;

use mutransfer::error::WidthsError;
use mutransfer::{
    Axes, Dim, Error, Hyper, Init, Layout, Optimizer, ParamName, ParamPlan, Plan, Role, Rule,
    Shape, Shapes, Widths,
};
use reference::{Fixture, Target, fixture, fixtures};

/// For numbers that `mup` computes in double precision.
const EXACT: f64 = 1e-12;
/// For numbers measured on tensors in single precision.
const MEASURED: f64 = 2e-6;

#[track_caller]
fn close(actual: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (actual - expected).abs() <= tolerance * expected.abs(),
        "{what}: {actual} is not {expected}"
    );
}

fn drawn(init: Init) -> Hyper {
    Hyper {
        init,
        ..Hyper::default()
    }
}

/// A model at one width, with its plan for AdamW.
struct Case<'a> {
    fixture: &'a Fixture,
    target: &'a Target,
    plan: Plan,
}

impl Case<'_> {
    fn at(&self, name: impl std::fmt::Display) -> String {
        format!(
            "{} of width {}, {name}",
            self.fixture.model, self.target.width
        )
    }

    fn param(&self, name: &str) -> &ParamPlan {
        self.plan.param(name).unwrap()
    }

    /// The matrix or convolution whose bias this is.
    fn weight_of(&self, bias: &str) -> Option<&ParamPlan> {
        let weight = self
            .plan
            .param(&format!("{}.weight", bias.strip_suffix(".bias")?));
        weight.filter(|weight| weight.dims.len() > 1)
    }
}

fn each_case(mut check: impl FnMut(Case<'_>)) {
    for fixture in &fixtures().collect::<Vec<_>>() {
        for target in &fixture.targets {
            check(Case {
                fixture,
                target,
                plan: fixture.plan(target, Optimizer::AdamW),
            });
        }
    }
}

/// The fan-in and fan-out ratios, from axes and sizes.
fn ratios(param: &ParamPlan) -> (f64, f64) {
    let ratio = |axis: Option<usize>| axis.map_or(1.0, |axis| param.dims[axis].ratio());
    param
        .axes
        .map_or((1.0, 1.0), |axes| (ratio(axes.fan_in), ratio(axes.fan_out)))
}

#[test]
fn learning_rates_and_weight_decays() {
    each_case(|case| {
        assert!(
            case.target.optimizers.keys().eq(["adam", "adamw", "sgd"]),
            "{}",
            case.at("optimizers")
        );
        for (optimizer, settings) in &case.target.optimizers {
            let plan = case.fixture.plan(case.target, optimizer.parse().unwrap());
            assert!(
                plan.params()
                    .map(|(name, _)| name.as_str())
                    .eq(settings.keys()),
                "{}",
                case.at("names")
            );
            for (name, expected) in settings {
                let setting = plan.setting(name, &case.fixture.hyper()).unwrap();
                let what = case.at(name) + ", " + optimizer;
                close(setting.learning_rate, expected.lr, EXACT, &what);
                close(setting.weight_decay, expected.weight_decay, EXACT, &what);
            }
        }
    });
}

#[test]
fn what_grows_and_by_how_much() {
    each_case(|case| {
        for (name, param) in case.plan.params() {
            let growing = || {
                param
                    .dims
                    .iter()
                    .filter(|dim| matches!(dim, Dim::Width { .. }))
            };
            assert_eq!(
                growing().count(),
                case.target.infinite_dims[name.as_str()],
                "{}",
                case.at(name)
            );
            let last = growing().next_back().map_or(1.0, |dim| dim.ratio());
            close(
                last,
                case.target.width_mult[name.as_str()],
                EXACT,
                &case.at(name),
            );
        }
    });
}

#[test]
fn roles_follow_from_what_grows_and_what_was_declared() {
    each_case(|case| {
        for (name, param) in case.plan.params() {
            let expected = match (case.target.infinite_dims[name.as_str()], param.dims.len()) {
                (0, _) => Role::Fixed,
                (2, _) => Role::Hidden,
                (_, 1) => Role::Vector,
                _ if name.as_str() == case.fixture.readout() => Role::Output,
                _ => Role::Input,
            };
            assert_eq!(param.role, expected, "{}", case.at(name));
        }
    });
}

#[test]
fn readouts_alone_have_multipliers() {
    each_case(|case| {
        let readout = case.fixture.readout();
        let module = readout.strip_suffix(".weight").unwrap();
        assert!(
            case.target.readout_forward_multiplier.keys().eq([module]),
            "{}",
            case.at(readout)
        );
        let actual = if case.fixture.is_tied() {
            case.plan.forward().readout[readout]
        } else {
            case.param(readout).scales.multiplier
        };
        close(
            actual,
            case.target.readout_forward_multiplier[module],
            EXACT,
            &case.at(readout),
        );
        for (name, param) in case
            .plan
            .params()
            .filter(|(name, _)| name.as_str() != readout)
        {
            assert_eq!(param.scales.multiplier, 1.0, "{}", case.at(name));
        }
    });
}

/// Whether the factor of an initialiser differs; a test below states by how much.
fn differs(fixture: &Fixture, name: &str, init: Init) -> bool {
    fixture.is_table(name) && !matches!(init, Init::Constant(_))
}

fn init_named(initializer: &str) -> Init {
    match initializer {
        "normal" | "uniform" | "trunc_normal" => Init::Constant(0.02),
        "kaiming_normal/fan_in" | "kaiming_uniform/fan_in" => Init::FanIn(1.0),
        "kaiming_normal/fan_out" | "kaiming_uniform/fan_out" => Init::FanOut(1.0),
        "xavier_normal" | "xavier_uniform" => Init::Xavier(1.0),
        _ => panic!("unknown initialiser {initializer}"),
    }
}

/// Calls `check` with every parameter of two axes or more that differs or not, and with `mup`'s
/// factor for it.
fn each_factor(different: bool, check: impl Fn(&ParamPlan, Init, f64, &str)) {
    let mut checked = 0;
    each_case(|case| {
        for (initializer, factors) in &case.target.initializers {
            let init = init_named(initializer);
            let drawn: Vec<_> = case
                .plan
                .params()
                .filter(|(_, param)| param.dims.len() > 1)
                .collect();
            assert!(
                drawn
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .eq(factors.keys()),
                "{}",
                case.at(initializer)
            );
            for (name, param) in drawn {
                if differs(case.fixture, name.as_str(), init) == different {
                    check(
                        param,
                        init,
                        factors[name.as_str()],
                        &(case.at(name) + ", " + initializer),
                    );
                    checked += 1;
                }
            }
        }
    });
    assert!(checked > 50, "only {checked} factors are of this kind");
}

#[test]
fn initializer_factors() {
    each_factor(false, |param, init, expected, what| {
        close(
            param.init_factor(&drawn(init)).unwrap(),
            expected,
            MEASURED,
            what,
        );
    });
}

/// `mup` takes the width of a table `[entries, width]` for its fan-in, as torch does, and corrects
/// what torch then draws. Ours sums over nothing and writes to the width.
#[test]
fn difference_look_up_tables_have_no_fan_in() {
    each_factor(true, |param, init, theirs, what| {
        let [entries, size, base] = [
            param.dims[0].size(),
            param.dims[1].size(),
            param.dims[1].base(),
        ];
        let ratio = |target: usize, base: usize| (target as f64 / base as f64).sqrt();
        let (ours, expected) = match init {
            Init::FanIn(_) => (1.0, ratio(size, base)),
            Init::FanOut(_) => (ratio(size, base), 1.0),
            _ => (
                ratio(1 + size, 1 + base),
                ratio(entries + size, entries + base),
            ),
        };
        close(param.init_factor(&drawn(init)).unwrap(), ours, EXACT, what);
        close(theirs, expected, MEASURED, what);
        assert_eq!(param.scales.init_std, 1.0, "{what}");
    });
}

/// The hidden variance is 1/fan-in (TP5 Table 8), also where an initialiser follows the fan-out and
/// that grows by another ratio; `mup` agrees.
#[test]
fn hidden_init_follows_the_fan_in_whatever_the_initializer() {
    let fixture = fixture("grouped-kv");
    let plan = fixture.plan(&fixture.targets[2], Optimizer::AdamW);
    let key = plan.param("block.key.weight").unwrap();
    assert_eq!(ratios(key), (9.0, 3.0));
    close(
        key.init_factor(&drawn(Init::FanOut(1.0))).unwrap(),
        (3.0f64 / 9.0).sqrt(),
        EXACT,
        "kaiming fan_out",
    );
    close(
        key.init_factor(&drawn(Init::Xavier(1.0))).unwrap(),
        ((48.0 + 288.0) / (16.0 + 32.0) / 9f64).sqrt(),
        EXACT,
        "xavier",
    );
}

#[test]
fn readout_weights_are_rescaled_by_their_init_factor() {
    each_case(|case| {
        let readout = case.fixture.readout();
        if !case.fixture.is_tied() {
            let factor = case
                .param(readout)
                .init_factor(&drawn(Init::FanIn(1.0)))
                .unwrap();
            close(
                factor,
                case.target.rescale_at_set_base_shapes[readout].unwrap(),
                MEASURED,
                &case.at(readout),
            );
        }
    });
}

/// torch draws biases with a standard deviation of 1/√fan-in; `mup` multiplies them so that it
/// stays that of the base, which is what our scale of 1 says.
#[test]
fn biases_of_layers_keep_the_standard_deviation_of_the_base() {
    each_case(|case| {
        for (name, bias) in case.plan.params() {
            let Some(weight) = case.weight_of(name.as_str()) else {
                continue;
            };
            let std = |size: fn(Dim) -> usize| {
                let fan_in: usize = weight.dims[1..].iter().map(|dim| size(*dim)).product();
                1.0 / (fan_in as f64).sqrt()
            };
            let factor = case.target.rescale_at_set_base_shapes[name.as_str()].unwrap();
            close(
                factor * std(Dim::size),
                std(Dim::base) * bias.scales.init_std,
                MEASURED,
                &case.at(name),
            );
        }
    });
}

#[test]
fn mup_rescales_nothing_but_readouts_and_biases_of_layers() {
    each_case(|case| {
        for (name, factor) in &case.target.rescale_at_set_base_shapes {
            let tied = case.fixture.is_tied() && name == "token.weight";
            let rescaled = name == case.fixture.readout() || tied || case.weight_of(name).is_some();
            assert!(
                rescaled || factor.is_none_or(|factor| factor == 1.0),
                "{}: {factor:?}",
                case.at(name)
            );
        }
    });
}

/// microsoft/mup issue 55: `MuSharedReadout` multiplies the embedding by √m as it would a readout
/// of its own, so that what the first block gets grows with width.
#[test]
fn difference_a_tied_embedding_keeps_its_init() {
    let fixture = fixture("gpt-tied");
    let target = &fixture.targets[1];
    let plan = fixture.plan(target, Optimizer::AdamW);
    close(
        target.rescale_at_set_base_shapes["token.weight"].unwrap(),
        8f64.sqrt(),
        MEASURED,
        "token.weight",
    );
    // torch draws embeddings from N(0, 1).
    assert_eq!(
        plan.param("token.weight")
            .unwrap()
            .init_factor(&drawn(Init::Constant(1.0))),
        Some(1.0)
    );
    assert_eq!(plan.forward().readout["readout.weight"], 1.0 / 8.0);
}

/// torch draws all of a GRU with 1/√width. `mup` corrects neither input weights nor biases, which
/// therefore shrink.
#[test]
fn difference_recurrent_input_weights_and_biases_do_not_shrink() {
    let fixture = fixture("gru");
    for target in &fixture.targets {
        let plan = fixture.plan(target, Optimizer::AdamW);
        let ratio = target.width as f64 / 16.0;
        let input = plan.param("gru.weight_ih_l0").unwrap();
        // The fan-out is three times the width, so 1/√fan-out shrinks as torch's initialiser does.
        close(
            input.init_factor(&drawn(Init::FanOut(1.0))).unwrap(),
            ratio.sqrt(),
            EXACT,
            "gru.weight_ih_l0",
        );
        for name in [
            "gru.weight_ih_l0",
            "gru.bias_ih_l0",
            "gru.bias_hh_l0",
            "gru.bias_ih_l1",
            "gru.bias_hh_l1",
        ] {
            assert_eq!(plan.param(name).unwrap().scales.init_std, 1.0, "{name}");
            assert_eq!(target.rescale_at_set_base_shapes[name], Some(1.0), "{name}");
        }
    }
}

/// `mup` plans the standard parametrization when it has no base, or one in which nothing grows,
/// without a word.
#[test]
fn difference_a_base_without_widths_is_refused() {
    let shapes = fixture("mlp").targets[0].shapes();
    assert_eq!(
        Widths::between(&shapes, &shapes).unwrap_err(),
        Error::Widths(WidthsError::NothingGrows)
    );
}

fn transposed(shapes: &Shapes) -> Shapes {
    let turned = |shape: &Shape| Shape::new(shape.dims.iter().rev().copied().collect::<Vec<_>>());
    shapes
        .iter()
        .map(|(name, shape)| (name.clone(), turned(shape)))
        .collect()
}

/// `mup` reads `[out, in]` only. Stored the other way round, the same layers get the same numbers.
#[test]
fn difference_both_layouts_are_read() {
    let fixture = fixture("rounded-ffn");
    let [base, delta, target] = [32, 128, 192].map(|width| {
        let target = fixture
            .targets
            .iter()
            .find(|target| target.width == width)
            .unwrap();
        transposed(&target.shapes()).without("token.weight")
    });
    let widths = Widths::between(&base, &delta)
        .unwrap()
        .with_layout(Layout::InOut);
    let turned = Plan::new(&widths, &target, Rule::Mup, Optimizer::Sgd).unwrap();
    let [base, delta, target] = [base, delta, target].map(|shapes| transposed(&shapes));
    let widths = Widths::between(&base, &delta)
        .unwrap()
        .with_layout(Layout::OutIn);
    let widths = widths.declare("readout.weight", Role::Output).unwrap();
    let straight = Plan::new(&widths, &target, Rule::Mup, Optimizer::Sgd).unwrap();
    let rows = |plan: &Plan| -> Vec<_> {
        plan.params()
            .map(|(name, param)| (ParamName::clone(name), param.role, param.scales))
            .collect()
    };
    assert_eq!(rows(&turned), rows(&straight));
}

/// `mup` asserts that a layer with a growing fan-in and a fixed fan-out is a `MuReadout`, which a
/// projection to a fixed number of key heads is not. Here its role can be declared, and with it the
/// multiplier that such a layer needs.
#[test]
fn difference_fixed_key_heads_can_be_declared() {
    let shapes = |width: usize| Shapes::from_iter([("key.weight", Shape::new([16, width]))]);
    let widths = Widths::between(&shapes(32), &shapes(64))
        .unwrap()
        .with_layout(Layout::OutIn);
    let plan = |widths: &Widths| Plan::new(widths, &shapes(128), Rule::Mup, Optimizer::AdamW);
    assert!(matches!(
        plan(&widths),
        Err(Error::Widths(WidthsError::UnknownAxes { .. }))
    ));
    let declared = plan(&widths.declare("key.weight", Role::Output).unwrap()).unwrap();
    let key = declared.param("key.weight").unwrap();
    assert_eq!(
        (key.axes, key.scales.multiplier),
        (Some(Axes::OUT_IN), 0.25)
    );
}
