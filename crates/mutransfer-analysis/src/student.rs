//! How likely a value of Student's t is: the tail probability, by way of the regularised incomplete
//! beta function.

/// Lanczos coefficients for g = 7, good to 15 digits.
const LANCZOS: [f64; 9] = [
    0.999_999_999_999_809_9,
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];

/// Terms of the continued fraction; it converges in about the root of the degrees of freedom.
const TERMS: usize = 300;

/// Probability that |t| is at least this large by chance: I(ν/(ν + t²); ν/2, 1/2) with ν degrees of
/// freedom.
pub(super) fn two_sided_p(t: f64, freedom: f64) -> f64 {
    match t.is_infinite() {
        true => 0.0,
        false => incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5),
    }
}

/// The regularised incomplete beta function I(x; a, b). The fraction converges fast below the mean
/// only; above it the other tail is taken.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    match x < (a + 1.0) / (a + b + 2.0) {
        true => front * fraction(x, a, b) / a,
        false => 1.0 - front * fraction(1.0 - x, b, a) / b,
    }
}

/// The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by
/// Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let away_from_zero = |value: f64| {
        if value.abs() < f64::MIN_POSITIVE {
            f64::MIN_POSITIVE
        } else {
            value
        }
    };
    let (mut numerator, mut denominator) =
        (1.0, 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = denominator;
    for term in 1..TERMS {
        let m = term as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for coefficient in [even, odd] {
            denominator = 1.0 / away_from_zero(1.0 + coefficient * denominator);
            numerator = away_from_zero(1.0 + coefficient / numerator);
            change = numerator * denominator;
            value *= change;
        }
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

/// Logarithm of the gamma function of a positive number.
fn ln_gamma(x: f64) -> f64 {
    if x < 0.5 {
        let pi = std::f64::consts::PI;
        return (pi / (pi * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let terms = LANCZOS[1..]
        .iter()
        .zip(1..)
        .map(|(coefficient, index)| coefficient / (x + f64::from(index)));
    let (sum, t) = (LANCZOS[0] + terms.sum::<f64>(), x + 7.5);
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // Closed forms for 1 and 2 degrees of freedom; the others are quantiles of printed tables.
        let one = |t: f64| 1.0 - 2.0 / std::f64::consts::PI * t.atan();
        let two = |t: f64| 1.0 - t / (2.0 + t * t).sqrt();
        for t in [0.0, 0.1, 1.0, 3.0, 12.706_204_736, 1000.0] {
            assert!((two_sided_p(t, 1.0) - one(t)).abs() < 1e-13, "{t}");
            assert!((two_sided_p(t, 2.0) - two(t)).abs() < 1e-13, "{t}");
            assert_eq!(two_sided_p(t, 2.0), two_sided_p(-t, 2.0));
        }
        let table = [
            (2.776_445_105, 4.0, 0.05),
            (3.169_272_673, 10.0, 0.01),
            (8.610_301_582, 4.0, 0.001),
            (2.042_272_456, 30.0, 0.05),
            (1.959_963_985, 1e7, 0.05),
        ];
        for (t, freedom, p) in table {
            assert!(
                (two_sided_p(t, freedom) - p).abs() < 1e-7,
                "{t} {freedom}: {}",
                two_sided_p(t, freedom)
            );
        }
        assert_eq!(two_sided_p(f64::NEG_INFINITY, 3.0), 0.0);
    }
}
