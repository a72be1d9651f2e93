//! Every error a user can reach, by its text.

use crate::common;

use std::collections::BTreeSet;

use common::{Layout, mlp, weight};
use mutransfer::theory::Theory;
use mutransfer::{
    Axes, Decay, Error, Form, Horizon, Hyper, Optimizer, Options, Parametrization, Plan, Power,
    Role, Rule, Settings, Shape, Shapes, Size, Sizes, Widths,
};

fn of_target(target: Shapes) -> Error {
    let widths = Widths::between(&mlp(64, Layout::InOut), &mlp(96, Layout::InOut)).unwrap();
    Plan::new(&widths, &target, Rule::Mup, Optimizer::AdamW).unwrap_err()
}

fn with(name: &str, shape: Shape) -> Shapes {
    let target = mlp(128, Layout::InOut);
    target
        .iter()
        .map(|(name, shape)| (name.clone(), shape.clone()))
        .chain([(name.into(), shape)])
        .collect()
}

/// One growing matrix of this shape at every width.
fn of_matrix(shape: impl Fn(usize) -> Shape) -> Error {
    let shapes = |width: usize| Shapes::from_iter([("w", shape(width))]);
    match Widths::between(&shapes(64), &shapes(128)) {
        Ok(widths) => Plan::new(&widths, &shapes(256), Rule::Mup, Optimizer::AdamW).unwrap_err(),
        Err(error) => error,
    }
}

fn contradiction() -> Error {
    let widths = Widths::between(&mlp(64, Layout::InOut), &mlp(96, Layout::InOut)).unwrap();
    let widths = widths.declare("hidden.bias", Role::Input).unwrap();
    Plan::new(
        &widths,
        &mlp(128, Layout::InOut),
        Rule::Mup,
        Optimizer::AdamW,
    )
    .unwrap_err()
}

/// A model that grows by a factor, with a matrix of these dimensions in base and target, and nothing
/// else to compare.
fn inferred(factor: usize, dims: [[usize; 2]; 2], name: &str) -> Error {
    let shapes = |width: usize, dims: [usize; 2]| {
        let names =
            ["first", "second", "third"].map(|name| (name, weight(width, width, Layout::OutIn)));
        Shapes::from_iter(names.into_iter().chain([(name, Shape::new(dims))]))
    };
    let [base, target] = [shapes(8, dims[0]), shapes(8 * factor, dims[1])];
    let widths = Widths::inferred(&base, &target).unwrap();
    let widths = widths.with_layout(Layout::OutIn);
    Plan::new(&widths, &target, Rule::Mup, Optimizer::AdamW).unwrap_err()
}

/// Blocks of these widths, with keys of a fixed size where one is given.
fn blocks(sizes: [usize; 2], times: usize, count: usize, keys: Option<usize>) -> Shapes {
    let size = |at: usize| sizes.get(at).copied().unwrap_or(sizes[1]) * times;
    let block = |at: usize| {
        let names = ["norm", "bias", "gain"].map(|part| format!("blocks.{at}.{part}"));
        let vectors = names.map(|name| (name, Shape::vector(size(at))));
        let key = |keys| {
            (
                format!("blocks.{at}.key"),
                weight(size(at), keys, Layout::InOut),
            )
        };
        vectors.into_iter().chain(keys.map(key))
    };
    Shapes::from_iter((0..count).flat_map(block))
}

/// A plan for four times the width and so many blocks, with keys of two sizes in base and target.
fn deeper(
    sizes: [usize; 2],
    base: usize,
    target: usize,
    keys: Option<[usize; 2]>,
) -> Result<Plan, Error> {
    let [own, grown] = [0, 1].map(|at| keys.map(|keys| keys[at]));
    let widths = Widths::between(&blocks(sizes, 1, base, own), &blocks(sizes, 2, base, own))?;
    let target = blocks(sizes, 4, target, grown);
    Plan::new(&widths, &target, Rule::Mup, Optimizer::AdamW)
}

/// The same of two and four blocks, which are declared to be so many.
fn of_depth(base: usize, target: usize) -> Result<Plan, Error> {
    let shapes = |times, count| blocks([8, 8], times, count, None);
    let widths = Widths::between(&shapes(1, 2), &shapes(2, 2))?;
    let widths = widths.with_sizes(Sizes::NONE.with(Size::Depth, base, target)?);
    Plan::new(&widths, &shapes(4, 4), Rule::Mup, Optimizer::AdamW)
}

fn expert_shapes(width: usize, experts: usize) -> Shapes {
    let expert = |at| {
        (
            format!("mlp.experts.{at}.up"),
            weight(width, width, Layout::InOut),
        )
    };
    Shapes::from_iter((0..experts).map(expert))
}

fn experts(count: usize) -> Widths {
    Widths::between(&expert_shapes(4, count), &expert_shapes(8, count)).unwrap()
}

/// An embedding, a readout, and a hidden matrix between them.
fn language_model(width: usize, words: usize) -> Shapes {
    Shapes::from_iter([
        ("embedding", Shape::new([50, width]).with_axes(Axes::LOOKUP)),
        ("hidden", weight(width, width, Layout::InOut)),
        (
            "readout",
            Shape::new([words, width]).with_axes(Axes::OUT_IN),
        ),
    ])
}

fn tied(rule: impl Into<Parametrization>) -> Error {
    let [base, delta, target] = [8, 9, 16].map(|width| language_model(width, 50));
    let widths = Widths::between(&base, &delta)
        .unwrap()
        .tie("readout", "embedding")
        .unwrap();
    Plan::new(&widths, &target, rule, Optimizer::AdamW).unwrap_err()
}

fn table(text: &str) -> Error {
    Parametrization::from_toml("mine", text).unwrap_err()
}

/// Errors with their text; `…` at the end stands for what another library says about a syntax.
fn cases() -> Vec<(Error, &'static str)> {
    let base = mlp(64, Layout::InOut);
    let widths = || Widths::between(&base, &mlp(96, Layout::InOut)).unwrap();
    let unequal = Widths::between(&language_model(8, 40), &language_model(9, 40)).unwrap();
    let muon = Parametrization::from(Rule::SpPerLayer)
        .table(Optimizer::Muon)
        .unwrap_err();
    let sgd_only = "family = 'raw-gradient'\ninput = {}\nhidden = {}\noutput = {}";
    let sgd_only = Parametrization::from_toml("mine", sgd_only)
        .unwrap()
        .table(Optimizer::AdamW)
        .unwrap_err();
    vec![
        (
            of_target(mlp(128, Layout::InOut).without("hidden.weight")),
            "parameter `hidden.weight` of the base model is missing in the target model",
        ),
        (
            of_target(with("extra", Shape::vector(1))),
            "parameter `extra` of the target model is missing in the base model",
        ),
        (
            Widths::between(&base, &base.clone().without("norm.gain")).unwrap_err(),
            "parameter `norm.gain` of the base model is missing in the delta model",
        ),
        (
            of_target(with("norm.gain", Shape::new([128, 1]))),
            "parameter `norm.gain` has dimensions [64] in the base model and [128, 1] in the target model",
        ),
        (
            deeper([8, 8], 2, 2, Some([3, 5])).unwrap_err(),
            "axis 1 of parameter `blocks.0.key` is 3 in the base and delta models but 5 in the target model, in a \
             block, where sizes are widths",
        ),
        (
            of_target(with("hidden.bias", Shape::vector(0))),
            "axis 0 of parameter `hidden.bias` has size zero in the target model",
        ),
        (
            of_matrix(|width| Shape::new([width, width, width])),
            "axes [0, 1, 2] of parameter `w` grow; at most a fan-in and a fan-out axis can",
        ),
        (
            of_matrix(|width| Shape::new([width, 10])),
            "parameter `w` of dimensions [256, 10] grows, but which axis is fan-in is unknown",
        ),
        (
            of_matrix(|width| {
                Shape::new([width, 10]).with_axes(Axes {
                    fan_in: Some(0),
                    fan_out: Some(2),
                })
            }),
            "parameter `w` has 2 dimensions, its axes name dimension 2",
        ),
        (
            of_matrix(|width| {
                Shape::new([width, 10]).with_axes(Axes {
                    fan_in: Some(0),
                    fan_out: Some(0),
                })
            }),
            "axis 0 of parameter `w` cannot be both fan-in and fan-out",
        ),
        (
            contradiction(),
            "parameter `hidden.bias` is declared input but its growing axes make it vector",
        ),
        (
            deeper([8, 8], 2, 4, Some([3, 3])).unwrap_err(),
            "parameter `blocks.0.key` of dimensions [32, 3] grows in its fan-in only, as a readout does, but is in a \
             block",
        ),
        (
            inferred(2, [[50, 8], [51, 16]], "up"),
            "axis 0 of parameter `up` grows from 50 to 51, and nothing shows that it is a width: widths grow by 2",
        ),
        (
            inferred(10, [[50, 8], [51, 80]], "up"),
            "axis 0 of parameter `up` grows from 50 to 51, and nothing shows that it is a width: widths grow by 10",
        ),
        (
            inferred(2, [[8, 8], [16, 16]], "head"),
            "parameter `head` of dimensions [8, 8] and [16, 16] grows in two axes as a hidden matrix does, but is \
             named as an embedding or a readout",
        ),
        (
            deeper([8, 9], 2, 4, None).unwrap_err(),
            "parameters `blocks.0.bias` and `blocks.1.bias` have the sizes [8] and [9] in the base model, so those of \
             more such blocks are unknown",
        ),
        (
            of_depth(2, 6).unwrap_err(),
            "a depth of 2 and 6 blocks is not what the parameters' names count: `blocks` 2 and 4",
        ),
        (
            Plan::new(
                &experts(2),
                &expert_shapes(16, 4),
                Rule::Mup,
                Optimizer::AdamW,
            )
            .unwrap_err(),
            "`mlp.experts` are 2 in the base model and 4 in the target, and are no blocks",
        ),
        (
            unequal.tie("readout", "embedding").unwrap_err(),
            "`readout` cannot be tied to `embedding`: dimensions [40, 8] and [50, 8]",
        ),
        (
            tied(Parametrization::from(Rule::Mup).with_form(Form::Table3)),
            "`readout` is tied to `embedding`, but mup in the form table3 has another learning rate for each",
        ),
        (
            Sizes::NONE.with(Size::Depth, 0, 4).unwrap_err(),
            "a depth of zero blocks",
        ),
        (
            widths().declare("head.*", Role::Output).unwrap_err(),
            "no parameter matches `head.*`",
        ),
        (
            widths().tie("head", "words").unwrap_err(),
            "no parameter matches `head`",
        ),
        (
            Widths::between(&base, &base).unwrap_err(),
            "no dimension grows between the base and the delta model",
        ),
        (
            "rmsprob".parse::<Optimizer>().unwrap_err().into(),
            "unknown optimizer `rmsprob`; known: sgd, momentum, nesterov, adam, adamw, nadam, radam, adamax, rmsprop, \
             adagrad, signsgd, lion, sophia, adafactor, adafactor-unscaled, lars, lamb, layca, fromage, \
             muon, muon-plain, muon-keller-jordan, muon-moonlight",
        ),
        (
            "adadelta".parse::<Optimizer>().unwrap_err().into(),
            "no rule holds for optimizer `adadelta`: one epsilon is below both of its roots, and the two would have \
             to scale apart; take rmsprop or adam",
        ),
        (
            "nero".parse::<Optimizer>().unwrap_err().into(),
            "no rule holds for optimizer `nero`: it keeps the norm of every neuron's weights, which init and \
             multipliers of a rule would change; take lamb or adam",
        ),
        (
            "mu-p".parse::<Rule>().unwrap_err(),
            "unknown rule `mu-p`; known: sp, sp-constant-std, sp-inverse-width, sp-per-layer, \
             sp-depth-init, ntk, mean-field, mup, depth-mup, complete-p, complete-d-p, complete-mue, jiang-moe, mssp-fixed-experts, mssp, mssp-bottleneck, u-mup, \
             spectral, uniform:S, sp+SWITCH, mup-SWITCH",
        ),
        (
            "sp+head".parse::<Rule>().unwrap_err(),
            "unknown switch `head`; known: embedding, norm, attention, last",
        ),
        (
            "table7".parse::<Form>().unwrap_err().into(),
            "unknown form `table7`; known: table3, table8, table9, folded",
        ),
        (
            "bias".parse::<Role>().unwrap_err().into(),
            "unknown role `bias`; known: fixed, vector, input, hidden, output, router, expert-in, expert-out",
        ),
        (
            "none".parse::<Decay>().unwrap_err().into(),
            "unknown weight decay `none`; known: l2, times-lr, independent",
        ),
        (
            "nchw".parse::<Layout>().unwrap_err().into(),
            "unknown layout `nchw`; known: out-in, in-out",
        ),
        (
            muon,
            "rule `sp-per-layer` has no table for muon, whose updates are spectral",
        ),
        (
            sgd_only,
            "rule `mine` has no table for adamw, whose updates are entrywise",
        ),
        (
            Theory::of_rule(&Rule::UnitMup.into(), Optimizer::Sgd).unwrap_err(),
            "`u-mup` under sgd is not classified: it scales its backward pass apart from the forward pass",
        ),
        (
            "uniform:3/4".parse::<Rule>().unwrap_err(),
            "`uniform:3/4` is no uniform parametrization: S goes from 0 to 1/2, as in uniform:1/4",
        ),
        (
            "m_width".parse::<Power>().unwrap_err().into(),
            "`m_width` is no power of the ratios m_in, m_out, m_L, m_aspect, m_own, m_H, m_a, m_E, such as `m_in^-1/2 m_out`",
        ),
        (
            table("input = { lr = 'm_out', c = '-1' }\nhidden = {}\noutput = {}"),
            "table `mine`: [input] `lr` and `c` say the same thing; give one of them",
        ),
        (
            table("input = {}\nhidden = { b = 'half' }\noutput = {}"),
            "table `mine`: [hidden] `half` is no exponent: give a number from -10 to 10, such as \"-1/2\" or 0.5",
        ),
        (
            table("input = {}\nhidden = {}\noutput = { rate = '1' }"),
            "table `mine`: TOML parse error at line 3, column…",
        ),
        (
            table("input = {}\nhidden = {}"),
            "table `mine`: TOML parse error…",
        ),
        (
            Options::from_pairs([("hidden-decays", "sqrt")]).unwrap_err(),
            "options: unknown field `hidden-decays`, expected…",
        ),
        (
            Options::from_pairs([("depth", "2")]).unwrap_err(),
            "options: `2` is no depth exponent; give 1/2 to 1, which papers have tested, none, or \
             untested:2",
        ),
        (
            Shapes::from_json("{\"w\": 3}").unwrap_err(),
            "shapes in JSON: parameter `w`: expected a list of sizes, or…",
        ),
        (
            Shapes::from_json("{\"w\": [3], \"w\": [3]}").unwrap_err(),
            "shapes in JSON: parameter `w` is given twice…",
        ),
        (
            Shapes::from_safetensors(&[1, 2, 3]).unwrap_err(),
            "shapes in safetensors: …",
        ),
        (
            Widths::from_bsh("- 3").unwrap_err(),
            "shapes in .bsh: expected a list of sizes for each parameter name",
        ),
        (
            Widths::from_bsh("w: [3]\nw: [3]").unwrap_err(),
            "shapes in .bsh: parameter `w` is given twice",
        ),
        (
            Settings::from_json("{}").unwrap_err(),
            "shapes in JSON (settings): nothing to compare: no `params`, `param_groups` or `forward`",
        ),
        (
            widths().tie("norm.gain", "norm.gain").unwrap_err(),
            "`norm.gain` cannot be tied to itself",
        ),
        (
            Hyper {
                beta1: 1.5,
                ..Hyper::default()
            }
            .check()
            .unwrap_err(),
            "`beta1` is 1.5; it must be at least 0 and less than 1",
        ),
        (
            Settings::from_json("{").unwrap_err(),
            "shapes in JSON (settings): EOF while parsing an object at line 1 column 1",
        ),
        (
            Horizon::default()
                .apply(
                    Sizes::NONE.with(Size::Batch, 1, 16).unwrap(),
                    &Hyper::default(),
                    Decay::TimesLr,
                )
                .unwrap_err(),
            "(1 - beta1) m_B/m_D is 1.600, not between 0 and 1; lower the batch or raise beta1",
        ),
    ]
}

#[test]
fn texts() {
    for (error, expected) in cases() {
        let text = error.to_string();
        match expected.strip_suffix('…') {
            Some(start) => assert!(text.starts_with(start), "{text}"),
            None => assert_eq!(text, expected),
        }
        assert!(!text.ends_with('.'), "{text}");
    }
}

/// The stage and the variant of an error.
fn kind(error: &Error) -> String {
    let shown = format!("{error:?}");
    let end = shown.find(" {").unwrap_or(shown.len());
    shown[..end].to_owned()
}

/// All but `Twice`, which is shown inside a table's flaw, and the early end of a `.bsh` file, which
/// its parser reports first.
#[test]
fn every_kind_is_in_the_table() {
    let kinds: BTreeSet<String> = cases().iter().map(|(error, _)| kind(error)).collect();
    assert_eq!(kinds.len(), 35, "{kinds:#?}");
}

/// An error about sizes or ties comes with the next step.
#[test]
fn hints() {
    let hinted = [
        of_target(mlp(128, Layout::InOut).without("hidden.weight")),
        deeper([8, 8], 2, 2, Some([3, 5])).unwrap_err(),
        of_matrix(|width| Shape::new([width, 10])),
        of_matrix(|width| Shape::new([width, width, width])),
        of_matrix(|_| Shape::new([3, 3])),
        tied(Parametrization::from(Rule::Mup).with_form(Form::Table3)),
        Parametrization::from(Rule::SpPerLayer)
            .table(Optimizer::Muon)
            .unwrap_err(),
    ];
    for error in hinted {
        assert!(error.fix().is_some(), "{error}");
    }
}

/// Ties in the forms that allow them: one tensor, its multiplier where it is a readout (TP5 at
/// Table 8).
#[test]
fn ties_that_are_no_error() {
    let [base, delta, target] = [8, 9, 32].map(|width| language_model(width, 50));
    let widths = || {
        Widths::between(&base, &delta)
            .unwrap()
            .tie("readout", "embedding")
            .unwrap()
    };
    for (form, readout) in [(Form::Table8, 0.25), (Form::Table9, 0.5)] {
        let rule = Parametrization::from(Rule::Mup).with_form(form);
        for optimizer in [Optimizer::AdamW, Optimizer::Sgd] {
            let plan = Plan::new(&widths(), &target, rule.clone(), optimizer).unwrap();
            assert_eq!(
                plan.forward().readout.values().copied().collect::<Vec<_>>(),
                [readout],
                "{form} {optimizer}"
            );
            assert!(plan.param("readout").is_none());
        }
    }
}
