//! Mixtures of experts against sums over all experts in f64, and what holds to the bit.

mod common;
use common::{close, dot, noise, slopes, wide, workspaces};
use mutransfer_kernels::{
    Choice, Experts, Gate, Gelu, Matrix, MatrixMut, Mixture, MixtureGradients, Passage, Routing,
    Workspace, gelu_forward, linear_forward, mixture_backward, mixture_forward,
};

#[derive(Clone, Copy, Debug)]
struct Sizes {
    width: usize,
    experts: usize,
    active: usize,
    expert_width: usize,
    multiplier: f32,
}

/// A mixture with its batch and weights.
#[derive(Clone)]
struct Case {
    sizes: Sizes,
    gate: Gate,
    tokens: usize,
    offsets: Vec<f32>,
    x: Vec<f32>,
    logits: Vec<f32>,
    up: Vec<f32>,
    up_bias: Vec<f32>,
    down: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
}

/// What backward gives.
struct Gradients {
    x: Vec<f32>,
    logits: Vec<f32>,
    up: Vec<f32>,
    up_bias: Vec<f32>,
    down: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    fn new([tokens, width, experts, active, expert_width]: [usize; 5], gate: Gate) -> Self {
        let sizes = Sizes {
            width,
            experts,
            active,
            expert_width,
            multiplier: 0.7,
        };
        let weights = experts * width * expert_width;
        Self {
            sizes,
            gate,
            tokens,
            offsets: vec![0.0; experts],
            x: noise(1, tokens * width),
            logits: noise(2, tokens * experts).iter().map(|x| 3.0 * x).collect(),
            up: noise(3, weights),
            up_bias: noise(4, experts * expert_width),
            down: noise(5, weights),
            bias: noise(6, width),
            residual: noise(7, tokens * width),
        }
    }

    fn experts(&self) -> Experts<'_> {
        Experts {
            up: &self.up,
            up_bias: &self.up_bias,
            down: &self.down,
        }
    }

    fn routing(&self, workspace: &mut Workspace) -> Routing {
        let choice = Choice {
            gate: self.gate,
            active: self.sizes.active,
            groups: 1,
        };
        Routing::new(workspace, choice, &self.logits, &self.offsets)
    }

    /// Output, and the gradients at a gradient of the output.
    fn run(&self, workspace: &mut Workspace, dy: &[f32]) -> (Vec<f32>, Gradients) {
        let (sizes, routing) = (self.sizes, self.routing(workspace));
        let mixture = Mixture {
            routing: &routing,
            experts: self.experts(),
            multiplier: sizes.multiplier,
        };
        let rows = routing.rows();
        // Anything, as of an earlier batch.
        let [mut inputs, mut outputs] = [(); 2].map(|()| vec![f32::NAN; rows * sizes.width]);
        let [mut slopes, mut hidden] = [(); 2].map(|()| vec![f32::NAN; rows * sizes.expert_width]);
        let mut passage = Passage {
            inputs: &mut inputs,
            slopes: &mut slopes,
            hidden: &mut hidden,
            outputs: &mut outputs,
        };
        let mut y = vec![f32::NAN; self.x.len()];
        mixture_forward(
            workspace,
            &mixture,
            &mut passage,
            &self.x,
            &self.bias,
            &self.residual,
            &mut y,
        );
        let like = |of: &[f32]| vec![f32::NAN; of.len()];
        let mut to = Gradients {
            x: like(&self.x),
            logits: like(&self.logits),
            up: like(&self.up),
            up_bias: like(&self.up_bias),
            down: like(&self.down),
            bias: like(&self.bias),
        };
        let gradients = MixtureGradients {
            x: &mut to.x,
            logits: &mut to.logits,
            up: &mut to.up,
            up_bias: &mut to.up_bias,
            down: &mut to.down,
            bias: &mut to.bias,
        };
        mixture_backward(workspace, &mixture, passage, dy, gradients);
        (y, to)
    }

    fn exact(&self) -> Exact {
        Exact {
            x: wide(&self.x),
            logits: wide(&self.logits),
            up: wide(&self.up),
            up_bias: wide(&self.up_bias),
            down: wide(&self.down),
            bias: wide(&self.bias),
        }
    }

    /// The output in f64, with every expert computed and those that are not chosen weighed by zero.
    fn dense(&self, at: &Exact) -> Vec<f64> {
        let Sizes {
            width,
            experts,
            active,
            expert_width,
            multiplier,
        } = self.sizes;
        let mut y = Vec::new();
        for token in 0..self.tokens {
            let x = &at.x[token * width..][..width];
            let scores: Vec<f64> = at.logits[token * experts..][..experts]
                .iter()
                .map(|logit| 1.0 / (1.0 + (-logit).exp()))
                .collect();
            let mut order: Vec<usize> = (0..experts).collect();
            order.sort_by(|a, b| {
                let key = |at: usize| scores[at] + f64::from(self.offsets[at]);
                key(*b).total_cmp(&key(*a))
            });
            let chosen = &order[..active];
            let sum: f64 = match self.gate {
                Gate::Normalised => chosen.iter().map(|at| scores[*at]).sum(),
                Gate::Score => 1.0,
            };
            let mut row: Vec<f64> = (0..width)
                .map(|j| at.bias[j] + f64::from(self.residual[token * width + j]))
                .collect();
            for (expert, score) in scores.iter().enumerate() {
                let gate = if chosen.contains(&expert) {
                    score / sum
                } else {
                    0.0
                };
                let first = expert * width * expert_width;
                for unit in 0..expert_width {
                    let own = |i: usize| at.up[first + i * expert_width + unit];
                    let sum: f64 = (0..width).map(|i| x[i] * own(i)).sum();
                    let hidden = gelu(sum + at.up_bias[expert * expert_width + unit]);
                    for (j, y) in row.iter_mut().enumerate() {
                        let down = at.down[first + unit * width + j];
                        *y += f64::from(multiplier) * gate * hidden * down;
                    }
                }
            }
            y.extend(row);
        }
        y
    }

    /// The same mixture with its experts in another order.
    fn permuted(&self, order: &[usize]) -> Self {
        let Sizes {
            width,
            experts,
            expert_width,
            ..
        } = self.sizes;
        let blocks = |of: &[f32], len: usize| -> Vec<f32> {
            order
                .iter()
                .flat_map(|at| of[at * len..][..len].to_vec())
                .collect()
        };
        let tokens = self.logits.chunks_exact(experts);
        Self {
            offsets: blocks(&self.offsets, 1),
            logits: tokens.flat_map(|logits| blocks(logits, 1)).collect(),
            up: blocks(&self.up, width * expert_width),
            up_bias: blocks(&self.up_bias, expert_width),
            down: blocks(&self.down, width * expert_width),
            ..self.clone()
        }
    }
}

/// Finds a part of the numbers.
type Part = fn(&mut Exact) -> &mut Vec<f64>;

#[derive(Clone)]
struct Exact {
    x: Vec<f64>,
    logits: Vec<f64>,
    up: Vec<f64>,
    up_bias: Vec<f64>,
    down: Vec<f64>,
    bias: Vec<f64>,
}

/// `x Φ(x)`, by the series of the error function: the arguments here are small.
fn gelu(x: f64) -> f64 {
    let z = x / 2.0_f64.sqrt();
    let (mut term, mut sum) = (z, z);
    for k in 1..50 {
        term *= -z * z / f64::from(k);
        sum += term / f64::from(2 * k + 1);
    }
    x * (0.5 + sum / std::f64::consts::PI.sqrt())
}

const CASES: [[usize; 5]; 5] = [
    [9, 5, 4, 2, 3],
    [5, 16, 3, 1, 20],
    [12, 4, 5, 5, 2],
    [1, 3, 2, 2, 1],
    [6, 6, 16, 4, 9],
];

#[test]
fn output_and_gradients_are_those_of_the_sum_over_all_experts() {
    for (case, gate) in CASES
        .into_iter()
        .flat_map(|case| [(case, Gate::Normalised), (case, Gate::Score)])
    {
        let mut case = Case::new(case, gate);
        case.offsets = noise(8, case.sizes.experts)
            .iter()
            .map(|x| 0.1 * x)
            .collect();
        let dy = noise(9, case.x.len());
        let at = case.exact();
        for (isa, mut workspace) in workspaces() {
            let what = format!("{isa} {:?} {gate:?}", case.sizes);
            let (y, gradients) = case.run(&mut workspace, &dy);
            close(&format!("{what}: y"), &y, &case.dense(&at), 2e-6);
            let parts: [(&str, &[f32], &[f32], Part); 6] = [
                ("dx", &gradients.x, &case.x, |at| &mut at.x),
                ("dlogits", &gradients.logits, &case.logits, |at| {
                    &mut at.logits
                }),
                ("dup", &gradients.up, &case.up, |at| &mut at.up),
                ("dup_bias", &gradients.up_bias, &case.up_bias, |at| {
                    &mut at.up_bias
                }),
                ("ddown", &gradients.down, &case.down, |at| &mut at.down),
                ("dbias", &gradients.bias, &case.bias, |at| &mut at.bias),
            ];
            for (name, got, values, part) in parts {
                slopes(&format!("{what}: {name}"), got, values, 3, 1e-5, |values| {
                    let mut moved = at.clone();
                    values.clone_into(part(&mut moved));
                    dot(&case.dense(&moved), &dy)
                });
            }
        }
    }
}

/// Two experts, of so many groups.
fn pairs(groups: usize) -> Choice {
    Choice {
        gate: Gate::Normalised,
        active: 2,
        groups,
    }
}

#[test]
fn a_token_has_as_many_experts_of_every_group() {
    let mut workspace = Workspace::new();
    let logits = [5.0, 4.0, 1.0, 2.0, 0.0, 0.0, 7.0, 7.0];
    let mut route = |groups| Routing::new(&mut workspace, pairs(groups), &logits, &[0.0; 4]);
    assert_eq!(route(1).chosen(), [0, 1, 2, 3]);
    let grouped = route(2);
    assert_eq!(grouped.chosen(), [0, 3, 0, 2]);
    assert_eq!(
        grouped.gates()[2..],
        [0.5 / (0.5 + 0.999_089), 0.999_089 / (0.5 + 0.999_089)]
    );
    assert_eq!(grouped.loads().collect::<Vec<_>>(), [2, 0, 1, 1]);
}

#[test]
#[should_panic(expected = "3 groups do not divide 6 experts, 2 of them active")]
fn groups_divide_experts_and_active_ones() {
    let _ = Routing::new(&mut Workspace::new(), pairs(3), &[0.0; 6], &[0.0; 6]);
}

/// Differences of the loss, in whose steps no token goes elsewhere.
#[test]
fn the_gradient_that_balances_is_that_of_the_unevenness() {
    let mut workspace = Workspace::new();
    let mut case = Case::new([9, 5, 6, 2, 3], Gate::Normalised);
    // A step moves a score by a thousandth, and offsets by half the way between two of them.
    case.offsets = (0..6).map(|expert| 2.0 * expert as f32).collect();
    let routing = case.routing(&mut workspace);
    let mut gradient = vec![1.0; case.logits.len()];
    routing.add_balance(0.3, &mut gradient);
    for (at, gradient) in gradient.iter().enumerate() {
        let unevenness = [0.01, -0.01].map(|step| {
            let mut moved = case.clone();
            moved.logits[at] += step;
            moved.routing(&mut workspace).unevenness()
        });
        let slope = 0.3 * (unevenness[0] - unevenness[1]) / 0.02;
        assert!(
            (f64::from(*gradient) - 1.0 - slope).abs() < 1e-5,
            "{at}: {gradient}, {slope}"
        );
    }
    case.offsets = vec![0.0; 6];
    case.logits = vec![0.0; 6];
    case.tokens = 1;
    let even = Routing::new(
        &mut workspace,
        Choice {
            active: 6,
            ..pairs(1)
        },
        &case.logits,
        &case.offsets,
    );
    assert!((even.unevenness() - 1.0).abs() < 1e-12);
}

#[test]
fn equal_scores_go_to_the_first_experts_and_offsets_only_choose() {
    let mut workspace = Workspace::new();
    let route = |workspace: &mut Workspace, logits: &[f32], offsets: &[f32]| {
        Routing::new(workspace, pairs(1), logits, offsets)
    };
    let ties = route(
        &mut workspace,
        &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 2.0],
        &[0.0; 4],
    );
    assert_eq!(ties.chosen(), [0, 1, 3, 0]);
    assert_eq!(ties.gates()[..2], [0.5, 0.5]);
    assert_eq!(ties.loads().collect::<Vec<_>>(), [2, 1, 0, 1]);
    let moved = route(&mut workspace, &[0.0; 4], &[0.0, 0.0, 0.1, 0.2]);
    assert_eq!(
        (moved.chosen(), moved.gates()),
        (&[3, 2][..], &[0.5, 0.5][..])
    );
    let lost = route(&mut workspace, &[f32::NAN, 1.0, f32::NAN, 0.0], &[0.0; 4]);
    assert_eq!(
        lost.chosen().len(),
        2,
        "what is not a number is routed somewhere"
    );
}

#[test]
fn no_token_is_dropped_however_uneven_the_load() {
    let mut case = Case::new([50, 4, 6, 2, 3], Gate::Normalised);
    case.offsets = vec![0.0, 0.0, 5.0, 0.0, 5.0, 0.0];
    let loads: Vec<usize> = case.routing(&mut Workspace::new()).loads().collect();
    assert_eq!(loads, [0, 0, 50, 0, 50, 0]);
}

/// Weights that are not numbers would show wherever they were used.
#[test]
fn an_idle_expert_is_not_computed() {
    for (isa, mut workspace) in workspaces() {
        let mut case = Case::new([9, 5, 4, 2, 3], Gate::Normalised);
        case.offsets = vec![0.0, -5.0, 0.0, 0.0];
        let own = 5 * 3;
        case.up[own..2 * own].fill(f32::NAN);
        case.down[own..2 * own].fill(f32::NAN);
        let dy = noise(9, case.x.len());
        let (y, gradients) = case.run(&mut workspace, &dy);
        assert!(y.iter().chain(&gradients.x).all(|x| x.is_finite()), "{isa}");
        assert_eq!(gradients.up[own..2 * own], [0.0; 15], "{isa}");
        assert_eq!(gradients.up_bias[3..6], [0.0; 3], "{isa}");
        assert_eq!(gradients.down[own..2 * own], [0.0; 15], "{isa}");
        assert!(
            gradients
                .logits
                .iter()
                .skip(1)
                .step_by(4)
                .all(|x| *x == 0.0),
            "{isa}"
        );
    }
}

#[test]
fn the_order_of_the_experts_changes_no_bit() {
    let order = [3, 0, 4, 1, 2];
    for (isa, mut workspace) in workspaces() {
        let case = Case::new([30, 7, 5, 3, 4], Gate::Normalised);
        let dy = noise(9, case.x.len());
        let (y, gradients) = case.run(&mut workspace, &dy);
        let (permuted, moved) = case.permuted(&order).run(&mut workspace, &dy);
        assert_eq!(y, permuted, "{isa}");
        assert_eq!(gradients.x, moved.x, "{isa}");
        for (place, from) in order.into_iter().enumerate() {
            assert_eq!(
                gradients.up[from * 28..][..28],
                moved.up[place * 28..][..28],
                "{isa}"
            );
        }
    }
}

#[test]
fn one_expert_is_the_feed_forward_layer_to_the_bit() {
    for (isa, mut workspace) in workspaces() {
        let mut case = Case::new([21, 12, 1, 1, 40], Gate::Normalised);
        case.sizes.multiplier = 1.0;
        let (y, gradients) = case.run(&mut workspace, &noise(9, case.x.len()));
        let (mut units, mut hidden, mut wanted) =
            (vec![0.0; 21 * 40], vec![0.0; 21 * 40], vec![0.0; 21 * 12]);
        linear_forward(
            &mut workspace,
            1.0,
            Matrix::new(&case.x, 21, 12),
            Matrix::new(&case.up, 12, 40),
            Some(&case.up_bias),
            None,
            MatrixMut::new(&mut units, 21, 40),
        );
        gelu_forward(&mut workspace, Gelu::Exact, &units, &mut hidden);
        linear_forward(
            &mut workspace,
            1.0,
            Matrix::new(&hidden, 21, 40),
            Matrix::new(&case.down, 40, 12),
            Some(&case.bias),
            Some(Matrix::new(&case.residual, 21, 12)),
            MatrixMut::new(&mut wanted, 21, 12),
        );
        assert_eq!(y, wanted, "{isa}");
        // A gate that is 1 whatever the logit has no slope.
        assert_eq!(gradients.logits, [0.0; 21], "{isa}");
    }
}

/// Equal gates over all experts, undone by a multiplier of their number, are one layer as wide as
/// all experts together.
#[test]
fn all_experts_active_are_the_wide_layer() {
    let [tokens, width, experts, own] = [11, 6, 4, 5];
    let mut case = Case::new([tokens, width, experts, experts, own], Gate::Normalised);
    case.logits.fill(0.3);
    case.sizes.multiplier = experts as f32;
    let mut wide = Case::new([tokens, width, 1, 1, experts * own], Gate::Normalised);
    wide.sizes.multiplier = 1.0;
    for row in 0..width {
        for expert in 0..experts {
            let from = &case.up[(expert * width + row) * own..][..own];
            wide.up[row * experts * own + expert * own..][..own].copy_from_slice(from);
        }
    }
    wide.up_bias.clone_from(&case.up_bias);
    wide.down.clone_from(&case.down);
    let dy = noise(9, case.x.len());
    for (isa, mut workspace) in workspaces() {
        let (y, gradients) = case.run(&mut workspace, &dy);
        let (wanted, whole) = wide.run(&mut workspace, &dy);
        close(&format!("{isa}: y"), &y, &common::wide(&wanted), 1e-6);
        close(
            &format!("{isa}: dx"),
            &gradients.x,
            &common::wide(&whole.x),
            1e-6,
        );
        close(
            &format!("{isa}: ddown"),
            &gradients.down,
            &common::wide(&whole.down),
            1e-6,
        );
    }
}
