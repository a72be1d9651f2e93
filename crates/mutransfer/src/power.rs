//! Monomials in the size ratios, with exact exponents.

use std::fmt;
use std::str::FromStr;

use num_rational::Rational32;

use crate::Error;

/// Sizes of one parameter relative to the base model. Exactly 1 where nothing grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratios {
    /// `m_in`: fan-in over base fan-in.
    pub fan_in: f64,
    /// `m_out`: fan-out over base fan-out.
    pub fan_out: f64,
    /// `m_L`: number of residual blocks over that of the base.
    pub depth: f64,
    /// `m_aspect`: `min(1, fan_out/fan_in)` over that of the base (spectral condition).
    pub aspect: f64,
    /// `m_own`: the factor that the optimizer itself puts on an update of this shape, over that at
    /// the base shape.
    pub own: f64,
}

impl Ratios {
    /// The base itself.
    pub const ONE: Self = Self {
        fan_in: 1.0,
        fan_out: 1.0,
        depth: 1.0,
        aspect: 1.0,
        own: 1.0,
    };

    fn values(&self) -> [f64; RATIOS] {
        [self.fan_in, self.fan_out, self.depth, self.aspect, self.own]
    }
}

const RATIOS: usize = 5;
const NAMES: [&str; RATIOS] = ["m_in", "m_out", "m_L", "m_aspect", "m_own"];

/// `m_in^i · m_out^o · m_L^l …` with rational exponents, so that equality of tables is decidable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Power([Rational32; RATIOS]);

pub(crate) const ZERO: Rational32 = Rational32::new_raw(0, 1);

impl Power {
    /// Does not change with size.
    pub const ONE: Self = Self([ZERO; RATIOS]);

    const fn only(ratio: usize, numerator: i32, denominator: i32) -> Self {
        let mut exponents = [ZERO; RATIOS];
        exponents[ratio] = Rational32::new_raw(numerator, denominator);
        Self(exponents)
    }

    /// `m_in^(numerator/denominator)`. The fraction must be in lowest terms with a positive
    /// denominator.
    pub const fn fan_in(numerator: i32, denominator: i32) -> Self {
        Self::only(0, numerator, denominator)
    }

    /// `m_out^(numerator/denominator)`, as [`Power::fan_in`].
    pub const fn fan_out(numerator: i32, denominator: i32) -> Self {
        Self::only(1, numerator, denominator)
    }

    /// `m_L^exponent`.
    pub fn depth(exponent: Rational32) -> Self {
        Self([ZERO, ZERO, exponent, ZERO, ZERO])
    }

    /// `m_aspect^(numerator/denominator)`, as [`Power::fan_in`].
    pub const fn aspect(numerator: i32, denominator: i32) -> Self {
        Self::only(3, numerator, denominator)
    }

    /// `m_own^(numerator/denominator)`, as [`Power::fan_in`].
    pub const fn own(numerator: i32, denominator: i32) -> Self {
        Self::only(4, numerator, denominator)
    }

    /// The product of two monomials that share no ratio, for tables that are constants; else use
    /// `*`.
    pub const fn and(self, other: Self) -> Self {
        let mut exponents = self.0;
        let mut at = 0;
        while at < RATIOS {
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
    pub fn at(&self, ratios: Ratios) -> f64 {
        let factors = self
            .0
            .iter()
            .zip(ratios.values())
            .filter(|(exponent, _)| **exponent != ZERO);
        factors
            .map(|(exponent, ratio)| raise(ratio, *exponent))
            .product()
    }

    /// Exponent of the width `n` for a tensor whose growing fan-in and fan-out are both
    /// proportional to `n`.
    ///
    /// `aspect` is the exponent of `min(1, fan_out/fan_in)` there: 0 for a square matrix, -1 for a
    /// readout. `own` is that of the factor that the optimizer itself puts on a square matrix.
    pub(crate) fn width_exponent(
        &self,
        grows_in: bool,
        grows_out: bool,
        own: Rational32,
    ) -> Rational32 {
        let count = |grows: bool, exponent: Rational32| if grows { exponent } else { ZERO };
        let aspect = if grows_in && !grows_out {
            -self.0[3]
        } else {
            ZERO
        };
        let own = if grows_in && grows_out {
            self.0[4] * own
        } else {
            ZERO
        };
        count(grows_in, self.0[0]) + count(grows_out, self.0[1]) + aspect + own
    }

    /// Whether the optimizer's own factor is in it.
    pub(crate) fn has_own(&self) -> bool {
        self.0[4] != ZERO
    }

    /// The same monomial with fan-in and fan-out exchanged.
    pub(crate) fn swapped(self) -> Self {
        let [fan_in, fan_out, rest @ ..] = self.0;
        let mut exponents = [fan_out, fan_in, ZERO, ZERO, ZERO];
        exponents[2..].copy_from_slice(&rest);
        Self(exponents)
    }
}

impl std::ops::Mul for Power {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let mut exponents = self.0;
        exponents
            .iter_mut()
            .zip(other.0)
            .for_each(|(own, other)| *own += other);
        Self(exponents)
    }
}

impl std::ops::Div for Power {
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
        let mut shown = NAMES
            .iter()
            .zip(&self.0)
            .filter(|(_, exponent)| **exponent != ZERO)
            .peekable();
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

/// Reads what [`Display`](fmt::Display) writes: `1`, `m_in^-1/2`, `m_in^-1 m_out`.
impl FromStr for Power {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadPower {
            text: text.to_owned(),
        };
        let factors = text
            .split([' ', '*', '·'])
            .filter(|factor| !matches!(*factor, "" | "1"));
        let mut product = factors.map(|factor| {
            let (name, exponent) = factor.split_once('^').unwrap_or((factor, "1"));
            let at = NAMES
                .iter()
                .position(|known| *known == name)
                .ok_or_else(bad)?;
            let mut power = Self::ONE;
            power.0[at] = exponent_from(exponent).ok_or_else(bad)?;
            Ok(power)
        });
        match text.trim().is_empty() {
            true => Err(bad()),
            false => product.try_fold(Self::ONE, |left, right| {
                let product = left * right?;
                if product.0.iter().all(is_small) {
                    Ok(product)
                } else {
                    Err(bad())
                }
            }),
        }
    }
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
