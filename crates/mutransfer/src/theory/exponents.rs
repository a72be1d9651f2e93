//! The exponents of a table in the width of a square network.

use num_rational::Rational32;

use crate::law::{Law, Table};
use crate::optimizer::{Family, Optimizer};
use crate::role::Role;

/// One value per layer of a network: input, hidden, readout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers<T> {
    /// The first.
    pub input: T,
    /// Those between.
    pub hidden: T,
    /// The last.
    pub output: T,
}

impl<T: Copy> Layers<T> {
    /// From values in the order of the layers.
    pub const fn new(input: T, hidden: T, output: T) -> Self {
        Self {
            input,
            hidden,
            output,
        }
    }

    /// Values with the roles of the layers' matrices, in order.
    pub fn named(self) -> [(Role, T); 3] {
        [
            (Role::Input, self.input),
            (Role::Hidden, self.hidden),
            (Role::Output, self.output),
        ]
    }

    pub(crate) fn map<U: Copy>(self, change: impl Fn(T) -> U) -> Layers<U> {
        Layers {
            input: change(self.input),
            hidden: change(self.hidden),
            output: change(self.output),
        }
    }

    /// The value for parameters of a role: biases and gains are as the input, scalars have none.
    pub fn get(self, role: Role) -> Option<T> {
        match role {
            Role::Fixed => None,
            Role::Vector | Role::Input => Some(self.input),
            Role::Hidden => Some(self.hidden),
            Role::Output => Some(self.output),
        }
    }
}

/// The exponents of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abcd {
    /// Multiplier `n^-a`.
    pub a: Rational32,
    /// Initial standard deviation `n^-b`.
    pub b: Rational32,
    /// Learning rate `n^-c`.
    pub c: Rational32,
    /// Gradient times `n^d`, that is, epsilon times `n^-d`.
    pub d: Rational32,
}

impl Abcd {
    fn of(law: &Law, role: Role, own_factor: Rational32) -> Self {
        let (grows_in, grows_out) = role.grows();
        let [a, b, c, d] = [law.multiplier, law.init_std, law.learning_rate, law.eps]
            .map(|power| -power.width_exponent(grows_in, grows_out, own_factor));
        Self { a, b, c, d }
    }
}

/// The exponents of all layers under one optimizer family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exponents {
    /// Those of a square network.
    pub layers: Layers<Abcd>,
    /// The family that the hidden layers' learning rate is for; the other layers of a spectral
    /// table are entrywise.
    pub family: Family,
    /// Exponent of the factor that the optimizer itself puts on the update of a square matrix.
    pub own_factor: Rational32,
    /// Negative exponent of the learning rate of biases and gains.
    pub vector_c: Rational32,
    /// Exponent that the attention scale has more than `1/√head_dim`, in the size of a head.
    pub attention: Rational32,
}

impl Exponents {
    /// Reads them off a table, for a network in which all widths are proportional.
    pub fn of(table: &Table, optimizer: Optimizer) -> Self {
        let own_factor = optimizer.own_exponent();
        let layers = [Role::Input, Role::Hidden, Role::Output]
            .map(|role| Abcd::of(table.law(role), role, own_factor));
        let [input, hidden, output] = layers;
        Self {
            layers: Layers::new(input, hidden, output),
            family: optimizer.family(),
            own_factor,
            vector_c: Abcd::of(table.law(Role::Vector), Role::Vector, own_factor).c,
            attention: table.attention.width_exponent(true, false, own_factor),
        }
    }

    /// The `d` with which every gradient has entries of order one (2308.01814 equation 2.26), which
    /// depends on `a` and `b` only.
    pub fn faithful(&self) -> Layers<Rational32> {
        let Layers {
            input,
            hidden,
            output,
        } = self.layers;
        let signal = output.a + output.b;
        Layers::new(input.a + signal, hidden.a + signal, output.a)
    }
}
