//! The symmetry of abc tables: which tables train the same network.

use num_rational::Rational32;

use super::exponents::{Abcd, Exponents, Layers};
use crate::optimizer::Family;
use crate::role::Role;

/// The rotation `t` of each layer that turns one table into the other, if there is one (TP4
/// equation 5; 2308.01814 proposition 2.2.3): `a + t, b - t`, and `c - 2t` for a raw gradient, `c -
/// t` with `d + t` for a normalised one, `c` for updates relative to the weights. Biases and gains
/// must agree without one: they start at a constant, which no rotation divides.
pub fn shift(from: &Exponents, to: &Exponents) -> Option<Layers<Rational32>> {
    if from.family != to.family {
        return None;
    }
    let turned = |role: Role, from_row, to_row| rotation(from_row, to_row, from.family.at(role));
    turned(Role::Vector, from.vector, to.vector)?;
    let (left, right) = (from.layers, to.layers);
    Some(Layers::new(
        turned(Role::Input, left.input, right.input)?,
        turned(Role::Hidden, left.hidden, right.hidden)?,
        turned(Role::Output, left.output, right.output)?,
    ))
}

/// That of one layer.
fn rotation(from: Abcd, to: Abcd, family: Family) -> Option<Rational32> {
    let t = to.a - from.a;
    let (c, d) = match family {
        Family::RawGradient => (from.c - t * 2, to.d),
        Family::Entrywise | Family::Spectral => (from.c - t, from.d + t),
        Family::Frobenius => (from.c, from.d + t),
    };
    let (a, b) = (to.a, from.b - t);
    (Abcd { a, b, c, d } == to).then_some(t)
}
