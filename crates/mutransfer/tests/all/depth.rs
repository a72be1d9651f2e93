//! G7, G8: depth (CompleteP 2505.01618 Table 1), and depth with batch and duration (Complete(d)P
//! 2512.22382 Table 1).
#![allow(clippy::approx_constant, reason = "numbers as printed")]

use crate::common;

use common::{close, digits, options, scales};
use mutransfer::{
    Axes, Decay, Eps, Form, Horizon, Hyper, Init, Optimizer, Options, Parametrization, Place, Plan,
    Power, Role, Rule, Shape, Shapes, Size, Sizes, Widths,
};

const HEAD: usize = 8;

/// A transformer without its details; the gain of queries and keys is shared by the heads.
fn model(width: usize, blocks: usize) -> Shapes {
    let weight = |dims: [usize; 2]| Shape::new(dims).with_axes(Axes::IN_OUT);
    let block = |at: usize| {
        let name = |part: &str| format!("blocks.{at}.{part}");
        [
            (name("norm.gain"), Shape::vector(width)),
            (name("attention.gain"), Shape::vector(HEAD)),
            (name("hidden.weight"), weight([width, width])),
            (name("hidden.bias"), Shape::vector(width)),
        ]
    };
    let ends = [
        (
            "embedding".to_owned(),
            Shape::new([50, width]).with_axes(Axes::LOOKUP),
        ),
        ("norm.gain".to_owned(), Shape::vector(width)),
        ("readout".to_owned(), weight([width, 50])),
    ];
    ends.into_iter()
        .chain((0..blocks).flat_map(block))
        .collect()
}

/// A plan for a model that is `wider` and `deeper` than its base.
fn grown(
    rule: impl Into<Parametrization>,
    optimizer: Optimizer,
    wider: usize,
    deeper: usize,
) -> Plan {
    let widths = Widths::between(&model(4, 2), &model(5, 2))
        .unwrap()
        .with_sizes(Sizes::NONE.with(Size::Depth, 2, 2 * deeper).unwrap());
    Plan::new(&widths, &model(4 * wider, 2 * deeper), rule, optimizer).unwrap()
}

fn with_alpha(alpha: &str) -> Parametrization {
    over_depth(Rule::Mup, alpha)
}

fn over_depth(rule: Rule, alpha: &str) -> Parametrization {
    Parametrization::from(rule).with_options(options([("depth", alpha)]))
}

/// A, B, C, W, E in the last block, which the base does not have.
fn in_block(plan: &Plan, part: &str) -> [f64; 5] {
    let blocks = plan
        .params()
        .filter_map(|(name, _)| name.as_str().strip_prefix("blocks.")?.split('.').next());
    let last: usize = blocks.map(|number| number.parse().unwrap()).max().unwrap();
    scales(plan, &format!("blocks.{last}.{part}"))
}

/// G7, m_N = 1, m_L = 32: (alpha, residual, learning rate, epsilon).
#[test]
fn complete_p_at_one_width() {
    for (rule, alpha, residual, rate, eps) in [
        (Rule::CompleteP, "rule", 0.03125, 1.0, 0.03125),
        (Rule::CompleteP, "1/2", 0.1767767, 0.1767767, 0.1767767),
        (Rule::DepthMup, "rule", 0.1767767, 0.1767767, 0.1767767),
        (Rule::Mup, "rule", 0.03125, 1.0, 0.03125),
    ] {
        let plan = grown(over_depth(rule, alpha), Optimizer::AdamW, 1, 32);
        digits(plan.forward().residual.unwrap(), residual);
        for part in ["hidden.weight", "hidden.bias", "norm.gain"] {
            let [_, _, learning_rate, weight_decay, epsilon] = in_block(&plan, part);
            digits(learning_rate, rate);
            digits(epsilon, eps);
            assert_eq!(
                weight_decay, 1.0,
                "{part}: the published tables have no depth factor in the decay"
            );
        }
        for outside in ["embedding", "norm.gain", "readout"] {
            assert_eq!(scales(&plan, outside), [1.0; 5], "{outside}");
        }
    }
}

/// G7, m_N = 4, m_L = 4, alpha = 1/2.
#[test]
fn complete_p_wider_and_deeper() {
    let plan = grown(over_depth(Rule::CompleteP, "1/2"), Optimizer::AdamW, 4, 4);
    assert_eq!(
        in_block(&plan, "hidden.weight"),
        [1.0, 0.5, 0.125, 4.0, 0.125]
    );
    assert_eq!(in_block(&plan, "hidden.bias"), [1.0, 1.0, 0.5, 1.0, 0.125]);
    assert_eq!(scales(&plan, "readout")[0], 0.25);
    assert_eq!(plan.forward().residual, Some(0.5));
}

/// CompleteP Table 1, column alpha, as printed: rows embedding, norm in a block, hidden, bias in a
/// block, final norm, unembedding, each with multiplier, init std, learning rate, decay, epsilon.
/// Its variance m_N^-1 is a standard deviation m_N^-1/2.
#[test]
fn complete_p_table() {
    let rows = [
        (Role::Input, Place::Outside, ["1", "1", "1", "1", "1"]),
        (
            Role::Vector,
            Place::Block,
            ["1", "1", "m_L^-1/2", "1", "m_out^-1 m_L^-1/2"],
        ),
        (
            Role::Hidden,
            Place::Block,
            [
                "1",
                "m_in^-1/2",
                "m_in^-1 m_L^-1/2",
                "m_in",
                "m_out^-1 m_L^-1/2",
            ],
        ),
        (Role::Vector, Place::Outside, ["1", "1", "1", "1", "1"]),
        (
            Role::Output,
            Place::Outside,
            ["m_in^-1", "1", "1", "1", "1"],
        ),
    ];
    let table = over_depth(Rule::CompleteP, "1/2").table(Optimizer::AdamW);
    let table = table.unwrap();
    for (role, place, expected) in rows {
        let printed = common::printed(table.law_at(role, place));
        assert_eq!(printed, expected, "{role} {place:?}");
    }
    assert_eq!(table.residual.to_string(), "m_L^-1/2");
    let complete = Parametrization::from(Rule::CompleteP);
    let table = complete.table(Optimizer::AdamW).unwrap();
    for role in Role::ALL {
        let [block, outside] =
            [Place::Block, Place::Outside].map(|place| table.law_at(role, place).learning_rate);
        assert_eq!(block, outside, "{role}: m_L^(alpha - 1) is 1 at alpha = 1");
    }
}

/// One column of G8: ratios, then the numbers of the printed table from top to bottom.
struct Column {
    ratios: [usize; 4],
    alpha: &'static str,
    residual: f64,
    /// Embedding, hidden, bias and norm, unembedding.
    learning_rate: [f64; 4],
    /// Hidden, unembedding.
    variance: [f64; 2],
    /// Hidden, QK norm, embedding, output.
    eps: [f64; 4],
    /// Hidden and unembedding, rest.
    weight_decay: [f64; 2],
    forgets: f64,
    iterations: f64,
}

const COLUMNS: [Column; 3] = [
    Column {
        ratios: [2, 2, 2, 4],
        alpha: "1",
        residual: 0.5,
        learning_rate: [0.7071068, 0.3535534, 0.7071068, 0.3535534],
        variance: [0.5, 0.25],
        eps: [0.3535534, 0.7071068, 0.7071068, 1.4142136],
        weight_decay: [1.4142136, 0.7071068],
        forgets: 0.5,
        iterations: 2.0,
    },
    Column {
        ratios: [4, 4, 2, 8],
        alpha: "1/2",
        residual: 0.5,
        learning_rate: [0.5, 0.0625, 0.25, 0.125],
        variance: [0.25, 0.0625],
        eps: [0.25, 1.0, 0.5, 2.0],
        weight_decay: [2.0, 0.5],
        forgets: 0.25,
        iterations: 4.0,
    },
    Column {
        ratios: [8, 1, 4, 16],
        alpha: "1",
        residual: 1.0,
        learning_rate: [0.5, 0.0625, 0.5, 0.0625],
        variance: [0.125, 0.015625],
        eps: [0.25, 2.0, 0.25, 2.0],
        weight_decay: [4.0, 0.5],
        forgets: 0.25,
        iterations: 4.0,
    },
];

/// As in the published table: readout without multiplier, epsilon of the final norm constant.
fn complete_dp(column: &Column) -> (Plan, Hyper, Sizes) {
    let [wider, deeper, batch, tokens] = column.ratios;
    let rule = over_depth(Rule::CompleteDP, column.alpha);
    let sizes = Sizes::NONE
        .with(Size::Batch, 1, batch)
        .and_then(|sizes| sizes.with(Size::Tokens, 1, tokens))
        .unwrap();
    let unit = Hyper {
        learning_rate: 1.0,
        weight_decay: 1.0,
        eps: 1.0,
        init: Init::Constant(1.0),
        ..Hyper::default()
    };
    (
        grown(rule, Optimizer::AdamW, wider, deeper),
        Horizon::default()
            .apply(sizes, &unit, Decay::TimesLr)
            .unwrap(),
        sizes,
    )
}

#[test]
fn complete_dp_table() {
    for column in &COLUMNS {
        let (plan, hyper, sizes) = complete_dp(column);
        let setting = |name: &str| plan.setting(name, &hyper).unwrap();
        let [embedding, hidden, bias, norm, shared, last_norm, readout] = [
            "embedding",
            "blocks.0.hidden.weight",
            "blocks.0.hidden.bias",
            "blocks.0.norm.gain",
            "blocks.0.attention.gain",
            "norm.gain",
            "readout",
        ]
        .map(setting);
        close(plan.forward().residual.unwrap_or(1.0), column.residual);
        let rates = [embedding, hidden, bias, readout].map(|setting| setting.learning_rate);
        rates
            .into_iter()
            .zip(column.learning_rate)
            .for_each(|(rate, expected)| digits(rate, expected));
        assert_eq!(bias.learning_rate, norm.learning_rate);
        assert_eq!(last_norm.learning_rate, embedding.learning_rate);
        let variance = [hidden, readout].map(|setting| setting.init_std.unwrap().powi(2));
        variance
            .into_iter()
            .zip(column.variance)
            .for_each(|(variance, expected)| close(variance, expected));
        let eps = [hidden, shared, embedding, readout].map(|setting| setting.eps);
        eps.into_iter()
            .zip(column.eps)
            .for_each(|(eps, expected)| digits(eps, expected));
        assert_eq!(
            last_norm.eps, readout.eps,
            "output norms are as output weights"
        );
        let decays = [hidden, embedding].map(|setting| setting.weight_decay);
        decays
            .into_iter()
            .zip(column.weight_decay)
            .for_each(|(decay, expected)| digits(decay, expected));
        assert_eq!(readout.weight_decay, hidden.weight_decay);
        assert_eq!(norm.weight_decay, embedding.weight_decay);
        assert_eq!((hidden.multiplier, readout.multiplier), (1.0, 1.0));
        let base = Hyper::default();
        close((1.0 - hyper.beta1) / (1.0 - base.beta1), column.forgets);
        close((1.0 - hyper.beta2) / (1.0 - base.beta2), column.forgets);
        assert_eq!(sizes.iterations(), column.iterations);
    }
}

/// A plan as JSON has batch and duration in its numbers, and what else a trainer sets.
#[test]
fn a_document_over_batch_and_duration() {
    for column in &COLUMNS {
        let (plan, hyper, sizes) = complete_dp(column);
        let unit = Hyper {
            learning_rate: 1.0,
            weight_decay: 1.0,
            eps: 1.0,
            ..Hyper::default()
        };
        let betas = [Some(unit.beta1), None];
        let document = plan
            .document(&unit)
            .trained(&Horizon::default(), sizes, betas);
        let document = document.unwrap();
        for (name, param) in &document.params {
            let setting = plan.setting(name, &hyper).unwrap();
            close(param.lr, setting.learning_rate);
            close(param.weight_decay, setting.weight_decay);
            close(param.eps, setting.eps);
        }
        let training = document.training.unwrap();
        close(training.one_minus_beta, column.forgets);
        close(training.steps, column.iterations);
        close(training.beta1.unwrap(), hyper.beta1);
        assert_eq!(training.beta2, None);
        assert_eq!(training.batch, Some([1, column.ratios[2]]));
        let deeper = column.ratios[1] > 1;
        assert_eq!(document.depth.contains_key("blocks"), deeper);
        assert_eq!(document.hash, plan.hash());
    }
}

/// It is μP with choices, which can be made one by one.
#[test]
fn complete_dp_is_mup_with_choices() {
    let options = Options {
        eps: Eps::CompleteDP,
        ..Options::default()
    };
    let chosen = Parametrization::from(Rule::Mup)
        .with_form(Form::Table3)
        .with_options(options);
    for &optimizer in Optimizer::ALL {
        let own = Parametrization::from(Rule::CompleteDP).table(optimizer);
        assert_eq!(own, chosen.table(optimizer), "{optimizer}");
    }
}

/// Rules that are relative to a base, with and without multipliers.
fn relative() -> impl Iterator<Item = (Parametrization, String)> {
    let rules = Rule::NAMED.into_iter().filter(|rule| !rule.is_absolute());
    rules.flat_map(|rule| {
        [None, Some(Form::Folded)].map(|form| {
            let own = Parametrization::from(rule);
            let formed = form.map_or(own.clone(), |form| own.with_form(form));
            (formed, format!("{rule} {form:?}"))
        })
    })
}

const OPTIMIZERS: [Optimizer; 4] = [
    Optimizer::Sgd,
    Optimizer::AdamW,
    Optimizer::Lamb,
    Optimizer::Muon,
];

/// Plans with what ends branches declared, from a depth to another at one width.
fn between_depths(
    rule: &Parametrization,
    optimizer: Optimizer,
    depths: [usize; 2],
) -> Option<Plan> {
    rule.table(optimizer).ok()?;
    let [base, target] = depths;
    let widths = Widths::between(&model(4, base), &model(5, base)).unwrap();
    let widths = widths.with_branch_ends("blocks.*.hidden.*").unwrap();
    let sizes = Sizes::NONE.with(Size::Depth, base, target).unwrap();
    let plan = Plan::new(
        &widths.with_sizes(sizes),
        &model(4, target),
        rule.clone(),
        optimizer,
    );
    Some(plan.unwrap())
}

/// At the base depth every rule is the standard parametrization, to the last bit.
#[test]
fn at_the_base_depth_every_scale_is_one() {
    for (rule, what) in relative() {
        for optimizer in OPTIMIZERS {
            let Some(plan) = between_depths(&rule, optimizer, [3, 3]) else {
                continue;
            };
            for (name, _) in plan.params() {
                assert_eq!(scales(&plan, name.as_str()), [1.0; 5], "{what} {name}");
            }
            assert_eq!(plan.forward().residual.unwrap_or(1.0), 1.0, "{what}");
        }
    }
}

/// From depth 2 to 6 and from there to 24 is from 2 to 24.
#[test]
fn depths_compose() {
    let numbers = |plan: &Plan| {
        let mut all = vec![plan.forward().residual.unwrap_or(1.0)];
        for part in ["hidden.weight", "hidden.bias", "norm.gain"] {
            all.extend(scales(plan, &format!("blocks.0.{part}")));
        }
        all
    };
    for (rule, what) in relative() {
        for optimizer in OPTIMIZERS {
            let steps = [[2, 6], [6, 24], [2, 24]];
            let plans = steps.map(|depths| between_depths(&rule, optimizer, depths));
            let [Some(first), Some(second), Some(whole)] =
                plans.map(|plan| plan.map(|plan| numbers(&plan)))
            else {
                continue;
            };
            for ((first, second), whole) in first.iter().zip(second).zip(whole) {
                assert!(
                    (first * second / whole - 1.0).abs() < 1e-12,
                    "{what} {optimizer}"
                );
            }
        }
    }
}

/// Where only depth grows, nothing else need do.
#[test]
fn depth_alone() {
    let widths = Widths::inferred(&model(4, 2), &model(4, 8)).unwrap();
    let plan = Plan::new(&widths, &model(4, 8), Rule::DepthMup, Optimizer::AdamW).unwrap();
    assert_eq!(plan.forward().residual, Some(0.5));
    assert_eq!(
        scales(&plan, "blocks.7.hidden.weight"),
        [1.0, 1.0, 0.5, 1.0, 0.5]
    );
    assert_eq!(scales(&plan, "embedding"), [1.0; 5]);
    Widths::inferred(&model(4, 2), &model(4, 2)).unwrap_err();
    let widths = Widths::unchanged(&model(4, 2)).unwrap();
    let plan = Plan::new(&widths, &model(4, 2), Rule::Mup, Optimizer::AdamW).unwrap();
    assert_eq!(scales(&plan, "blocks.1.hidden.weight"), [1.0; 5]);
}

/// Two stages, of which the first block of the second changes the width, by a projection beside its
/// branch.
fn stages(width: usize, depth: usize) -> Shapes {
    let weight = |dims: [usize; 2]| Shape::new(dims).with_axes(Axes::OUT_IN);
    let mut all = vec![
        ("stem".to_owned(), weight([width, 3])),
        (
            "stages.1.0.downsample".to_owned(),
            weight([2 * width, width]),
        ),
        ("readout".to_owned(), weight([10, 2 * width])),
    ];
    for (stage, wide) in [width, 2 * width].into_iter().enumerate() {
        for block in 0..depth {
            let narrow = if (stage, block) == (1, 0) {
                width
            } else {
                wide
            };
            let name = |part| format!("stages.{stage}.{block}.{part}");
            all.push((name("first"), weight([wide, narrow])));
            all.push((name("second"), weight([wide, wide])));
        }
    }
    all.into_iter().collect()
}

/// Of blocks that differ in size the base's own number is said, at shapes of the target's number.
#[test]
fn blocks_that_differ_in_size_are_planned_at_the_targets_number() {
    let planned = |base: usize, shapes_of: usize| {
        let widths = Widths::between(&stages(4, shapes_of), &stages(5, shapes_of)).unwrap();
        let widths = widths.with_shortcuts("stages.*.*.downsample").unwrap();
        let widths = ["stages.0", "stages.1"]
            .into_iter()
            .try_fold(widths, |widths, stack| widths.with_depth(stack, base, 6));
        Plan::new(
            &widths.unwrap(),
            &stages(8, 6),
            Rule::DepthMup,
            Optimizer::AdamW,
        )
    };
    let plan = planned(3, 6).unwrap();
    let residual = plan.forward().residual.unwrap();
    close(residual, 0.5f64.sqrt());
    let unlike = planned(6, 6).unwrap();
    assert_eq!(unlike.forward().residual.unwrap_or(1.0), 1.0);
    for block in ["stages.0.0", "stages.0.5", "stages.1.0", "stages.1.5"] {
        for part in ["first", "second"] {
            let name = format!("{block}.{part}");
            let [own, flat] = [&plan, &unlike].map(|plan| scales(plan, &name));
            close(own[2] / flat[2], 0.5f64.sqrt());
        }
    }
    for name in ["stem", "stages.1.0.downsample", "readout"] {
        assert_eq!(scales(&plan, name), scales(&unlike, name), "{name}");
    }
    let error = planned(3, 3).unwrap_err().to_string();
    assert!(
        error.contains("those of more such blocks are unknown"),
        "{error}"
    );
    let forgotten = Widths::between(&stages(4, 6), &stages(5, 6)).unwrap();
    let forgotten = forgotten.with_shortcuts("stages.*.*.downsample").unwrap();
    let forgotten = forgotten.with_depth("stages.1", 3, 6).unwrap();
    let error = Plan::new(&forgotten, &stages(8, 6), Rule::DepthMup, Optimizer::AdamW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`stages.0` has 6 blocks in the target and in the base, which is given at the target's \
         number, so how many it has by itself is unknown"
    );
    let kept = forgotten.with_depth("stages.0", 6, 6).unwrap();
    let plan = Plan::new(&kept, &stages(8, 6), Rule::DepthMup, Optimizer::AdamW).unwrap();
    assert_eq!(plan.forward().residual, None);
    close(plan.forward().residual_in["stages.1"], 0.5f64.sqrt());
    let error = planned(3, 5).unwrap_err().to_string();
    assert!(
        error.contains("is not what the parameters' names count"),
        "{error}"
    );
}

/// Section 6.1, in a block: C × m_L^(2 alpha - 1) with a raw gradient, m_L^(alpha - 1) otherwise.
#[test]
fn depth_of_every_family() {
    let exponents = [
        (Optimizer::Sgd, "1", "m_L"),
        (Optimizer::Sgd, "1/2", "1"),
        (Optimizer::Sgd, "3/4", "m_L^1/2"),
        (Optimizer::AdamW, "1", "1"),
        (Optimizer::AdamW, "3/4", "m_L^-1/4"),
        (Optimizer::Lamb, "1/2", "m_L^-1/2"),
        (Optimizer::Muon, "1/2", "m_L^-1/2"),
        (Optimizer::Muon, "1", "1"),
    ];
    for (optimizer, alpha, expected) in exponents {
        let table = with_alpha(alpha).table(optimizer).unwrap();
        for role in Role::ALL {
            let [block, outside] =
                [Place::Block, Place::Outside].map(|place| table.law_at(role, place).learning_rate);
            assert_eq!(
                block,
                outside * expected.parse::<Power>().unwrap(),
                "{optimizer}, alpha {alpha}, {role}"
            );
        }
        let residual = if alpha == "1" {
            "m_L^-1".to_owned()
        } else {
            format!("m_L^-{alpha}")
        };
        assert_eq!(table.residual.to_string(), residual, "{optimizer}");
    }
}

/// Muon's epsilon is √(m_in/m_out)/m_L (2512.05620, code).
#[test]
fn depth_in_muons_epsilon() {
    let table = with_alpha("1").table(Optimizer::Muon).unwrap();
    assert_eq!(
        table.law_at(Role::Hidden, Place::Block).eps.to_string(),
        "m_in^1/2 m_out^-1/2 m_L^-1"
    );
}

#[test]
fn sp_knows_no_depth() {
    let plan = grown(Rule::Sp, Optimizer::AdamW, 1, 4);
    assert_eq!(in_block(&plan, "hidden.weight"), [1.0; 5]);
    assert_eq!(plan.forward().residual, Some(1.0));
}
