//! One step of one parameter by an optimizer, each as its paper or torch has it; those that step
//! entry by entry are in `entrywise`.

use mutransfer::{Decay, Family, Optimizer, Role};

use crate::orthogonal::newton_schulz;
use crate::tensor::Tensor;

/// What a plan says of a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: f64,
    pub(crate) eps: f64,
    pub(crate) rho: f64,
}

/// What an optimizer remembers of a parameter.
pub(crate) struct Memory {
    pub(crate) first: Tensor,
    pub(crate) second: Tensor,
    /// Product of NAdam's momenta.
    pub(crate) product: f64,
    /// Share of entries that Sophia clipped.
    pub(crate) clipped: f64,
}

impl Memory {
    pub(crate) fn new(weight: &Tensor) -> Self {
        let zeros = Tensor::zeros(weight.count(), weight.columns);
        Self {
            first: zeros.clone(),
            second: zeros,
            product: 1.0,
            clipped: 0.0,
        }
    }
}

/// One step of one parameter.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) optimizer: Optimizer,
    pub(crate) decay: Decay,
    pub(crate) role: Role,
    pub(crate) numbers: Numbers,
    /// From 1.
    pub(crate) at: i32,
    /// The schedule's factor.
    pub(crate) factor: f64,
    pub(crate) gradient: &'a Tensor,
    /// For labels drawn from the model (Sophia's estimate of the Gauss-Newton diagonal).
    pub(crate) sampled: &'a Tensor,
}

impl Step<'_> {
    /// The next weights.
    pub(crate) fn apply(self, weight: &Tensor, memory: &mut Memory) -> Tensor {
        let rate = self.factor * self.numbers.learning_rate;
        let weight = &self.decayed(weight, rate);
        let moved = |by: &Tensor| weight.zip(by, |own, step| own - rate * step);
        let step = self.direction(weight, memory);
        match self.optimizer {
            Optimizer::Fromage => moved(&step).scaled(1.0 / (1.0 + rate * rate).sqrt()),
            Optimizer::Layca => {
                let moved = moved(&step);
                moved.scaled(weight.norm() / moved.norm())
            }
            _ => moved(&step),
        }
    }

    fn decayed(self, weight: &Tensor, rate: f64) -> Tensor {
        let decay = self.numbers.weight_decay;
        match self.decay {
            Decay::L2 => weight.clone(),
            Decay::TimesLr => weight.scaled(1.0 - rate * decay),
            Decay::Independent => weight.scaled(1.0 - self.factor * decay),
        }
    }

    /// What the learning rate is multiplied with.
    fn direction(self, weight: &Tensor, memory: &mut Memory) -> Tensor {
        let is_l2 = self.decay == Decay::L2;
        let decay = if is_l2 {
            self.numbers.weight_decay
        } else {
            0.0
        };
        let with_decay = |onto: &Tensor| onto.zip(weight, |onto, own| onto + decay * own);
        let (plain, gradient) = (self.gradient, &with_decay(self.gradient));
        let size = weight.norm();
        match (self.optimizer, self.optimizer.family_of(self.role)) {
            (Optimizer::Lamb, _) => {
                let direction = with_decay(&self.adam(plain, memory));
                direction.scaled(size / direction.norm())
            }
            // You et al. 2017: the local rate has both norms.
            (Optimizer::Lars, _) => {
                gradient.scaled(size / (plain.norm() + decay * size + self.numbers.eps))
            }
            (Optimizer::Adafactor, _) => {
                let size = weight.rms().max(FLOOR);
                self.adafactor(gradient, memory).scaled(size)
            }
            (Optimizer::Fromage, _) => gradient.scaled(size / gradient.norm()),
            (Optimizer::Layca, _) => {
                let along = gradient.dot(weight) / weight.dot(weight);
                let across = gradient.zip(weight, |own, weight| own - along * weight);
                across.scaled(size / (across.norm() + self.numbers.eps))
            }
            (_, Family::RawGradient) => self.raw(gradient, memory),
            (_, Family::Spectral) => self.muon(gradient, memory),
            _ => self.entrywise(gradient, memory),
        }
    }

    fn raw(self, gradient: &Tensor, memory: &mut Memory) -> Tensor {
        if self.optimizer == Optimizer::Sgd {
            return gradient.clone();
        }
        memory.first = memory.first.zip(gradient, |own, new| 0.9 * own + new);
        match self.optimizer {
            Optimizer::Nesterov => gradient.zip(&memory.first, |own, moment| own + 0.9 * moment),
            _ => memory.first.clone(),
        }
    }

    /// Keller Jordan: momentum, Nesterov, five iterations; the factor is the variant's own.
    fn muon(self, gradient: &Tensor, memory: &mut Memory) -> Tensor {
        memory.first = memory.first.zip(gradient, |own, new| 0.95 * own + new);
        let ahead = gradient.zip(&memory.first, |own, moment| own + 0.95 * moment);
        let [rows, columns] = [gradient.count(), gradient.columns].map(|size| size as f64);
        let own = match self.optimizer {
            Optimizer::Muon => (rows / columns).sqrt(),
            Optimizer::MuonKellerJordan => (rows / columns).max(1.0).sqrt(),
            Optimizer::MuonMoonlight => 0.2 * rows.max(columns).sqrt(),
            _ => 1.0,
        };
        newton_schulz(&ahead, self.numbers.eps).scaled(own)
    }
}

/// Adafactor's smallest root mean square of weights.
const FLOOR: f64 = 1e-6;
