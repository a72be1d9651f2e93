//! A parametrization is a table: role → law.

use crate::optimizer::{Decay, Family, Optimizer};
use crate::options::Clip;
use crate::power::Power;
use crate::role::{Place, Role};
use crate::roles::Roles;

/// How the five numbers of a parameter scale with its sizes, relative to the base model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Law {
    /// Factor on the weight in the forward pass.
    pub multiplier: Power,
    /// Standard deviation of the initial weights.
    pub init_std: Power,
    /// Learning rate.
    pub learning_rate: Power,
    /// Weight decay, in the table's convention.
    pub weight_decay: Power,
    /// Epsilon, added after the square root.
    pub eps: Power,
}

impl Law {
    /// Nothing changes with size.
    pub const ONE: Self = Self {
        multiplier: Power::ONE,
        init_std: Power::ONE,
        learning_rate: Power::ONE,
        weight_decay: Power::ONE,
        eps: Power::ONE,
    };

    /// The same training with the multiplier times `theta` and the weights divided by it (TP5 lemma
    /// J.1).
    ///
    /// The gradient grows by `theta`; the other numbers follow so that no step changes what the
    /// network computes:
    ///
    /// | | raw gradient | entrywise, spectral | trust ratio |
    /// |---|---|---|---|
    /// | learning rate | θ⁻² | θ⁻¹ | 1 |
    /// | epsilon | | θ | θ |
    /// | decay times the learning rate | θ² | θ | 1 |
    /// | independent decay | 1 | 1 | 1 |
    /// | decay in the gradient | θ² | θ² | θ² (LAMB: θ) |
    pub fn rotated(self, theta: Power, family: Family, optimizer: Optimizer, decay: Decay) -> Self {
        let rotation = Rotation::of(family, optimizer, decay);
        Self {
            multiplier: self.multiplier * theta,
            init_std: self.init_std / theta,
            learning_rate: self.learning_rate * theta.raised(rotation.learning_rate),
            weight_decay: self.weight_decay * theta.raised(rotation.weight_decay),
            eps: self.eps * theta.raised(rotation.eps),
        }
    }

    /// The five powers with their names, in the order tables are printed.
    pub fn columns(&self) -> [(&'static str, Power); 5] {
        [
            ("multiplier", self.multiplier),
            ("init_std", self.init_std),
            ("lr", self.learning_rate),
            ("weight_decay", self.weight_decay),
            ("eps", self.eps),
        ]
    }
}

/// Exponents of `theta` where a multiplier becomes `theta` times as large and nothing that the
/// network computes changes; see [`Law::rotated`].
#[derive(Clone, Copy)]
pub(crate) struct Rotation {
    pub(crate) learning_rate: i32,
    pub(crate) weight_decay: i32,
    pub(crate) eps: i32,
}

impl Rotation {
    pub(crate) fn of(family: Family, optimizer: Optimizer, decay: Decay) -> Self {
        let (learning_rate, eps) = match family {
            Family::RawGradient => (-2, 0),
            Family::Entrywise | Family::Spectral => (-1, 1),
            Family::Frobenius => (0, 1),
        };
        Self {
            learning_rate,
            weight_decay: optimizer.decay_rotation(family, decay),
            eps,
        }
    }
}

/// The laws of all roles, as one parametrization states them for one optimizer family.
pub(crate) type Laws = Roles<Law>;

impl Laws {
    pub(crate) const ONE: Self = Self::all(Law::ONE);
}

/// A parametrization for one optimizer, complete: what a plan applies and what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Of parameters outside of the residual blocks, and of all at the base depth.
    pub(crate) outside: Laws,
    /// Of parameters in residual blocks.
    pub(crate) block: Laws,
    /// Of those that end residual branches.
    pub(crate) branch_end: Laws,
    /// Whether those have the multiplier of their branch in their weights.
    pub(crate) folds_branches: bool,
    /// Whether experts and their router have laws of their own.
    pub(crate) states_experts: bool,
    /// What a role's gradient norm, or the threshold of its update, is multiplied with for
    /// clipping.
    pub(crate) clip: Roles<Power>,
    /// What Sophia's bound `rho` is multiplied with; see [`Table::rho_at`].
    pub(crate) rho: Option<Roles<Power>>,
    /// Factor on the attention scale `1/√head_dim`, as a power of the head dimension's ratio (its
    /// fan-in).
    pub attention: Power,
    /// Factor on the output of every residual branch.
    pub residual: Power,
    /// The convention that the weight decay is in.
    pub decay: Decay,
}

impl Table {
    /// The law of a role outside of the residual blocks, which is also the one inside at the base
    /// depth.
    pub fn law(&self, role: Role) -> &Law {
        self.law_at(role, Place::Outside)
    }

    /// The roles that it has laws of their own for, in the order of [`Role::ALL`]: without experts
    /// where those are hidden matrices to it.
    pub fn roles(&self) -> Vec<Role> {
        let mut roles = Role::ALL.to_vec();
        roles.retain(|role| self.known(*role) == *role);
        roles
    }

    /// The role that it has a law for.
    fn known(&self, role: Role) -> Role {
        if self.states_experts || !role.is_of_experts() {
            role
        } else {
            Role::Hidden
        }
    }

    /// The law of a role at a place.
    pub fn law_at(&self, role: Role, place: Place) -> &Law {
        let role = self.known(role);
        match place {
            Place::Outside => &self.outside[role],
            Place::Block => &self.block[role],
            Place::BranchEnd => &self.branch_end[role],
        }
    }

    /// Factor on the output of residual branches whose ends are declared: none in a form without
    /// multipliers, where their weights have it.
    pub fn unfolded_residual(&self) -> Power {
        if self.folds_branches {
            Power::ONE
        } else {
            self.residual
        }
    }

    /// The scale of Sophia's `rho`, which its Hessian is multiplied by before the momentum is
    /// divided by it; none under another optimizer.
    ///
    /// Entries of the Hessian are as the square of the gradient's, so that the share of entries
    /// which are clipped stays what it is if `rho` is as one over the gradient.
    pub fn rho_at(&self, role: Role, place: Place) -> Option<Power> {
        let rho = self.rho?[self.known(role)];
        Some(match place {
            Place::Outside => rho,
            // Folded, a branch's multiplier is no factor of the gradient.
            Place::BranchEnd if self.folds_branches => rho,
            Place::Block | Place::BranchEnd => rho / self.residual,
        })
    }

    /// What the gradient norm of a role, or the threshold of its update, is multiplied with for
    /// clipping.
    pub(crate) fn clip_at(&self, role: Role, place: Place, of: Clip) -> Power {
        let role = self.known(role);
        match (place, of) {
            (Place::BranchEnd, Clip::Invariant) if self.folds_branches => {
                self.clip[role] * self.residual
            }
            _ => self.clip[role],
        }
    }
}
