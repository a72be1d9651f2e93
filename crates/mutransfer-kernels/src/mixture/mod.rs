//! A mixture of experts: feed-forward layers of which every token goes through a few.
//!
//! `y = residual + bias + multiplier Σ_k gate_k gelu(x Up_k + b_k) Down_k`, the sum over the active
//! experts of a token. Tokens are copied together by expert, so that each expert is two matrix
//! products over its own tokens, as many as there are: none is dropped, and an expert without
//! tokens costs nothing. What the experts are, and how a token chooses, is in [`Routing`].

mod experts;
mod routing;
mod rows;

use crate::matrix::Matrix;
pub use experts::{mixture_backward, mixture_forward};
pub use routing::{Choice, Gate, Routing};

/// The weights of all experts, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Experts<'a> {
    /// `[experts, width, expert_width]`
    pub up: &'a [f32],
    /// `[experts, expert_width]`
    pub up_bias: &'a [f32],
    /// `[experts, expert_width, width]`
    pub down: &'a [f32],
}

/// Experts with the tokens that go through them.
#[derive(Clone, Copy, Debug)]
pub struct Mixture<'a> {
    /// Which tokens.
    pub routing: &'a Routing,
    /// The weights.
    pub experts: Experts<'a>,
    /// What the sum over a token's active experts is multiplied by.
    pub multiplier: f32,
}

/// What the forward pass leaves to the backward pass, which overwrites it: a row for each pair of a
/// token and one of its experts, in the order of a [`Routing`].
#[derive(Debug)]
pub struct Passage<'a> {
    /// What the expert reads, `[rows, width]`.
    pub inputs: &'a mut [f32],
    /// Slopes of its activation, `[rows, expert_width]`.
    pub slopes: &'a mut [f32],
    /// Its hidden units, `[rows, expert_width]`.
    pub hidden: &'a mut [f32],
    /// What it says, `[rows, width]`.
    pub outputs: &'a mut [f32],
}

/// Where the gradients of a mixture go. An expert without tokens gets zeros.
#[derive(Debug)]
pub struct MixtureGradients<'a> {
    /// `[tokens, width]`
    pub x: &'a mut [f32],
    /// `[tokens, experts]`
    pub logits: &'a mut [f32],
    /// `[experts, width, expert_width]`
    pub up: &'a mut [f32],
    /// `[experts, expert_width]`
    pub up_bias: &'a mut [f32],
    /// `[experts, expert_width, width]`
    pub down: &'a mut [f32],
    /// `[width]`
    pub bias: &'a mut [f32],
}

impl<'a> Mixture<'a> {
    /// Numbers of a token, and hidden units of an expert.
    fn sizes(&self) -> [usize; 2] {
        let Experts { up, up_bias, .. } = self.experts;
        let expert_width = up_bias.len() / self.routing.experts();
        [up.len() / up_bias.len().max(1), expert_width]
    }

    /// First matrix of an expert, and its biases.
    fn up(&self, expert: usize) -> (Matrix<'a>, &'a [f32]) {
        let ([width, own], Experts { up, up_bias, .. }) = (self.sizes(), self.experts);
        let matrix = Matrix::new(&up[expert * width * own..], width, own);
        (matrix, &up_bias[expert * own..][..own])
    }

    /// Second matrix of an expert.
    fn down(&self, expert: usize) -> Matrix<'a> {
        let [width, own] = self.sizes();
        Matrix::new(&self.experts.down[expert * width * own..], own, width)
    }

    #[track_caller]
    fn check(&self, passage: &Passage<'_>, x: &[f32]) {
        let ([width, own], Experts { up, up_bias, down }) = (self.sizes(), self.experts);
        let (experts, rows) = (self.routing.experts(), self.routing.rows());
        assert_eq!(
            [up.len(), up_bias.len(), down.len()],
            [width * own, own, width * own].map(|numbers| experts * numbers),
            "the weights are not those of {experts} experts of one size"
        );
        let Passage {
            inputs,
            slopes,
            hidden,
            outputs,
        } = passage;
        assert_eq!(
            [inputs.len(), slopes.len(), hidden.len(), outputs.len()],
            [width, own, own, width].map(|numbers| rows * numbers),
            "the passage is not one of {rows} rows"
        );
        let numbers = self.routing.tokens() * width;
        assert_eq!(x.len(), numbers, "the batch is not that of the routing");
    }
}

impl Passage<'_> {
    /// The rows of an expert.
    fn of(&mut self, mixture: &Mixture<'_>, expert: usize) -> Passage<'_> {
        let (rows, [width, own]) = (mixture.routing.range(expert), mixture.sizes());
        let part = |numbers: usize| rows.start * numbers..rows.end * numbers;
        Passage {
            inputs: &mut self.inputs[part(width)],
            slopes: &mut self.slopes[part(own)],
            hidden: &mut self.hidden[part(own)],
            outputs: &mut self.outputs[part(width)],
        }
    }
}

/// Gradients of the matrices of one expert, and of the biases between them.
struct ExpertGradients<'a> {
    up: &'a mut [f32],
    up_bias: &'a mut [f32],
    down: &'a mut [f32],
}

impl MixtureGradients<'_> {
    #[track_caller]
    fn check(&self, mixture: &Mixture<'_>, dy: &[f32]) {
        let Mixture {
            routing, experts, ..
        } = mixture;
        let Self {
            x,
            logits,
            up,
            up_bias,
            down,
            bias,
        } = self;
        assert_eq!(
            [x.len(), logits.len(), bias.len()],
            [
                dy.len(),
                routing.tokens() * routing.experts(),
                mixture.sizes()[0]
            ],
            "the gradients are not those of the batch"
        );
        assert_eq!(
            [up.len(), up_bias.len(), down.len()],
            [experts.up, experts.up_bias, experts.down].map(<[f32]>::len),
            "the gradients are not those of the experts"
        );
    }

    /// Those of an expert.
    fn of(&mut self, mixture: &Mixture<'_>, expert: usize) -> ExpertGradients<'_> {
        let [width, own] = mixture.sizes();
        let part = |numbers: usize| expert * numbers..(expert + 1) * numbers;
        ExpertGradients {
            up: &mut self.up[part(width * own)],
            up_bias: &mut self.up_bias[part(own)],
            down: &mut self.down[part(width * own)],
        }
    }
}
