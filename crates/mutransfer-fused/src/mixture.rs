//! A mixture of experts: feed-forward layers of which every token goes through a few.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData, activation};
use mutransfer_kernels::{
    Choice, Experts as Weights, Gate, Mixture, MixtureGradients, Passage, Routing,
    mixture_backward, mixture_forward,
};

use crate::activation::gelu;
use crate::kernels::{kernel, on_cpu};
use crate::linear::{residual_product, scaled_product};
use crate::memory::Buffer;
use crate::operation::{Fused, Parents, apply};
use crate::tensor::{columns, dims, slice, times};

/// The weights of all experts, and the bias of their sum.
#[derive(Clone, Debug)]
pub struct Experts {
    /// `[experts, width, expert_width]`
    pub up: Tensor<3>,
    /// `[experts, expert_width]`
    pub up_bias: Tensor<2>,
    /// `[experts, expert_width, width]`
    pub down: Tensor<3>,
    /// `[width]`
    pub bias: Tensor<1>,
}

/// Which experts each token goes to, and what they count.
///
/// A pair of a token and one of its experts is a *row*; rows are in the order of their experts, and
/// those of an expert in the order of their tokens.
#[derive(Clone, Debug)]
pub struct Routes {
    routing: Arc<Routing>,
    gate: Gate,
}

/// Sends each token to the experts with the highest sums of score and offset, in each group, of
/// equal ones to the first. A score is the sigmoid of a logit `[.., experts]`; offsets, one an
/// expert, do not count in the gates and get no gradient.
///
/// # Panics
/// If there are fewer experts than are to be active, or none are, or groups do not divide both.
pub fn route<const D: usize>(choice: Choice, logits: &Tensor<D>, offsets: &[f32]) -> Routes {
    let logits: Vec<f32> = logits.to_data().iter().collect();
    let routing = kernel(|workspace| Routing::new(workspace, choice, &logits, offsets));
    Routes {
        routing: Arc::new(routing),
        gate: choice.gate,
    }
}

/// The logits that the routes were made of, with the gradient of `factor` times the
/// [unevenness](Routing::unevenness) of the load beside what comes back to them: a loss that
/// balances, and is in no loss that is reported.
///
/// # Panics
/// If the logits are not on the CPU.
pub fn balanced<const D: usize>(routes: &Routes, factor: f64, logits: Tensor<D>) -> Tensor<D> {
    let operation = Balance {
        routing: Arc::clone(&routes.routing),
        factor,
    };
    apply!(operation, logits)
}

impl Routes {
    /// Tokens of each expert.
    pub fn loads(&self) -> Vec<usize> {
        self.routing.loads().collect()
    }

    /// Token, and place among the token's experts, of each row.
    fn pairs(&self) -> impl Iterator<Item = [i32; 2]> {
        let rows = (0..self.loads().len()).flat_map(|expert| self.routing.pairs_of(expert));
        rows.map(|pair| pair.map(|part| part as i32))
    }
}

/// `residual + bias_by bias + by Σ_k gate_k gelu(x Up_k + b_k) Down_k`, the sum over the active
/// experts of each token.
///
/// `input` and `residual`: `[.., width]`; `logits`: those that the routes were made of, `[..,
/// experts]`. They get their gradient through the gates.
pub fn mixture<const D: usize>(
    routes: &Routes,
    experts: Experts,
    [by, bias_by]: [f64; 2],
    [input, logits, residual]: [Tensor<D>; 3],
) -> Tensor<D> {
    if experts.up.dims()[0] == 1 && routes.gate == Gate::Normalised {
        return single(experts, [by, bias_by], input, residual);
    }
    if !on_cpu(&input) {
        return composed(routes, experts, [by, bias_by], [input, logits, residual]);
    }
    let operation = Blend {
        routing: Arc::clone(&routes.routing),
        by: by as f32,
        bias_by: bias_by as f32,
    };
    let Experts {
        up,
        up_bias,
        down,
        bias,
    } = experts;
    apply!(operation, input, logits, up, up_bias, down, bias, residual)
}

/// The dense layer that a single expert is, computed as one: its gate is 1.
fn single<const D: usize>(
    experts: Experts,
    multipliers: [f64; 2],
    input: Tensor<D>,
    residual: Tensor<D>,
) -> Tensor<D> {
    let [_, width, own] = experts.up.dims();
    let (up, down) = (
        experts.up.reshape([width, own]),
        experts.down.reshape([own, width]),
    );
    let units = scaled_product(up, Some(experts.up_bias.reshape([own])), 1.0, input);
    residual_product(down, Some(experts.bias), multipliers, gelu(units), residual)
}

impl Routes {
    /// The tokens `[.., width]` in rows, `[rows, width]`.
    pub fn gather<const D: usize>(&self, input: Tensor<D>) -> Tensor<2> {
        let width = input.dims()[D - 1];
        let tokens: Tensor<2> = input.reshape([-1, width as i32]);
        let of_rows = indices(self.pairs().map(|[token, _]| token), &tokens.device());
        tokens.select(0, of_rows)
    }

    /// Rows `[rows, width]` in the order of their tokens, and those of a token in that of its
    /// experts: a token that goes elsewhere leaves the others in their places.
    pub fn by_token(&self, rows: Tensor<2>) -> Tensor<2> {
        let mut order: Vec<(i32, i32)> = self.pairs().map(|[token, _]| token).zip(0..).collect();
        order.sort_unstable();
        let order = indices(order.into_iter().map(|(_, row)| row), &rows.device());
        rows.select(0, order)
    }

    /// The products of rows `[rows, fan_in]` with the matrix of their expert, `[experts, fan_in,
    /// fan_out]`; of burn's own operations.
    pub fn products(&self, rows: Tensor<2>, weight: &Tensor<3>) -> Tensor<2> {
        let [count, fan_in, fan_out] = weight.dims();
        let (mut first, mut products) = (0, Vec::new());
        for (expert, load) in (0..count).zip(self.loads()).filter(|(_, load)| *load > 0) {
            let matrix = weight
                .clone()
                .narrow(0, expert, 1)
                .reshape([fan_in, fan_out]);
            products.push(rows.clone().narrow(0, first, load).matmul(matrix));
            first += load;
        }
        Tensor::cat(products, 0)
    }

    /// Hidden units of the experts over their rows `[rows, width]`, `[rows, expert_width]`; of
    /// burn's own operations.
    pub fn hidden(&self, rows: Tensor<2>, experts: &Experts) -> Tensor<2> {
        let of_rows = (0..)
            .zip(self.loads())
            .flat_map(|(at, load)| vec![at; load]);
        let of_rows = indices(of_rows, &rows.device());
        let bias = experts.up_bias.clone().select(0, of_rows);
        activation::gelu(self.products(rows, &experts.up) + bias)
    }
}

/// The mixture of burn's own operations.
fn composed<const D: usize>(
    routes: &Routes,
    experts: Experts,
    [by, bias_by]: [f64; 2],
    [input, logits, residual]: [Tensor<D>; 3],
) -> Tensor<D> {
    let (shape, device, [count, width, _]) = (residual.dims(), input.device(), experts.up.dims());
    let (tokens, chosen) = (routes.routing.tokens(), routes.routing.chosen());
    let active = chosen.len() / tokens;
    let chosen = indices(chosen.iter().map(|expert| *expert as i32), &device);
    let scores = activation::sigmoid(logits.reshape([tokens, count]));
    let scores = scores.gather(1, chosen.reshape([tokens, active]));
    let gates = match routes.gate {
        Gate::Normalised => scores.clone() / scores.sum_dim(1),
        Gate::Score => scores,
    };
    let places = routes
        .pairs()
        .map(|[token, place]| token * active as i32 + place);
    let gates = gates
        .reshape([tokens * active, 1])
        .select(0, indices(places, &device));
    let of_rows = indices(routes.pairs().map(|[token, _]| token), &device);
    let hidden = routes.hidden(routes.gather(input), &experts);
    let outputs = routes.products(hidden, &experts.down) * gates * by;
    let sum = Tensor::<2>::zeros([tokens, width], &device);
    let sum = sum.select_assign(0, of_rows, outputs, IndexingUpdateOp::Add);
    residual + (sum + (experts.bias * bias_by).unsqueeze()).reshape(shape)
}

fn indices(of: impl Iterator<Item = i32>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = of.collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Input: logits `[.., experts]`, which are the output too.
#[derive(Clone, Debug)]
struct Balance {
    routing: Arc<Routing>,
    factor: f64,
}

impl Fused<1> for Balance {
    type State = ();

    fn forward(&self, [logits]: [FlexTensor; 1]) -> (FlexTensor, Self::State) {
        (logits, ())
    }

    fn backward(&self, (): Self::State, gradient: FlexTensor, mut parents: Parents<'_, 1>) {
        let mut sum = Buffer::new(slice(&gradient).len());
        sum.copy_from_slice(slice(&gradient));
        self.routing.add_balance(self.factor, &mut sum);
        parents.give(0, sum.tensor(dims(&gradient)));
    }
}

/// Inputs: `[.., width]`, logits `[.., experts]`, the weights, their bias, and a residual.
#[derive(Clone, Debug)]
struct Blend {
    routing: Arc<Routing>,
    by: f32,
    bias_by: f32,
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
struct Kept {
    /// First matrices, biases and second matrices.
    weights: [FlexTensor; 3],
    /// Shape of the input.
    shape: Vec<usize>,
    inputs: Buffer,
    slopes: Buffer,
    hidden: Buffer,
    outputs: Buffer,
}

impl Kept {
    fn passage(&mut self) -> Passage<'_> {
        Passage {
            inputs: &mut self.inputs,
            slopes: &mut self.slopes,
            hidden: &mut self.hidden,
            outputs: &mut self.outputs,
        }
    }
}

impl Blend {
    fn of<'a>(&'a self, [up, up_bias, down]: &'a [FlexTensor; 3]) -> Mixture<'a> {
        Mixture {
            routing: &self.routing,
            experts: Weights {
                up: slice(up),
                up_bias: slice(up_bias),
                down: slice(down),
            },
            multiplier: self.by,
        }
    }
}

impl Fused<7> for Blend {
    type State = Kept;

    fn forward(&self, inputs: [FlexTensor; 7]) -> (FlexTensor, Self::State) {
        let [x, _, up, up_bias, down, bias, residual] = inputs;
        let (rows, width, own) = (self.routing.rows(), columns(&x), columns(&up_bias));
        let mut kept = Kept {
            weights: [up, up_bias, down],
            shape: dims(&x),
            inputs: Buffer::new(rows * width),
            slopes: Buffer::new(rows * own),
            hidden: Buffer::new(rows * own),
            outputs: Buffer::new(rows * width),
        };
        let mut y = Buffer::new(slice(&x).len());
        let weights = kept.weights.clone();
        let (bias, residual) = (times(self.bias_by, slice(&bias)), slice(&residual));
        kernel(|workspace| {
            let (mixture, mut passage) = (self.of(&weights), kept.passage());
            mixture_forward(
                workspace,
                &mixture,
                &mut passage,
                slice(&x),
                &bias,
                residual,
                &mut y,
            );
        });
        (y.tensor(kept.shape.clone()), kept)
    }

    fn backward(&self, mut kept: Kept, gradient: FlexTensor, mut parents: Parents<'_, 7>) {
        let weights = kept.weights.clone();
        let shapes = weights.each_ref().map(dims);
        let [mut up, mut up_bias, mut down] = weights
            .each_ref()
            .map(|weight| Buffer::new(slice(weight).len()));
        let (experts, width) = (shapes[0][0], columns(&gradient));
        let tokens = self.routing.tokens();
        let [mut x, mut logits, mut bias] =
            [tokens * width, tokens * experts, width].map(Buffer::new);
        kernel(|workspace| {
            let to = MixtureGradients {
                x: &mut x,
                logits: &mut logits,
                up: &mut up,
                up_bias: &mut up_bias,
                down: &mut down,
                bias: &mut bias,
            };
            let mixture = self.of(&weights);
            mixture_backward(workspace, &mixture, kept.passage(), slice(&gradient), to);
        });
        bias.iter_mut().for_each(|entry| *entry *= self.bias_by);
        let mut of_logits = kept.shape.clone();
        *of_logits.last_mut().expect("a tensor has a last dimension") = experts;
        parents.give(0, x.tensor(kept.shape));
        parents.give(1, logits.tensor(of_logits));
        for (index, (weight, shape)) in [up, up_bias, down].into_iter().zip(shapes).enumerate() {
            parents.give(2 + index, weight.tensor(shape));
        }
        parents.give(5, bias.tensor([width]));
        parents.give(6, gradient);
    }
}
