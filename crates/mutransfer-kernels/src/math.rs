//! Exponentials and what is made of them, to about one part in ten million.

use crate::simd::{Simd, spans};

/// Evaluates a polynomial, highest coefficient first.
#[inline(always)]
pub(crate) fn polynomial<S: Simd, const N: usize>(s: S, x: S::V, coefficients: [f32; N]) -> S::V {
    let mut y = s.splat(coefficients[0]);
    for &c in &coefficients[1..] {
        y = s.fma(y, x, s.splat(c));
    }
    y
}

/// `e^x`; below -87 it stays at about 1e-38 and above 88 at about 2e38. NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    exp_of_difference(s, x, s.splat(0.0))
}

/// `e^(x - small)`, where `small` may lie below the last bit of `x`.
#[inline(always)]
fn exp_of_difference<S: Simd>(s: S, x: S::V, small: S::V) -> S::V {
    // The bound comes first: `max` and `min` return their second operand when one is NaN.
    let x = s.min(s.splat(88.0), s.max(s.splat(-87.3), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts: the first has few enough bits for an exact product.
    let r = s.sub(
        s.fnma(
            n,
            s.splat(-2.121_944_4e-4),
            s.fnma(n, s.splat(0.693_359_4), x),
        ),
        small,
    );
    // Cephes, expf.
    let p = polynomial(
        s,
        r,
        [
            1.987_569_1e-4,
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            0.5,
            1.0,
            1.0,
        ],
    );
    s.scale_by_power(p, n)
}

/// `e^x` for the shares of a softmax, where `x` is at most about 0: exactly zero or at least 2^-64.
///
/// Tinier shares change no sum, but their products are subnormal numbers, on which processors are
/// slow: a diverging training, whose softmaxes are saturated, would take ten times as long.
#[inline(always)]
pub(crate) fn share<S: Simd>(s: S, x: S::V) -> S::V {
    // Adding and subtracting 2^-41 rounds what is smaller to a multiple of its last bit, 2^-64.
    let coarse = s.splat(4.547_473_5e-13);
    s.sub(s.add(exp(s, x), coarse), coarse)
}

/// The largest number of a row; minus infinity where there is none.
#[inline(always)]
pub(crate) fn largest<S: Simd>(s: S, row: &[f32]) -> f32 {
    let mut largest = s.splat(f32::NEG_INFINITY);
    spans!(s, row.len(), |p| {
        largest = s.max(largest, p.or(p.load(row), f32::NEG_INFINITY));
    });
    s.largest(largest)
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let e = exp(s, s.sub(s.splat(0.0), x));
    // Capped where the inverse of `1 + e` would leave the normal numbers.
    s.invert(s.min(s.splat(8e37), s.add(e, s.splat(1.0))))
}

/// The standard normal distribution at `x`: cumulative and density, without the tails beyond 9.
#[inline(always)]
pub(crate) fn normal<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    let square = s.mul(x, x);
    // What the rounding of the square lost would cost seven units at x = 5.
    let lost = s.square_error(x, square);
    let half = s.splat(0.5);
    let e = exp_of_difference(s, s.mul(square, s.splat(-0.5)), s.mul(lost, half));
    // Beyond 9 the tail is 1e-19 of nothing that matters, and further out its products would be
    // subnormal.
    let e = s.select_negative(s.sub(s.splat(9.0), s.abs(x)), s.splat(0.0), e);
    // The tail beyond |x| is e^(-x²/2) times a smooth function, fitted in t with a relative error
    // below 1.2e-7 (a minimax fit of erfcx over 0..13).
    let t = s.invert(s.fma(s.abs(x), s.splat(0.3), s.splat(1.0)));
    let fit = polynomial(
        s,
        t,
        [
            0.036_194_65,
            -0.159_377_36,
            0.210_116_67,
            -0.057_165_697,
            0.130_415_51,
            0.099_347_41,
            0.120_845_48,
            0.119_623_266,
            0.0,
        ],
    );
    let tail = s.mul(e, fit);
    let cumulative = s.select_negative(x, tail, s.sub(s.splat(1.0), tail));
    (cumulative, s.mul(e, s.splat(0.398_942_3)))
}
