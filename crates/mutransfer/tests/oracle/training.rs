//! Training by a plan.

use mutransfer::{
    Decay, Factors, Hyper, Optimizer, Parametrization, Plan, Role, Roles, Setting, Widths,
};

use crate::network::{COUNT, Draws, PARAMS, Tensors, effects, forward, gradients, shapes};
use crate::optimizers::{Memory, Numbers, Step};
use crate::tensor::Tensor;

/// The width that all ratios are relative to.
pub(crate) const BASE: usize = 64;

/// A rule under an optimizer, for networks of any width, with the hyperparameters of the base.
#[derive(Clone)]
pub(crate) struct Training {
    pub(crate) rule: Parametrization,
    pub(crate) optimizer: Optimizer,
    pub(crate) decay: Decay,
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: f64,
    /// A plan scales epsilon and rho; the base may have another one for every parameter.
    pub(crate) eps: [f64; COUNT],
    pub(crate) rho: [f64; COUNT],
}

/// What is read off one training.
pub(crate) struct Trained {
    /// Before and after the last step.
    pub(crate) weights: [Tensors; 2],
    /// The last gradients.
    pub(crate) gradients: Tensors,
    /// Effects of the last step on each layer's output.
    pub(crate) effects: [f64; COUNT],
    /// Shares of entries that Sophia clipped.
    pub(crate) clipped: [f64; COUNT],
    /// Of all steps.
    pub(crate) outputs: Vec<f64>,
    multipliers: [f64; COUNT],
}

impl Training {
    /// At a small learning rate, without decay, and with an epsilon that is never met.
    pub(crate) fn new(rule: Parametrization, optimizer: Optimizer) -> Self {
        Self {
            rule,
            optimizer,
            decay: optimizer.decay(),
            learning_rate: 1e-3,
            weight_decay: 0.0,
            eps: [1e-14; COUNT],
            rho: [1.0; COUNT],
        }
    }

    /// RAdam's first steps are SGD's and have SGD's rule (TP5 B.3): its learning rate rises from 0
    /// after them.
    fn warm_up(&self) -> usize {
        if self.optimizer == Optimizer::RAdam {
            5
        } else {
            0
        }
    }

    /// Trains for so many steps on one batch.
    pub(crate) fn train(&self, width: usize, draws: &Draws, steps: usize) -> Trained {
        let planned = self.planned(width);
        let multipliers = planned.each_ref().map(|own| own.setting.multiplier);
        let mut weights: Tensors =
            std::array::from_fn(|at| initial(PARAMS[at].0, planned[at].setting, &draws.params[at]));
        let mut memories = weights.each_ref().map(Memory::new);
        let mut outputs = Vec::new();
        let (mut at, last) = (0, steps + self.warm_up());
        loop {
            at += 1;
            let pass = forward(draws, &weights, multipliers);
            let gradients = gradients(draws, &weights, multipliers, &pass);
            outputs.extend(&pass.outputs.entries);
            let after = std::array::from_fn(|own| {
                let step = self.step(at, own, planned[own].numbers, &gradients);
                step.apply(&weights[own], &mut memories[own])
            });
            let before = std::mem::replace(&mut weights, after);
            if at == last {
                let [gradients, _] = gradients;
                return Trained {
                    effects: effects(&pass, &changes(&before, &weights), multipliers),
                    clipped: memories.each_ref().map(|memory| memory.clipped),
                    weights: [before, weights],
                    gradients,
                    outputs,
                    multipliers,
                };
            }
        }
    }

    /// Of one parameter.
    fn step<'a>(
        &self,
        at: usize,
        own: usize,
        numbers: Numbers,
        [gradients, sampled]: &'a [Tensors; 2],
    ) -> Step<'a> {
        let trained = at.saturating_sub(self.warm_up());
        Step {
            optimizer: self.optimizer,
            decay: self.decay,
            role: PARAMS[own].1,
            numbers,
            at: at as i32,
            factor: if trained == 0 {
                0.0
            } else {
                1.1 - 0.1 * trained as f64
            },
            gradient: &gradients[own],
            sampled: &sampled[own],
        }
    }

    fn planned(&self, width: usize) -> [Planned; COUNT] {
        let widths = Widths::between(&shapes(BASE), &shapes(BASE + 1)).unwrap();
        let rule = self.rule.clone().with_decay(self.decay);
        let plan = Plan::new(&widths, &shapes(width), rule, self.optimizer).unwrap();
        let hyper = self.hyper();
        std::array::from_fn(|at| {
            let name = PARAMS[at].0;
            let setting = plan.setting(name, &hyper).unwrap();
            let rho = plan.param(name).unwrap().rho.unwrap_or(1.0);
            let numbers = Numbers {
                learning_rate: setting.learning_rate,
                weight_decay: setting.weight_decay,
                eps: setting.eps * self.eps[at],
                rho: rho * self.rho[at],
            };
            Planned { setting, numbers }
        })
    }

    /// Outputs start small, so that the error is that of the targets whatever the seed.
    fn hyper(&self) -> Hyper {
        let output = Factors {
            init_std: 0.1,
            ..Factors::ONE
        };
        Hyper {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            eps: 1.0,
            factors: Roles {
                output,
                ..Roles::all(Factors::ONE)
            },
            ..Hyper::default()
        }
    }
}

struct Planned {
    setting: Setting,
    numbers: Numbers,
}

/// Gains around 1; biases away from 0, where a trust ratio would leave them.
fn initial(name: &str, setting: Setting, drawn: &Tensor) -> Tensor {
    match (setting.init_std, name) {
        (Some(std), _) => drawn.scaled(std),
        (None, "gain") => drawn.map(|entry| 1.0 + 0.1 * entry),
        (None, _) => drawn.scaled(0.3),
    }
}

fn changes(before: &Tensors, after: &Tensors) -> Tensors {
    std::array::from_fn(|at| after[at].zip(&before[at], |after, before| after - before))
}

impl Trained {
    /// What the last step changed.
    pub(crate) fn changes(&self) -> Tensors {
        changes(&self.weights[0], &self.weights[1])
    }

    /// How far the last step moves outputs by the parameters of a role alone.
    pub(crate) fn response(&self, draws: &Draws, role: Role) -> f64 {
        let [before, after] = &self.weights;
        let moved: Tensors = std::array::from_fn(|at| {
            let moves = PARAMS[at].1 == role;
            if moves {
                after[at].clone()
            } else {
                before[at].clone()
            }
        });
        let outputs = |weights| forward(draws, weights, self.multipliers).outputs;
        let change = outputs(&moved).zip(&outputs(before), |new, old| new - old);
        change.rms()
    }
}
