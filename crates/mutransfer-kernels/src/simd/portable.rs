//! Vectors for every machine.

use super::Simd;

/// The plain Rust vectors: arrays that the compiler maps to whatever the target has.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

const PORTABLE_LANES: usize = 8;

#[inline(always)]
fn map(a: [f32; PORTABLE_LANES], f: impl Fn(f32) -> f32) -> [f32; PORTABLE_LANES] {
    std::array::from_fn(|i| f(a[i]))
}

#[inline(always)]
fn zip(
    a: [f32; PORTABLE_LANES],
    b: [f32; PORTABLE_LANES],
    f: impl Fn(f32, f32) -> f32,
) -> [f32; PORTABLE_LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// `mul_add` only where it is one instruction; elsewhere it would be a call.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

impl Simd for Portable {
    type V = [f32; PORTABLE_LANES];
    type Mask = usize;
    const LANES: usize = PORTABLE_LANES;
    const TILE: usize = 2;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; PORTABLE_LANES]
    }
    #[inline(always)]
    fn mask(self, count: usize) -> Self::Mask {
        count
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller answers for `LANES` numbers.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: the caller answers for `LANES` numbers.
        unsafe { to.cast::<Self::V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_masked(self, from: *const f32, mask: usize) -> Self::V {
        let mut v = [0.0; PORTABLE_LANES];
        // SAFETY: the caller answers for `mask <= LANES` numbers.
        unsafe { std::ptr::copy_nonoverlapping(from, v.as_mut_ptr(), mask) };
        v
    }
    #[inline(always)]
    unsafe fn store_masked(self, to: *mut f32, v: Self::V, mask: usize) {
        // SAFETY: the caller answers for `mask <= LANES` numbers.
        unsafe { std::ptr::copy_nonoverlapping(v.as_ptr(), to, mask) };
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        map(a, f32::sqrt)
    }
    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        map(a, f32::abs)
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| multiply_add(a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| multiply_add(-a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn square_error(self, a: Self::V, square: Self::V) -> Self::V {
        zip(a, square, |a, square| {
            (f64::from(a) * f64::from(a) - f64::from(square)) as f32
        })
    }
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        // Adding 1.5 * 2^23 leaves no bits for the fraction.
        map(a, |a| (a + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    fn scale_by_power(self, a: Self::V, n: Self::V) -> Self::V {
        // The integer sits in the low bits of n + 1.5 * 2^23: shift it to the exponent.
        zip(a, n, |a, n| {
            a * f32::from_bits((n + (12_582_912.0 + 127.0)).to_bits() << 23)
        })
    }
    #[inline(always)]
    fn select_negative(self, x: Self::V, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if x[i] < 0.0 { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn select(self, mask: usize, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if i < mask { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn invert(self, a: Self::V) -> Self::V {
        map(a, |a| 1.0 / a)
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    fn largest(self, a: Self::V) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        for i in 0..PORTABLE_LANES {
            for j in 0..PORTABLE_LANES {
                // SAFETY: the caller answers for both squares.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) };
            }
        }
    }
}
