//! Optimizers whose steps have entries of order one, whatever the gradient's size.

use mutransfer::Optimizer;

use crate::optimizers::{Memory, Numbers, Step};
use crate::tensor::Tensor;

impl Step<'_> {
    pub(crate) fn entrywise(self, gradient: &Tensor, memory: &mut Memory) -> Tensor {
        let eps = self.numbers.eps;
        match self.optimizer {
            Optimizer::NAdam => self.nadam(gradient, memory),
            Optimizer::RAdam => self.radam(gradient, memory),
            Optimizer::Adamax => self.adamax(gradient, memory),
            Optimizer::RmsProp => {
                memory.second = mean(&memory.second, &squared(gradient), 0.99);
                gradient.zip(&memory.second, |g, v| g / (v.sqrt() + eps))
            }
            Optimizer::Adagrad => {
                memory.second = memory.second.zip(&squared(gradient), |own, new| own + new);
                gradient.zip(&memory.second, |g, v| g / (v.sqrt() + eps))
            }
            Optimizer::SignSgd => gradient.map(f64::signum),
            Optimizer::Lion => {
                let seen = mean(&memory.first, gradient, 0.9);
                memory.first = mean(&memory.first, gradient, 0.99);
                seen.map(f64::signum)
            }
            Optimizer::Sophia => self.sophia(gradient, memory),
            Optimizer::AdafactorUnscaled => self.adafactor(gradient, memory),
            _ => self.adam(gradient, memory),
        }
    }

    pub(crate) fn adam(self, gradient: &Tensor, memory: &mut Memory) -> Tensor {
        memory.first = mean(&memory.first, gradient, 0.9);
        memory.second = mean(&memory.second, &squared(gradient), 0.999);
        let [first, second] = [0.9, 0.999].map(|beta| unbias(beta, self.at));
        memory.first.zip(&memory.second, |m, v| {
            m / first / ((v / second).sqrt() + self.numbers.eps)
        })
    }

    /// As torch has it.
    fn nadam(self, gradient: &Tensor, memory: &mut Memory) -> Tensor {
        let momentum = |at: i32| 0.9 * (1.0 - 0.5 * 0.96f64.powf(f64::from(at) * 0.004));
        let [now, next] = [self.at, self.at + 1].map(momentum);
        memory.product *= now;
        let [seen, ahead] = [memory.product, memory.product * next].map(|product| 1.0 - product);
        memory.first = mean(&memory.first, gradient, 0.9);
        memory.second = mean(&memory.second, &squared(gradient), 0.999);
        let unbias = unbias(0.999, self.at);
        let sum = memory
            .first
            .zip(gradient, |m, g| next * m / ahead + (1.0 - now) * g / seen);
        sum.zip(&memory.second, |m, v| {
            m / ((v / unbias).sqrt() + self.numbers.eps)
        })
    }

    /// As torch has it: raw momentum until the variance can be trusted, from the sixth step.
    fn radam(self, gradient: &Tensor, memory: &mut Memory) -> Tensor {
        memory.first = mean(&memory.first, gradient, 0.9);
        memory.second = mean(&memory.second, &squared(gradient), 0.999);
        let moment = memory.first.scaled(1.0 / unbias(0.9, self.at));
        let (at, last) = (f64::from(self.at), 2.0 / (1.0 - 0.999) - 1.0);
        let unbias = unbias(0.999, self.at);
        let length = last - 2.0 * at * 0.999f64.powi(self.at) / unbias;
        if length <= 5.0 {
            return moment;
        }
        let rectified = ((length - 4.0) * (length - 2.0) * last
            / ((last - 4.0) * (last - 2.0) * length))
            .sqrt();
        moment.zip(&memory.second, |m, v| {
            m * rectified * unbias.sqrt() / (v.sqrt() + self.numbers.eps)
        })
    }

    /// Shazeer and Stern: rows and columns of the second moment, updates clipped at 1. Epsilon is
    /// added to squares.
    pub(crate) fn adafactor(self, gradient: &Tensor, memory: &mut Memory) -> Tensor {
        let eps = self.numbers.eps * self.numbers.eps;
        let beta = 1.0 - f64::from(self.at).powf(-0.8);
        memory.second = mean(&memory.second, &gradient.map(|g| g * g + eps), beta);
        let moment = factored(&memory.second);
        let update = gradient.zip(&moment, |g, v| g / v.sqrt());
        update.scaled(1.0 / update.rms().max(1.0))
    }

    fn adamax(self, gradient: &Tensor, memory: &mut Memory) -> Tensor {
        memory.first = mean(&memory.first, gradient, 0.9);
        let eps = self.numbers.eps;
        let largest = |own: f64, new: f64| (0.999 * own).max(new.abs() + eps);
        memory.second = memory.second.zip(gradient, largest);
        let unbias = unbias(0.9, self.at);
        memory.first.zip(&memory.second, |m, u| m / unbias / u)
    }

    /// Liu et al. 2023, with the Gauss-Newton estimate at every step.
    fn sophia(self, gradient: &Tensor, memory: &mut Memory) -> Tensor {
        let Numbers { eps, rho, .. } = self.numbers;
        memory.first = mean(&memory.first, gradient, 0.965);
        memory.second = mean(&memory.second, &squared(self.sampled), 0.99);
        let ratio = |m: f64, h: f64| m / (rho * h).max(eps);
        let ratio = memory.first.zip(&memory.second, ratio);
        let beyond = ratio.entries.iter().filter(|ratio| ratio.abs() > 1.0);
        memory.clipped = beyond.count() as f64 / ratio.entries.len() as f64;
        ratio.map(|ratio| ratio.clamp(-1.0, 1.0))
    }
}

/// The outer product of the sums over rows and columns, over the sum; a vector is its own.
fn factored(moment: &Tensor) -> Tensor {
    if moment.columns == 1 {
        return moment.clone();
    }
    let columns = moment.summed();
    let total: f64 = columns.entries.iter().sum();
    let entries = moment.rows().flat_map(|row| {
        let sum: f64 = row.iter().sum();
        columns
            .entries
            .iter()
            .map(move |column| sum * column / total)
    });
    Tensor {
        columns: moment.columns,
        entries: entries.collect(),
    }
}

fn mean(moment: &Tensor, seen: &Tensor, beta: f64) -> Tensor {
    moment.zip(seen, |own, new| beta * own + (1.0 - beta) * new)
}

fn squared(tensor: &Tensor) -> Tensor {
    tensor.map(|entry| entry * entry)
}

fn unbias(beta: f64, at: i32) -> f64 {
    1.0 - beta.powi(at)
}
