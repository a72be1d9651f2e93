//! The weight decay that follows from the other laws.

use super::Parametrization;
use super::table::Step;
use crate::law::Law;
use crate::optimizer::{Decay, Family, Optimizer};
use crate::options::DecayDepth;
use crate::power::Power;
use crate::role::Role;

impl Parametrization {
    /// That of a role, with which the decay per step follows the sizes as chosen; `gradient` is the
    /// size of its entries.
    pub(super) fn decay_of(&self, role: Role, law: &Law, gradient: Power, step: Step) -> Power {
        let strength = if self.definition.is_standard() {
            law.learning_rate
        } else {
            strength(law, gradient, step, step.optimizer.family_of(role))
        };
        let per_step = if role.is_inside() {
            self.options.hidden_decay.per_step(strength)
        } else {
            Power::ONE
        };
        match step.decay {
            Decay::Independent => per_step,
            Decay::TimesLr | Decay::L2 => per_step / strength,
        }
    }

    /// What it is multiplied by in residual blocks, where learning rates are by `rate`.
    pub(super) fn block_decay(&self, family: Family, rate: Power, step: Step) -> Power {
        let depth = self.definition.depth;
        let made_up = self.options.decay_depth == DecayDepth::KeepProduct;
        let keeps = made_up || depth.keeps_decay(family);
        let rate = match step.decay {
            Decay::TimesLr | Decay::L2 if keeps => rate,
            _ => Power::ONE,
        };
        let gradient = if step.normalises_sum(family) {
            depth.eps(family, self.options.depth)
        } else {
            Power::ONE
        };
        gradient / rate
    }
}

/// What a weight decay of 1 takes off the weights per step, relative to them.
///
/// Under a trust ratio the step is as large as the weights. LAMB adds the decay to a direction
/// whose entries are of order one, the others to the gradient: both then count by its share of that
/// sum.
fn strength(law: &Law, gradient: Power, step: Step, family: Family) -> Power {
    let Law {
        learning_rate,
        init_std,
        ..
    } = *law;
    match (step.decay, family) {
        (Decay::L2, Family::Frobenius) if step.normalises_sum(family) => {
            learning_rate * init_std / gradient
        }
        (Decay::L2, Family::Frobenius) => learning_rate * init_std,
        _ => learning_rate,
    }
}

impl Step {
    /// Whether the sum of gradient and decay is brought to the size of the weights.
    fn normalises_sum(self, family: Family) -> bool {
        let is_trust_ratio = family == Family::Frobenius && self.optimizer != Optimizer::Lamb;
        is_trust_ratio && self.decay == Decay::L2
    }
}
