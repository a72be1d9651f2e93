//! The table that a rule with its choices amounts to under an optimizer.

use super::Parametrization;
use crate::error::{Error, RuleError};
use crate::form::Form;
use crate::law::{Law, Laws, Table};
use crate::optimizer::{Decay, Family, Optimizer};
use crate::options::{
    Attention, Clip, EmbeddingRate, Eps, FinalNormEps, Head, Options, RouterInit, SgdHidden,
    TrustReadout,
};
use crate::power::Power;
use crate::role::Role;
use crate::roles::Roles;
use crate::rules::Definition;

/// An optimizer with the kind of decay it is used with.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) optimizer: Optimizer,
    pub(super) decay: Decay,
}

impl Parametrization {
    /// The laws of every role for an optimizer.
    ///
    /// # Errors
    /// When the rule has no table for the optimizer's family.
    pub fn table(&self, optimizer: Optimizer) -> Result<Table, Error> {
        let decay = self.decay.unwrap_or(optimizer.decay());
        let step = Step { optimizer, decay };
        let laws = Roles::try_from_fn(|role| self.law(role, step))?;
        let gradients = laws.map_with_role(|role, law| self.gradient(role, law, &laws.output));
        let block = laws.map_with_role(|role, law| self.in_block(role, law, step));
        Ok(Table {
            outside: laws.map_with_role(|role, law| self.outside(role, law, step)),
            block,
            branch_end: block.map_with_role(|role, law| self.at_branch_end(role, law, step)),
            folds_branches: self.folds_branches(),
            states_experts: self.definition.states_experts,
            clip: laws.map_with_role(|role, law| self.clip(role, law)),
            rho: (optimizer == Optimizer::Sophia)
                .then(|| gradients.map(|gradient| gradient.raised(-1))),
            attention: match self.options.attention {
                Attention::Rule => self.definition.attention,
                Attention::Root => Power::ONE,
            },
            residual: self.definition.depth.residual(self.options.depth),
            decay,
        })
    }

    /// The law of a role in the form asked for, before depth and the choices about epsilon.
    fn law(&self, role: Role, step: Step) -> Result<Law, Error> {
        let Step { optimizer, decay } = step;
        let family = optimizer.family_of(role);
        let laws = self.laws(family, optimizer)?;
        let rotate =
            |law: Law, to: Power| law.rotated(to / law.multiplier, family, optimizer, decay);
        let mut law = if self.definition.vector_as_input && role == Role::Vector {
            // Biases and gains start at a constant and have no multiplier.
            let init_std = Power::ONE;
            Law {
                init_std,
                ..rotate(laws.input, Power::ONE)
            }
        } else {
            laws[role]
        };
        law.learning_rate = law.learning_rate * self.rate_factor(role, family);
        if self.definition.states_experts {
            law = self.with_expert_choices(role, law);
        }
        if self.definition.entry_eps[role] && optimizer.eps_meets_norm(role) {
            law.eps = law.eps * role.norm();
        }
        // Decay in the gradient is defined in the form of Table 8, whose gradients have the size of
        // the base's.
        let mut canonical = rotate(law, self.canonical(role, law));
        if !self.definition.states_decay[role] {
            let gradient = self.gradient(role, canonical, &laws.output);
            canonical.weight_decay = self.decay_of(role, &canonical, gradient, step);
        }
        Ok(rotate(canonical, self.multiplier(role, law)))
    }

    /// How the entries of a role's gradient follow the sizes: as its multiplier and what the
    /// readout passes back (2308.01814 equation 2.26).
    fn gradient(&self, role: Role, law: Law, readout: &Law) -> Power {
        let Definition { own_backward, .. } = *self.definition;
        if self.definition.is_standard() || own_backward {
            return Power::ONE;
        }
        let (_, grows_out) = role.grows();
        let passed = if grows_out {
            let readout = readout.multiplier * readout.init_std;
            Power::fan_out(1, 1).raised(readout.width_exponent(true, false, 0.into()))
        } else {
            Power::ONE
        };
        law.multiplier * passed
    }

    fn laws(&self, family: Family, optimizer: Optimizer) -> Result<Laws, Error> {
        self.definition
            .laws(family, self.options.alignment)
            .ok_or_else(|| {
                let (rule, optimizer) = (self.name(), optimizer.to_string());
                RuleError::NoTable {
                    rule,
                    optimizer,
                    family,
                }
                .into()
            })
    }

    /// What the choices change of a learning rate in the rule's own form.
    fn rate_factor(&self, role: Role, family: Family) -> Power {
        let Options {
            embedding_lr,
            sgd_hidden,
            trust_readout,
            ..
        } = self.options;
        match (role, family) {
            (Role::Input, _) if embedding_lr == EmbeddingRate::InverseSqrt => Power::fan_out(-1, 2),
            (role, Family::RawGradient)
                if role.is_inside()
                    && sgd_hidden == SgdHidden::One
                    && !self.definition.is_standard() =>
            {
                Power::fan_in(1, 1) * Power::fan_out(-1, 1)
            }
            (Role::Output, Family::Frobenius) if trust_readout == TrustReadout::FanIn => {
                Power::fan_in(-1, 2)
            }
            _ => Power::ONE,
        }
    }

    /// What the choices about experts change of a law.
    fn with_expert_choices(&self, role: Role, law: Law) -> Law {
        let Options {
            head,
            router_init,
            expert_eps,
            sparsity_law,
            ..
        } = self.options;
        let (init_std, learning_rate) = match role {
            Role::Output if head == Head::AsPrinted => (Power::fan_in(-1, 2), Power::fan_in(-1, 1)),
            Role::Router if router_init == RouterInit::InverseWidth => {
                (Power::fan_in(-1, 1) / law.init_std, Power::ONE)
            }
            _ => (Power::ONE, Power::ONE),
        };
        Law {
            init_std: law.init_std * init_std,
            learning_rate: law.learning_rate * learning_rate * sparsity_law.learning_rate(),
            eps: law.eps * expert_eps.factor(role),
            ..law
        }
    }

    fn rotates_head(&self) -> bool {
        self.definition.states_experts && self.options.head == Head::CompleteDP
    }

    /// The multiplier of a role in the form of Table 8.
    fn canonical(&self, role: Role, own: Law) -> Power {
        if self.definition.is_standard() {
            Power::ONE
        } else {
            self.multiplier_in(Form::Table8, role, own)
        }
    }

    fn multiplier(&self, role: Role, own: Law) -> Power {
        match self.form {
            _ if role == Role::Output && self.rotates_head() => Power::ONE,
            None => own.multiplier,
            Some(_) if self.definition.is_standard() => Power::ONE,
            Some(form) => self.multiplier_in(form, role, own),
        }
    }

    /// TP5 knows no experts: what a rule has on their output stays in the forms with multipliers.
    fn multiplier_in(&self, form: Form, role: Role, own: Law) -> Power {
        match (form, role) {
            (Form::Table8 | Form::Table9, Role::ExpertOut) if self.definition.states_experts => {
                own.multiplier
            }
            _ => form.multiplier(role),
        }
    }

    /// What clipping multiplies the gradient norm of a role by, so that it is that of Table 8, or
    /// the threshold of its update: vector-like tensors grow as n^1/2 in norm, matrices as n
    /// (2308.01814 section 2.10.2).
    fn clip(&self, role: Role, law: Law) -> Power {
        match self.options.clip {
            Clip::Constant => Power::ONE,
            Clip::Invariant => self.canonical(role, law) / law.multiplier,
            Clip::Update => Power::fan_in(1, 2) * Power::fan_out(1, 2),
        }
    }

    /// What an epsilon that is constant in the form of Table 8 is in this one.
    fn constant_eps(&self, role: Role, law: Law, step: Step) -> Power {
        let family = step.optimizer.family_of(role);
        let theta = law.multiplier / self.canonical(role, law);
        let constant = Law {
            eps: Power::ONE,
            ..law
        };
        constant
            .rotated(theta, family, step.optimizer, step.decay)
            .eps
    }

    fn outside(&self, role: Role, law: Law, step: Step) -> Law {
        let (eps, final_norm_eps) = (self.eps(), self.options.final_norm_eps);
        let constant_norm = final_norm_eps == FinalNormEps::Constant || eps == Eps::CompleteDP;
        let eps = match eps {
            Eps::Rule | Eps::Faithful | Eps::CompleteDP
                if role == Role::Vector && constant_norm =>
            {
                Power::ONE
            }
            Eps::Rule | Eps::Faithful | Eps::CompleteDP => law.eps,
            Eps::FanIn => Power::fan_in(-1, 1),
            Eps::CompleteP => self.constant_eps(role, law, step),
            Eps::Constant => Power::ONE,
        };
        Law { eps, ..law }
    }

    fn in_block(&self, role: Role, law: Law, step: Step) -> Law {
        let (family, alpha) = (step.optimizer.family_of(role), self.options.depth);
        let depth = self.definition.depth;
        let rate = depth.learning_rate(family, alpha);
        let eps = match self.eps() {
            Eps::Rule | Eps::Faithful | Eps::CompleteDP => law.eps * depth.eps(family, alpha),
            Eps::FanIn => Power::fan_in(-1, 1),
            Eps::CompleteP if role == Role::Fixed => depth.residual(alpha),
            Eps::CompleteP => Power::fan_out(-1, 1) * depth.residual(alpha),
            Eps::Constant => Power::ONE,
        };
        Law {
            learning_rate: law.learning_rate * rate,
            weight_decay: law.weight_decay * self.block_decay(family, rate, step),
            eps,
            ..law
        }
    }

    /// The law of a block for what ends a residual branch: with the branch's multiplier in its
    /// weights, in a form without multipliers.
    fn at_branch_end(&self, role: Role, law: Law, step: Step) -> Law {
        let depth = self.definition.depth;
        if self.folds_branches() {
            let family = step.optimizer.family_of(role);
            let folded = depth.residual(self.options.depth);
            return Law {
                multiplier: law.multiplier,
                ..law.rotated(folded.raised(-1), family, step.optimizer, step.decay)
            };
        }
        // Gains start at a constant; where only depth grows, a matrix has the role fixed.
        let init_std = match role {
            Role::Vector => law.init_std,
            _ => law.init_std * depth.branch_init(),
        };
        Law { init_std, ..law }
    }

    /// Whether the multiplier of branches goes into what ends them, where that is declared.
    fn folds_branches(&self) -> bool {
        self.form == Some(Form::Folded)
    }
}
