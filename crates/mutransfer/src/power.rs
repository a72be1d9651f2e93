//! Monomials in the size ratios, with exact exponents.

use std::fmt;

use num_rational::Rational32;

/// Sizes of one parameter relative to the base model. Exactly 1 where a dimension does not grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratios {
    /// `m_in`: fan-in over base fan-in.
    pub fan_in: f64,
    /// `m_out`: fan-out over base fan-out.
    pub fan_out: f64,
}

impl Ratios {
    /// The base itself.
    pub const ONE: Self = Self { fan_in: 1.0, fan_out: 1.0 };
}

/// `m_in^fan_in · m_out^fan_out` with rational exponents, so that equality of tables is decidable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    /// Exponent of `m_in`.
    pub fan_in: Rational32,
    /// Exponent of `m_out`.
    pub fan_out: Rational32,
}

const ZERO: Rational32 = Rational32::new_raw(0, 1);

impl Power {
    /// Does not change with size.
    pub const ONE: Self = Self { fan_in: ZERO, fan_out: ZERO };

    /// `m_in^(numerator/denominator)`. The fraction must be in lowest terms with a positive denominator.
    pub const fn fan_in(numerator: i32, denominator: i32) -> Self {
        Self { fan_in: Rational32::new_raw(numerator, denominator), fan_out: ZERO }
    }

    /// `m_out^(numerator/denominator)`. The fraction must be in lowest terms with a positive denominator.
    pub const fn fan_out(numerator: i32, denominator: i32) -> Self {
        Self { fan_in: ZERO, fan_out: Rational32::new_raw(numerator, denominator) }
    }

    /// The product of two monomials in different ratios: this one's fan-in part and the other's fan-out part.
    pub const fn and(self, other: Self) -> Self {
        Self { fan_in: self.fan_in, fan_out: other.fan_out }
    }

    /// Its value. Exactly 1 at ratios of 1.
    pub fn at(&self, ratios: Ratios) -> f64 {
        raise(ratios.fan_in, self.fan_in) * raise(ratios.fan_out, self.fan_out)
    }
}

/// Whole and half exponents without `powf`, so that ratios which are powers of two give exact results.
fn raise(ratio: f64, exponent: Rational32) -> f64 {
    match exponent.denom() {
        1 => ratio.powi(*exponent.numer()),
        2 => ratio.sqrt().powi(*exponent.numer()),
        _ => ratio.powf(f64::from(*exponent.numer()) / f64::from(*exponent.denom())),
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factors = [("m_in", self.fan_in), ("m_out", self.fan_out)];
        let mut shown = factors.iter().filter(|(_, exponent)| *exponent != ZERO).peekable();
        if shown.peek().is_none() {
            return f.write_str("1");
        }
        for (position, (name, exponent)) in shown.enumerate() {
            let space = if position == 0 { "" } else { " " };
            match *exponent == Rational32::new_raw(1, 1) {
                true => write!(f, "{space}{name}")?,
                false => write!(f, "{space}{name}^{exponent}")?,
            }
        }
        Ok(())
    }
}
