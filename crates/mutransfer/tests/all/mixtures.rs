//! Experts and routers in the shapes of checkpoints, and dense bases of sparse targets.

use crate::common;

use common::{close, scales};
use mutransfer::{
    Experts, Layout, Optimizer, Plan, Role, Rule, Shape, Shapes, Size, Sizes, Widths,
};

/// Width, experts, width of an expert.
type Sized = [usize; 3];

/// Names of the experts of a family, with the sizes of each: all by width `d`, experts `n` and
/// their width `h`.
#[derive(Clone, Copy)]
struct Family {
    name: &'static str,
    router: &'static str,
    /// Of every expert, `*` for its number, with whether it reads.
    routed: &'static [(&'static str, bool)],
    /// Of all shared ones.
    shared: &'static [(&'static str, bool)],
}

const PROJECTIONS: &[(&str, bool)] = &[
    ("mlp.experts.*.gate_proj.weight", true),
    ("mlp.experts.*.up_proj.weight", true),
    ("mlp.experts.*.down_proj.weight", false),
];

const FAMILIES: [Family; 4] = [
    Family {
        name: "Mixtral",
        router: "block_sparse_moe.gate.weight",
        routed: &[
            ("block_sparse_moe.experts.*.w1.weight", true),
            ("block_sparse_moe.experts.*.w2.weight", false),
            ("block_sparse_moe.experts.*.w3.weight", true),
        ],
        shared: &[],
    },
    Family {
        name: "Qwen-MoE",
        router: "mlp.gate.weight",
        routed: PROJECTIONS,
        shared: &[
            ("mlp.shared_expert.up_proj.weight", true),
            ("mlp.shared_expert.down_proj.weight", false),
        ],
    },
    Family {
        name: "DeepSeek",
        router: "mlp.gate.weight",
        routed: PROJECTIONS,
        shared: &[
            ("mlp.shared_experts.gate_proj.weight", true),
            ("mlp.shared_experts.down_proj.weight", false),
        ],
    },
    Family {
        name: "OLMoE",
        router: "mlp.gate.weight",
        routed: PROJECTIONS,
        shared: &[],
    },
];

/// What is the same in all of them, stored as torch stores it.
fn around(width: usize) -> Vec<(String, Shape)> {
    let block = [
        ("input_layernorm.weight", Shape::vector(width)),
        ("self_attn.q_proj.weight", Shape::new([width, width])),
        ("self_attn.k_proj.weight", Shape::new([width / 4, width])),
    ];
    let block = (0..2).flat_map(|number| {
        let named = block.clone().into_iter();
        named.map(move |(name, shape)| (format!("model.layers.{number}.{name}"), shape))
    });
    let ends = [
        ("model.embed_tokens.weight", Shape::new([50, width])),
        ("lm_head.weight", Shape::new([50, width])),
    ];
    let ends = ends.map(|(name, shape)| (name.to_owned(), shape));
    block.chain(ends).collect()
}

fn dense([width, _, hidden]: Sized) -> Shapes {
    let block = |number: usize| {
        [
            ("gate_proj", [hidden, width]),
            ("up_proj", [hidden, width]),
            ("down_proj", [width, hidden]),
        ]
        .map(|(name, dims)| {
            let name = format!("model.layers.{number}.mlp.{name}.weight");
            (name, Shape::new(dims))
        })
    };
    (0..2).flat_map(block).chain(around(width)).collect()
}

impl Family {
    /// Shared experts together are as wide as two.
    fn shapes(&self, [width, experts, own]: Sized) -> Shapes {
        let matrix = |reads, own| Shape::new(if reads { [own, width] } else { [width, own] });
        let mut all = around(width);
        for number in 0..2 {
            let mut add = |name: &str, shape| {
                all.push((format!("model.layers.{number}.{name}"), shape));
            };
            add(self.router, Shape::new([experts, width]));
            for (name, reads) in self.routed {
                for expert in 0..experts {
                    add(&name.replace('*', &expert.to_string()), matrix(*reads, own));
                }
            }
            for (name, reads) in self.shared {
                add(name, matrix(*reads, 2 * own));
            }
        }
        all.into_iter().collect()
    }

    fn roles(&self) -> Vec<(String, Role)> {
        let role = |reads| {
            if reads {
                Role::ExpertIn
            } else {
                Role::ExpertOut
            }
        };
        let experts = self.routed.iter().chain(self.shared);
        let named = experts.map(|(name, reads)| (name.replace('*', "0"), role(*reads)));
        let router = [(self.router.to_owned(), Role::Router)];
        let all = named.chain(router);
        all.map(|(name, role)| (format!("model.layers.1.{name}"), role))
            .collect()
    }
}

fn widths(base: &Shapes, target: &Shapes, active: [usize; 2]) -> Widths {
    let sizes = Sizes::NONE.with(Size::Active, active[0], active[1]);
    Widths::inferred(base, target)
        .and_then(|widths| {
            let widths = widths.with_layout(Layout::OutIn);
            widths.declare("model.embed_tokens.weight", Role::Input)
        })
        .and_then(|widths| widths.declare("lm_head.weight", Role::Output))
        .unwrap_or_else(|error| panic!("{error}"))
        .with_sizes(sizes.unwrap())
}

fn plan(base: &Shapes, target: &Shapes, active: [usize; 2]) -> Plan {
    let widths = widths(base, target, active);
    Plan::new(&widths, target, Rule::CompleteMuE, Optimizer::AdamW)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn experts(plan: &Plan) -> Experts {
    plan.forward().experts.unwrap()
}

#[test]
fn roles_of_the_families() {
    for family in FAMILIES {
        let (base, target) = (family.shapes([32, 4, 20]), family.shapes([64, 4, 40]));
        let plan = plan(&base, &target, [2, 2]);
        for (name, role) in family.roles() {
            assert_eq!(
                plan.param(&name).unwrap().role,
                role,
                "{} {name}",
                family.name
            );
        }
        let found = experts(&plan);
        assert_eq!(found.experts, [4, 4], "{}", family.name);
        assert_eq!(found.expert_width, [20, 40], "{}", family.name);
        let shared = usize::from(!family.shared.is_empty());
        assert_eq!(found.shared_width, [40 * shared, 80 * shared]);
        assert_eq!(found.active_width, [40 + 40 * shared, 80 + 80 * shared]);
    }
}

/// A dense base in the place of the experts: the layer has as many hidden entries as all that are
/// active, and the numbers are those of declared sizes.
#[test]
fn dense_to_sparse() {
    for family in FAMILIES {
        let (base, target) = (dense([32, 0, 80]), family.shapes([64, 16, 20]));
        let plan = plan(&base, &target, [1, 4]);
        let found = experts(&plan);
        let shared = if family.shared.is_empty() { 0 } else { 40 };
        assert_eq!(found.experts, [1, 16], "{}", family.name);
        assert_eq!(found.active_width, [80, 80 + shared], "{}", family.name);
        assert_eq!(found.route, 4.0);
        close(found.noise, 2.0);
        let growth = (80 + shared) as f64 / 80.0;
        close(found.output, 2.0 / growth);
        for (name, role) in family.roles() {
            let [multiplier, init, rate, decay, eps] = scales(&plan, &name);
            let expected = match role {
                Role::ExpertOut => [2.0 / growth, growth.sqrt() / 2.0],
                _ => [1.0, 0.5_f64.sqrt()],
            };
            for (own, expected) in [multiplier, init].into_iter().zip(expected) {
                close(own, expected);
            }
            assert_eq!(
                [rate, decay, eps],
                [0.5, 2.0, 0.5],
                "{} {name}",
                family.name
            );
        }
    }
}

/// More experts, and fewer: as many tensors in the target as it has, and no number changes.
#[test]
fn capacity() {
    let family = FAMILIES[2];
    for [from, to] in [[4, 8], [8, 4]] {
        let (base, target) = (family.shapes([32, from, 20]), family.shapes([64, to, 40]));
        let same = family.shapes([64, from, 40]);
        let [grown, kept] = [&target, &same].map(|target| plan(&base, target, [2, 2]));
        assert_eq!(experts(&grown).experts, [from, to]);
        assert_eq!(grown.params().count(), target.len());
        for (name, param) in kept.params() {
            if let Some(other) = grown.param(name.as_str()) {
                assert_eq!(other.scales, param.scales, "{name}");
                assert_eq!(other.role, param.role, "{name}");
            }
        }
    }
}

/// Only what is active changes: the shapes are the same, and no learning rate changes.
#[test]
fn density() {
    let shapes = FAMILIES[0].shapes([32, 8, 20]);
    let sizes = Sizes::NONE
        .with(Size::Active, 8, 2)
        .and_then(|sizes| sizes.with(Size::Experts, 8, 8))
        .and_then(|sizes| sizes.with(Size::ExpertWidth, 20, 20));
    let widths = Widths::unchanged(&shapes)
        .unwrap()
        .with_layout(Layout::OutIn)
        .with_sizes(sizes.unwrap());
    let plan = Plan::new(&widths, &shapes, Rule::CompleteMuE, Optimizer::AdamW).unwrap();
    let found = experts(&plan);
    assert_eq!((found.output, found.route), (4.0, 2.0));
    for (name, param) in plan.params() {
        assert_eq!(param.scales.learning_rate, 1.0, "{name}");
    }
}

/// All experts in one tensor, as newer checkpoints have it, whichever way round it is stored: what
/// reads has a gate and so twice the width.
#[test]
fn experts_in_one_tensor() {
    for is_transposed in [false, true] {
        let shapes = |[width, experts, own]: Sized| {
            let fused = |own, reads: bool| {
                let is_wide_last = reads != is_transposed;
                Shape::new(if is_wide_last {
                    [experts, own, width]
                } else {
                    [experts, width, own]
                })
            };
            let layer = (0..2).flat_map(|number| {
                [
                    ("router.weight", Shape::new([experts, width])),
                    ("router.bias", Shape::vector(experts)),
                    ("experts.gate_up_proj", fused(2 * own, true)),
                    ("experts.gate_up_proj_bias", Shape::new([experts, 2 * own])),
                    ("experts.down_proj", fused(own, false)),
                ]
                .map(|(name, shape)| (format!("model.layers.{number}.mlp.{name}"), shape))
            });
            layer.chain(around(width)).collect::<Shapes>()
        };
        let target = shapes([64, 16, 40]);
        for base in [shapes([32, 4, 20]), dense([32, 0, 80])] {
            let plan = plan(&base, &target, [1, 4]);
            for (name, role) in [
                ("router.weight", Role::Router),
                ("router.bias", Role::Fixed),
                ("experts.gate_up_proj", Role::ExpertIn),
                ("experts.gate_up_proj_bias", Role::Vector),
                ("experts.down_proj", Role::ExpertOut),
            ] {
                let name = format!("model.layers.0.mlp.{name}");
                assert_eq!(plan.param(&name).unwrap().role, role, "{name}");
            }
            assert_eq!(experts(&plan).experts[1], 16);
            let [_, _, rate, ..] = scales(&plan, "model.layers.1.mlp.experts.down_proj");
            close(rate, 0.5);
        }
    }
}

/// Names alone settle nothing: neither what they are nor that there may be more of them.
#[test]
fn without_a_router_experts_are_matrices() {
    let without = |sized| {
        let shapes = FAMILIES[0].shapes(sized);
        let named = shapes.iter().map(|(name, _)| name.to_string());
        let mut routers: Vec<String> = named.collect();
        routers.retain(|name| name.ends_with("block_sparse_moe.gate.weight"));
        routers
            .iter()
            .fold(shapes.clone(), |shapes, name| shapes.without(name))
    };
    let (base, target) = (without([32, 4, 20]), without([64, 4, 40]));
    let more = Widths::inferred(&base, &without([64, 8, 40])).unwrap_err();
    assert!(
        more.to_string()
            .ends_with("are 4 in the base model and 8 in the target, and are no blocks")
    );
    let widths = widths(&base, &target, [2, 2]);
    let plan = |rule| Plan::new(&widths, &target, rule, Optimizer::AdamW);
    let name = "model.layers.0.block_sparse_moe.experts.0.w1.weight";
    assert_eq!(
        plan(Rule::Mup).unwrap().param(name).unwrap().role,
        Role::Hidden
    );
    assert_eq!(
        plan(Rule::CompleteMuE).unwrap_err().to_string(),
        format!(
            "`{name}` is called an expert, and nothing shows whether it reads the residual stream \
             or writes it"
        )
    );
}

#[test]
fn how_many_are_active_is_asked_for() {
    let (base, target) = (dense([32, 0, 80]), FAMILIES[3].shapes([64, 16, 20]));
    let widths = Widths::inferred(&base, &target)
        .unwrap()
        .with_layout(Layout::OutIn)
        .declare("model.embed_tokens.weight", Role::Input)
        .unwrap()
        .declare("lm_head.weight", Role::Output)
        .unwrap();
    let error = Plan::new(&widths, &target, Rule::CompleteMuE, Optimizer::AdamW).unwrap_err();
    assert!(
        error.to_string().contains("active width of experts"),
        "{error}"
    );
}

/// Beside experts that grow alone a matrix is one still, and not a scalar, which is not decayed.
#[test]
fn roles_where_only_experts_change() {
    let shapes = FAMILIES[0].shapes([32, 8, 20]);
    let widths = Widths::inferred(&shapes, &shapes)
        .unwrap()
        .with_layout(Layout::OutIn)
        .with_sizes(Sizes::NONE.with(Size::Active, 8, 2).unwrap());
    let plan = Plan::new(&widths, &shapes, Rule::CompleteMuE, Optimizer::AdamW).unwrap();
    let role = |name: &str| plan.param(name).unwrap().role;
    assert_eq!(role("model.layers.0.self_attn.q_proj.weight"), Role::Hidden);
    assert_eq!(role("model.layers.0.input_layernorm.weight"), Role::Vector);
    assert_eq!(
        role("model.layers.0.block_sparse_moe.gate.weight"),
        Role::Router
    );
    assert_eq!(experts(&plan).experts, [8, 8]);
}

/// Biases of experts grow as these do, and nothing beside them has to.
#[test]
fn biases_of_experts_are_theirs() {
    let biased = |shapes: Shapes| -> Shapes {
        let weights: Vec<(String, Shape)> = shapes
            .iter()
            .map(|(name, shape)| (name.to_string(), shape.clone()))
            .collect();
        let biases = weights.iter().filter_map(|(name, shape)| {
            let of = name
                .strip_suffix("_proj.weight")
                .filter(|of| of.contains(".mlp."))?;
            Some((format!("{of}_proj.bias"), Shape::vector(shape.dims[0])))
        });
        let biases: Vec<_> = biases.collect();
        weights.into_iter().chain(biases).collect()
    };
    let (base, target) = (dense([32, 1, 80]), FAMILIES[1].shapes([32, 4, 40]));
    let plan = plan(&biased(base), &biased(target), [1, 2]);
    let role = |name: &str| plan.param(name).unwrap().role;
    assert_eq!(role("lm_head.weight"), Role::Output);
    assert_eq!(
        role("model.layers.0.mlp.experts.3.up_proj.bias"),
        Role::Vector
    );
    assert_eq!(experts(&plan).expert_width, [80, 40]);
}
