//! A parametrization is a table: role → law.

use crate::{Power, Role};

/// How the five numbers of a parameter scale with its sizes, relative to the base model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Law {
    /// Factor on the weight in the forward pass.
    pub multiplier: Power,
    /// Standard deviation of the initial weights.
    pub init_std: Power,
    /// Learning rate.
    pub learning_rate: Power,
    /// Weight decay, in the convention of the optimizer that the table is for.
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
}

/// One parametrization for one optimizer family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Law of each role, in the order of [`Role::ALL`].
    laws: [Law; 5],
    /// Factor on the attention scale `1/√head_dim`, as a power of the head dimension's ratio (its fan-in).
    pub attention: Power,
}

impl Table {
    /// A table from its rows.
    pub(crate) const fn new(fixed: Law, vector: Law, input: Law, hidden: Law, output: Law, attention: Power) -> Self {
        Self { laws: [fixed, vector, input, hidden, output], attention }
    }

    /// The law of a role.
    pub fn law(&self, role: Role) -> &Law {
        &self.laws[role as usize]
    }
}
