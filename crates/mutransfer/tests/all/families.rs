//! Ten thousand models of random families, whose roles are known: each plan is right, or refused.

use std::cell::RefCell;
use std::collections::BTreeMap;

use mutransfer::{Layout, Optimizer, Plan, Role, Rule, Shape, Shapes, Widths};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How a framework calls and stores the parts of a model.
struct Naming {
    layout: Layout,
    embedding: &'static str,
    position: &'static str,
    block: &'static str,
    readout: &'static str,
    weight: &'static str,
    /// Query, key, value, out, up, down, norm.
    parts: [&'static str; 7],
}

const NAMINGS: [Naming; 5] = [
    Naming {
        layout: Layout::OutIn,
        embedding: "model.embed_tokens.weight",
        position: "model.embed_positions.weight",
        block: "model.layers.{}.",
        readout: "lm_head",
        weight: ".weight",
        parts: [
            "attn.q_proj",
            "attn.k_proj",
            "attn.v_proj",
            "attn.o_proj",
            "mlp.0",
            "mlp.2",
            "ln",
        ],
    },
    Naming {
        layout: Layout::OutIn,
        embedding: "words.table",
        position: "places.table",
        block: "body.{}.",
        readout: "out",
        weight: ".weight",
        parts: ["q", "k", "v", "o", "fc1", "fc2", "norm.0"],
    },
    Naming {
        layout: Layout::InOut,
        embedding: "params/wte/embedding",
        position: "params/wpe/embedding",
        block: "params/h_{}/",
        readout: "params/lm_head",
        weight: "/kernel",
        parts: [
            "attn/query",
            "attn/key",
            "attn/value",
            "attn/out",
            "Dense_0",
            "Dense_1",
            "norm_1",
        ],
    },
    Naming {
        layout: Layout::InOut,
        embedding: "first",
        position: "second",
        block: "blocks.{}.",
        readout: "last",
        weight: ".weight",
        parts: ["query", "key", "value", "output", "up", "down", "gain"],
    },
    Naming {
        layout: Layout::OutIn,
        embedding: "transformer.wte.weight",
        position: "transformer.wpe.weight",
        block: "transformer.h.{}.",
        readout: "score",
        weight: ".weight",
        parts: [
            "a.q",
            "a.k",
            "a.v",
            "a.c_proj",
            "mlp.experts.0.fc",
            "mlp.experts.0.proj",
            "ln_1",
        ],
    },
];

/// Sizes of a model, of which the first four are widths and the others the data's.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    width: usize,
    keys: usize,
    feed: usize,
    blocks: usize,
    words: usize,
    context: usize,
}

#[derive(Clone, Copy, Debug)]
struct Family {
    naming: usize,
    base: Sizes,
    delta: Option<Sizes>,
    target: Sizes,
    has_bias: bool,
    has_position: bool,
    is_conv: bool,
    is_declared: bool,
    is_tied: bool,
}

/// A feed-forward size as models round it.
fn rounded(width: usize, by: usize) -> usize {
    (width * 8 / 3).div_ceil(by) * by
}

fn family() -> impl Strategy<Value = Family> {
    let sizes = (
        1..9_usize,
        2..6_usize,
        prop_oneof![Just(1), Just(64), Just(256)],
        prop_oneof![1 => Just(0), 19 => 1..4_usize],
        0..3_usize,
        1..5_usize,
    );
    let data = (
        prop_oneof![Just(0), 1..200_usize, Just(usize::MAX)],
        prop_oneof![Just(1), Just(2), Just(4)],
        1000..60_000_usize,
        prop_oneof![Just(64), Just(128), 100..2048_usize],
    );
    let choices = (0..NAMINGS.len(), any::<[bool; 6]>());
    (sizes, data, choices).prop_map(|(sizes, data, (naming, flags))| {
        let (unit, times, round, groups, deeper, blocks) = sizes;
        let (padding, longer, words, context) = data;
        let [
            has_delta,
            has_bias,
            has_position,
            is_conv,
            is_declared,
            is_tied,
        ] = flags;
        let of = |width: usize| Sizes {
            width,
            keys: if groups == 0 {
                64
            } else {
                width / groups.next_power_of_two()
            },
            feed: if round == 1 {
                4 * width
            } else {
                rounded(width, round)
            },
            blocks,
            words,
            context,
        };
        let base = of(64 * unit);
        let grown = of(64 * unit * times);
        let target = Sizes {
            blocks: blocks * (deeper + 1),
            // A vocabulary may be padded, or grow as the width does.
            words: if padding == usize::MAX {
                words * times
            } else {
                words + padding
            },
            context: context * longer,
            ..grown
        };
        Family {
            naming,
            base,
            // Most make a delta twice as wide; the next width may be rounded to the same size.
            delta: has_delta.then(|| of(64 * if words % 10 > 0 { 2 * unit } else { unit + 1 })),
            target,
            has_bias,
            has_position,
            is_conv,
            is_declared,
            is_tied,
        }
    })
}

/// Names with dims and role, and fan-in and fan-out.
type Tensors = Vec<(String, Vec<usize>, Role, [usize; 2])>;

impl Family {
    fn tensors(&self, sizes: Sizes) -> Tensors {
        let naming = &NAMINGS[self.naming];
        let Sizes {
            width, keys, feed, ..
        } = sizes;
        let matrix = |fan_in: usize, fan_out: usize| match naming.layout {
            Layout::OutIn => vec![fan_out, fan_in],
            Layout::InOut => vec![fan_in, fan_out],
        };
        let mut all: Tensors = Vec::new();
        let table = |name: &str, entries| {
            (
                name.to_owned(),
                vec![entries, width],
                Role::Input,
                [1, width],
            )
        };
        if self.is_conv {
            let dims = match naming.layout {
                Layout::OutIn => vec![width, 3, 16, 16],
                Layout::InOut => vec![16, 16, 3, width],
            };
            all.push((
                format!("patch{}", naming.weight),
                dims,
                Role::Input,
                [1, width],
            ));
        } else {
            all.push(table(naming.embedding, sizes.words));
        }
        if self.has_position {
            all.push(table(naming.position, sizes.context));
        }
        let [query, key, value, out, up, down, norm] = naming.parts;
        for block in 0..sizes.blocks {
            let prefix = naming.block.replace("{}", &block.to_string());
            for (part, fan_in, fan_out) in [
                (query, width, width),
                (key, width, keys),
                (value, width, keys),
                (out, width, width),
                (up, width, feed),
                (down, feed, width),
            ] {
                let name = format!("{prefix}{part}");
                let (dims, fans) = (matrix(fan_in, fan_out), [fan_in, fan_out]);
                all.push((format!("{name}{}", naming.weight), dims, Role::Hidden, fans));
                if self.has_bias {
                    all.push((
                        format!("{name}.bias"),
                        vec![fan_out],
                        Role::Vector,
                        [1, fan_out],
                    ));
                }
            }
            all.push((
                format!("{prefix}{norm}"),
                vec![width],
                Role::Vector,
                [1, width],
            ));
        }
        if !self.is_tied {
            let dims = matrix(width, sizes.words);
            let name = format!("{}{}", naming.readout, naming.weight);
            all.push((name, dims, Role::Output, [width, 1]));
            if self.has_bias {
                all.push((
                    format!("{}.bias", naming.readout),
                    vec![sizes.words],
                    Role::Fixed,
                    [1; 2],
                ));
            }
        }
        all
    }

    fn shapes(&self, sizes: Sizes) -> Shapes {
        let tensors = self.tensors(sizes).into_iter();
        tensors
            .map(|(name, dims, ..)| (name, Shape::new(dims)))
            .collect()
    }

    fn plan(&self) -> Result<Plan, mutransfer::Error> {
        let naming = &NAMINGS[self.naming];
        let (base, target) = (self.shapes(self.base), self.shapes(self.target));
        let mut widths = match self.delta {
            Some(delta) => Widths::between(&base, &self.shapes(delta))?,
            None => Widths::inferred(&base, &target)?,
        };
        widths = widths.with_layout(naming.layout);
        if self.is_declared || naming.layout == Layout::OutIn {
            for (name, _, role, _) in self.tensors(self.base) {
                let is_end = name.starts_with(naming.readout)
                    || name == naming.embedding
                    || name == naming.position;
                if is_end && matches!(role, Role::Input | Role::Output) {
                    widths = widths.declare(&name, role)?;
                }
            }
        }
        Plan::new(&widths, &target, Rule::Mup, Optimizer::AdamW)
    }

    /// What a plan says otherwise than it is.
    fn wrong(&self, plan: &Plan) -> Option<String> {
        let fans: BTreeMap<String, [usize; 2]> = self
            .tensors(self.base)
            .into_iter()
            .map(|(name, _, _, fans)| (name, fans))
            .collect();
        let naming = &NAMINGS[self.naming];
        let deeper = self.target.blocks as f64 / self.base.blocks as f64;
        let residual = plan.forward().residual.unwrap_or(1.0);
        if (residual * deeper - 1.0).abs() > 1e-12 {
            return Some(format!("branches times {residual}"));
        }
        for (name, _, role, target) in self.tensors(self.target) {
            let found = plan.param(&name).unwrap();
            let first = name.replace(&naming.block.replace("{}", ""), "");
            let own = fans.get(&name).copied();
            let [fan_in, fan_out] = own.unwrap_or_else(|| {
                let start = naming.block.split("{}").next().unwrap();
                let rest = name.strip_prefix(start).unwrap();
                let end = rest.find(['.', '/']).unwrap();
                fans[&format!("{start}0{}", &rest[end..])]
            });
            let ratio = target[0] as f64 / fan_in as f64;
            let rate = if role == Role::Hidden {
                1.0 / ratio
            } else {
                1.0
            };
            let multiplier = if role == Role::Output {
                1.0 / ratio
            } else {
                1.0
            };
            let scales = found.scales;
            let near = |left: f64, right: f64| (left - right).abs() < 1e-9;
            if found.role != role
                || !near(scales.learning_rate, rate)
                || !near(scales.multiplier, multiplier)
            {
                let role = found.role;
                return Some(format!("{first} is {role} with {scales:?}, {fan_out}"));
            }
        }
        None
    }
}

#[test]
fn every_family_is_right_or_refused() {
    const MODELS: u32 = 10_000;
    let config = Config {
        cases: MODELS,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let counts = RefCell::new(BTreeMap::<(bool, bool), u32>::new());
    let reasons = RefCell::new(BTreeMap::<String, u32>::new());
    let outcome = runner.run(&family(), |family| {
        let plan = family.plan();
        let key = (family.delta.is_some(), plan.is_ok());
        *counts.borrow_mut().entry(key).or_default() += 1;
        match plan {
            Ok(plan) => prop_assert_eq!(family.wrong(&plan), None),
            Err(error) if family.delta.is_some() => {
                let kind = format!("{error:?}").chars().take(24).collect();
                *reasons.borrow_mut().entry(kind).or_default() += 1;
            }
            Err(_) => {}
        }
        Ok(())
    });
    outcome.unwrap();
    let counts = counts.into_inner();
    let of = |key| f64::from(counts.get(&key).copied().unwrap_or_default());
    let [with, without] = [true, false].map(|delta| {
        let [right, refused] = [true, false].map(|is_right| of((delta, is_right)));
        refused / (right + refused)
    });
    eprintln!("refused: {with:.3} with a delta, {without:.3} without");
    assert!(with < 0.1, "{with} refused: {reasons:?}");
    assert!(without < 0.6, "{without} refused");
}
