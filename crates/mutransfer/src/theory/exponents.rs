//! The exponents of a table in the width of a square network.

use num_rational::Rational32;

use crate::law::Table;
use crate::optimizer::{Family, Optimizer};
use crate::role::{Place, Role};

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
    /// Gradient times `n^d`, that is, epsilon times `n^-d` where it is added to the root of a
    /// squared entry.
    pub d: Rational32,
}

impl Abcd {
    /// Epsilon beside the norm of a tensor counts as what it is beside an entry.
    fn of(table: &Table, role: Role, optimizer: Optimizer) -> Self {
        // The same in both places, but for epsilon of the final norm, which is an option.
        let law = table.law_at(role, Place::Block);
        let eps = if optimizer.eps_meets_norm(role) {
            law.eps / role.norm()
        } else {
            law.eps
        };
        let (grows_in, grows_out) = role.grows();
        let own_factor = optimizer.own_exponent();
        let [a, b, c, d] = [law.multiplier, law.init_std, law.learning_rate, eps]
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
    /// Those of biases and gains, which are input weights with the input 1 (TP5 appendix B); `b` is
    /// 0, as they start at a constant.
    pub vector: Abcd,
    /// Exponent that the attention scale has more than `1/√head_dim`, in the size of a head.
    pub attention: Rational32,
}

impl Exponents {
    /// Reads them off a table, for a network in which all widths are proportional.
    pub fn of(table: &Table, optimizer: Optimizer) -> Self {
        let [input, hidden, output, vector] =
            [Role::Input, Role::Hidden, Role::Output, Role::Vector]
                .map(|role| Abcd::of(table, role, optimizer));
        let own_factor = optimizer.own_exponent();
        let b = Rational32::from(0);
        Self {
            layers: Layers::new(input, hidden, output),
            family: optimizer.family(),
            own_factor,
            vector: Abcd { b, ..vector },
            attention: table.attention.width_exponent(true, false, own_factor),
        }
    }

    /// Those of every role that grows, in the order of roles.
    pub fn named(&self) -> [(Role, Abcd); 4] {
        let [input, hidden, output] = self.layers.named();
        [(Role::Vector, self.vector), input, hidden, output]
    }

    /// The `d` with which every gradient has entries of order one (2308.01814 equation 2.26), which
    /// depends on `a` and `b` only; none for scalars.
    pub fn faithful(&self, role: Role) -> Option<Rational32> {
        let output = self.layers.output;
        let signal = output.a + output.b;
        match role {
            Role::Fixed => None,
            Role::Vector => Some(self.vector.a + signal),
            Role::Input => Some(self.layers.input.a + signal),
            Role::Hidden | Role::Router | Role::ExpertIn | Role::ExpertOut => {
                Some(self.layers.hidden.a + signal)
            }
            Role::Output => Some(output.a),
        }
    }
}
