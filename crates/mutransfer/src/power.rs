//! Monomials in the size ratios, with exact exponents.

use std::fmt;
use std::ops::{Div, Index, Mul};
use std::str::FromStr;

use num_rational::Rational32;
use strum::{EnumCount, VariantArray};

use crate::error::RuleError;

/// A size of one parameter relative to the base model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, VariantArray, strum::Display)]
pub enum Ratio {
    /// Fan-in over base fan-in.
    #[strum(to_string = "m_in")]
    FanIn,
    /// Fan-out over base fan-out.
    #[strum(to_string = "m_out")]
    FanOut,
    /// Number of residual blocks over that of the base.
    #[strum(to_string = "m_L")]
    Depth,
    /// `min(1, fan_out/fan_in)` over that of the base (spectral condition).
    #[strum(to_string = "m_aspect")]
    Aspect,
    /// The factor that the optimizer itself puts on an update of this shape, over that at the base
    /// shape.
    #[strum(to_string = "m_own")]
    Own,
    /// Active width of the experts over that of the base; see
    /// [`Sizes::active_width`](crate::Sizes::active_width).
    #[strum(to_string = "m_H")]
    ActiveWidth,
    /// Active experts over those of the base.
    #[strum(to_string = "m_a")]
    Active,
    /// Experts over those of the base.
    #[strum(to_string = "m_E")]
    Experts,
}

/// The ratios of one parameter. Exactly 1 where nothing grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratios([f64; Ratio::COUNT]);

impl Ratios {
    /// The base itself.
    pub const ONE: Self = Self([1.0; Ratio::COUNT]);

    /// The same with another value for one of them.
    pub const fn with(mut self, ratio: Ratio, value: f64) -> Self {
        self.0[ratio as usize] = value;
        self
    }
}

impl Index<Ratio> for Ratios {
    type Output = f64;

    fn index(&self, ratio: Ratio) -> &f64 {
        &self.0[ratio as usize]
    }
}

/// `m_in^i · m_out^o · m_L^l …` with rational exponents, so that equality of tables is decidable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Power([Rational32; Ratio::COUNT]);

pub(crate) const ZERO: Rational32 = Rational32::new_raw(0, 1);

impl Power {
    /// Does not change with size.
    pub const ONE: Self = Self([ZERO; Ratio::COUNT]);

    /// One ratio to a power.
    pub const fn of(ratio: Ratio, exponent: Rational32) -> Self {
        let mut exponents = [ZERO; Ratio::COUNT];
        exponents[ratio as usize] = exponent;
        Self(exponents)
    }

    /// `m_in^(numerator/denominator)`. The fraction must be in lowest terms with a positive
    /// denominator.
    pub const fn fan_in(numerator: i32, denominator: i32) -> Self {
        Self::of(Ratio::FanIn, Rational32::new_raw(numerator, denominator))
    }

    /// `m_out^(numerator/denominator)`, as [`Power::fan_in`].
    pub const fn fan_out(numerator: i32, denominator: i32) -> Self {
        Self::of(Ratio::FanOut, Rational32::new_raw(numerator, denominator))
    }

    /// `m_aspect^(numerator/denominator)`, as [`Power::fan_in`].
    pub const fn aspect(numerator: i32, denominator: i32) -> Self {
        Self::of(Ratio::Aspect, Rational32::new_raw(numerator, denominator))
    }

    /// `m_own^(numerator/denominator)`, as [`Power::fan_in`].
    pub const fn own(numerator: i32, denominator: i32) -> Self {
        Self::of(Ratio::Own, Rational32::new_raw(numerator, denominator))
    }

    /// The exponent of one ratio.
    pub const fn exponent(self, ratio: Ratio) -> Rational32 {
        self.0[ratio as usize]
    }

    /// The product of two monomials that share no ratio, for tables that are constants; else use
    /// `*`.
    pub const fn and(self, other: Self) -> Self {
        let mut exponents = self.0;
        let mut at = 0;
        while at < Ratio::COUNT {
            if *other.0[at].numer() != 0 {
                exponents[at] = other.0[at];
            }
            at += 1;
        }
        Self(exponents)
    }

    /// This monomial to a power.
    pub fn raised(self, exponent: impl Into<Rational32>) -> Self {
        let exponent = exponent.into();
        Self(self.0.map(|own| own * exponent))
    }

    /// Its value. Exactly 1 at ratios of 1.
    pub fn at(self, ratios: Ratios) -> f64 {
        self.shown()
            .map(|(ratio, exponent)| raise(ratios[ratio], exponent))
            .product()
    }

    /// The ratios that are in it, with their exponents.
    fn shown(self) -> impl Iterator<Item = (Ratio, Rational32)> {
        Ratio::VARIANTS
            .iter()
            .map(move |ratio| (*ratio, self.exponent(*ratio)))
            .filter(|(_, exponent)| *exponent != ZERO)
    }

    /// Exponent of the width `n` for a tensor whose growing fan-in and fan-out are both
    /// proportional to `n`.
    ///
    /// The aspect `min(1, fan_out/fan_in)` follows it with exponent 0 in a square matrix, -1 in a
    /// readout. `own` is the exponent of the factor that the optimizer itself puts on a square
    /// matrix.
    pub(crate) fn width_exponent(
        self,
        grows_in: bool,
        grows_out: bool,
        own: Rational32,
    ) -> Rational32 {
        let mut exponent = ZERO;
        if grows_in {
            exponent += self.exponent(Ratio::FanIn);
        }
        if grows_out {
            exponent += self.exponent(Ratio::FanOut);
        }
        if grows_in && !grows_out {
            exponent -= self.exponent(Ratio::Aspect);
        }
        if grows_in && grows_out {
            exponent += self.exponent(Ratio::Own) * own;
        }
        exponent
    }

    /// The same monomial with fan-in and fan-out exchanged.
    pub(crate) fn swapped(self) -> Self {
        let mut exponents = self.0;
        exponents.swap(Ratio::FanIn as usize, Ratio::FanOut as usize);
        Self(exponents)
    }
}

impl Mul for Power {
    type Output = Self;

    #[expect(clippy::suspicious_arithmetic_impl, reason = "exponents add up")]
    fn mul(self, other: Self) -> Self {
        let mut exponents = self.0;
        for (own, other) in exponents.iter_mut().zip(other.0) {
            *own += other;
        }
        Self(exponents)
    }
}

impl Div for Power {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        self * other.raised(-1)
    }
}

/// Whole and half exponents without `powf`, so that ratios which are powers of two give exact
/// results.
fn raise(ratio: f64, exponent: Rational32) -> f64 {
    match exponent.denom() {
        1 => ratio.powi(*exponent.numer()),
        2 => ratio.sqrt().powi(*exponent.numer()),
        _ => ratio.powf(f64::from(*exponent.numer()) / f64::from(*exponent.denom())),
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ONE {
            return f.write_str("1");
        }
        for (position, (ratio, exponent)) in self.shown().enumerate() {
            let space = if position == 0 { "" } else { " " };
            if exponent == Rational32::from(1) {
                write!(f, "{space}{ratio}")?;
            } else {
                write!(f, "{space}{ratio}^{exponent}")?;
            }
        }
        Ok(())
    }
}

/// Reads what [`Display`](fmt::Display) writes: `1`, `m_in^-1/2`, `m_in^-1 m_out`.
impl FromStr for Power {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        product(text).ok_or_else(|| RuleError::BadPower {
            text: text.to_owned(),
        })
    }
}

fn product(text: &str) -> Option<Power> {
    if text.trim().is_empty() {
        return None;
    }
    let mut product = Power::ONE;
    for written in text.split([' ', '*', '·']) {
        if !matches!(written, "" | "1") {
            product = product * factor(written)?;
        }
        if !product.0.iter().all(is_small) {
            return None;
        }
    }
    Some(product)
}

fn factor(text: &str) -> Option<Power> {
    let (name, exponent) = text.split_once('^').unwrap_or((text, "1"));
    let mut ratios = Ratio::VARIANTS.iter();
    let ratio = ratios.find(|ratio| ratio.to_string() == name)?;
    Some(Power::of(*ratio, exponent_from(exponent)?))
}

/// Denominators of exponents as written divide this: all up to 12, and decimals of three places.
const COMMON_DENOMINATOR: i32 = 16 * 9 * 125 * 7 * 11;

/// Exponents whose sums, in laws and theory, do not overflow.
fn is_small(exponent: &Rational32) -> bool {
    COMMON_DENOMINATOR % exponent.denom() == 0
        && exponent.numer().unsigned_abs() <= 10 * exponent.denom().unsigned_abs()
}

/// A rational number written `-1/2`, `(1/2)`, `2` or `0.25`, of at most 10 in size.
pub(crate) fn exponent_from(text: &str) -> Option<Rational32> {
    let text = text.trim();
    let text = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(text);
    let written = match text.split_once('/') {
        Some((_, denominator)) if denominator.trim().parse::<i32>().ok()? <= 0 => return None,
        Some((numerator, denominator)) => {
            let [numerator, denominator] =
                [numerator, denominator].map(|part| part.trim().parse::<i32>());
            Rational32::new(numerator.ok()?, denominator.ok()?)
        }
        None => decimal(text)?,
    };
    Some(written).filter(is_small)
}

/// A decimal of at most three places, exactly.
fn decimal(text: &str) -> Option<Rational32> {
    let value: f64 = text.parse().ok()?;
    let thousandths = (value * 1000.0).round();
    let exact = thousandths.abs() <= 1e6 && (thousandths / 1000.0 - value).abs() < 1e-12;
    exact.then(|| Rational32::new(thousandths as i32, 1000))
}
