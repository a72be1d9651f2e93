//! One vocabulary of vector operations, three instruction sets.
//!
//! A kernel body is written once, generic over [`Simd`], and marked `#[inline(always)]`. The macro
//! [`kernel!`] wraps it in one function per instruction set, so the choice is made once per call
//! and never inside a loop, and everything below the wrapper is compiled with its features.
//!
//! A value of a [`Simd`] type is the proof that the processor has the instructions: it can only be
//! made inside those wrappers, and a wrapper is only reached through a checked [`Isa`].

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

/// An instruction set the kernels are compiled for. Results are bitwise reproducible per set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// Plain Rust on arrays of eight numbers: runs everywhere.
    pub const PORTABLE: Self = Self(Level::Portable);

    /// The best set of this machine.
    #[must_use]
    pub fn detect() -> Self {
        *Self::available().last().unwrap_or(&Self::PORTABLE)
    }

    /// Every set of this machine, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
        let mut sets = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 {
                sets.push(Self(Level::Avx2));
            }
            if avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                sets.push(Self(Level::Avx512));
            }
        }
        sets
    }

    /// `portable`, `avx2` or `avx512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }

    pub(crate) fn level(self) -> Level {
        self.0
    }
}

/// Defines a function that runs a generic kernel body on the given [`Isa`].
macro_rules! kernel {
    ($vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:path) => {
        #[cfg_attr(
            target_arch = "x86_64",
            expect(unsafe_code, reason = "an instruction set is entered where it was detected")
        )]
        $vis fn $name(isa: $crate::simd::Isa, $($arg: $ty),*) $(-> $ret)? {
            use $crate::simd::Level;
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: this function has the features.
                $body(unsafe { $crate::simd::Avx512::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: this function has the features.
                $body(unsafe { $crate::simd::Avx2::new() }, $($arg),*)
            }
            match isa.level() {
                Level::Portable => $body($crate::simd::Portable, $($arg),*),
                // SAFETY: an `Isa` of this level exists only where the features were detected.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { avx512($($arg),*) },
            }
        }
    };
}
pub(crate) use kernel;

/// Vectors of `LANES` numbers. The pointer operations are unsafe for the usual reason: the caller
/// answers for `LANES` (or `count`) valid numbers behind the pointer; alignment is not needed.
pub(crate) trait Simd: Copy {
    /// A vector.
    type V: Copy;
    /// A selection of leading lanes.
    type Mask: Copy;
    const LANES: usize;
    /// Vectors in a row of a register tile: six rows of sums stay in registers, with a row of one
    /// operand and a number of the other.
    const TILE: usize;

    fn splat(self, x: f32) -> Self::V;
    /// Asks for the line at an address that is about to be used.
    #[inline(always)]
    fn prefetch(self, _at: *const f32) {}
    /// The first `count` lanes, `count <= LANES`.
    fn mask(self, count: usize) -> Self::Mask;
    unsafe fn load(self, from: *const f32) -> Self::V;
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// Loads the selected lanes; the others are zero.
    unsafe fn load_masked(self, from: *const f32, mask: Self::Mask) -> Self::V;
    unsafe fn store_masked(self, to: *mut f32, v: Self::V, mask: Self::Mask);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;
    fn abs(self, a: Self::V) -> Self::V;
    /// `a * b + c`
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// What the rounded square of `a` lacks.
    #[inline(always)]
    fn square_error(self, a: Self::V, square: Self::V) -> Self::V {
        self.fma(a, a, self.sub(self.splat(0.0), square))
    }
    /// Nearest integer.
    fn round(self, a: Self::V) -> Self::V;
    /// `a * 2^n` for integral `n` in -126..=127 and normal results.
    fn scale_by_power(self, a: Self::V, n: Self::V) -> Self::V;
    /// `x < 0 ? a : b`
    fn select_negative(self, x: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// The selected lanes from `a`, the others from `b`.
    fn select(self, mask: Self::Mask, a: Self::V, b: Self::V) -> Self::V;
    /// `1 / a` to within two units in the last place, for normal `a` with a normal inverse.
    fn invert(self, a: Self::V) -> Self::V;
    fn sum(self, a: Self::V) -> f32;
    fn largest(self, a: Self::V) -> f32;
    /// Writes the transpose of a square of `LANES x LANES` numbers.
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);
}

/// A vector's worth of positions in a row; the last one of a row may be partial.
#[derive(Clone, Copy)]
pub(crate) struct Span<S: Simd> {
    s: S,
    at: usize,
    tail: Option<S::Mask>,
    len: usize,
}

/// Runs a body for the consecutive spans of `0..len`, inlined like everything below a kernel.
macro_rules! spans {
    ($s:expr, $len:expr, |$span:ident| $body:expr $(,)?) => {
        $crate::simd::each_span(
            $s,
            $len,
            #[inline(always)]
            |$span| $body,
        )
    };
}
pub(crate) use spans;

/// Calls `f` with the consecutive spans of `0..len`. Written as [`spans!`], which has closures
/// inlined too.
#[inline(always)]
pub(crate) fn each_span<S: Simd>(s: S, len: usize, mut f: impl FnMut(Span<S>)) {
    let full = len / S::LANES * S::LANES;
    for at in (0..full).step_by(S::LANES) {
        f(Span {
            s,
            at,
            tail: None,
            len: S::LANES,
        });
    }
    if full < len {
        f(Span {
            s,
            at: full,
            tail: Some(s.mask(len - full)),
            len: len - full,
        });
    }
}

impl<S: Simd> Span<S> {
    /// Reads the span from a row; lanes behind its end are zero.
    #[inline(always)]
    pub(crate) fn load(self, row: &[f32]) -> S::V {
        let part = &row[self.at..self.at + self.len];
        // SAFETY: `part` has as many numbers as there are lanes, or as the mask selects.
        unsafe {
            match self.tail {
                None => self.s.load(part.as_ptr()),
                Some(mask) => self.s.load_masked(part.as_ptr(), mask),
            }
        }
    }

    /// The first position.
    #[inline(always)]
    pub(crate) fn at(self) -> usize {
        self.at
    }

    /// Writes the span to a row.
    #[inline(always)]
    pub(crate) fn store(self, row: &mut [f32], v: S::V) {
        self.store_at(row, self.at, v);
    }

    /// Writes as many numbers to another position.
    #[inline(always)]
    pub(crate) fn store_at(self, row: &mut [f32], at: usize, v: S::V) {
        let part = &mut row[at..at + self.len];
        // SAFETY: as above.
        unsafe {
            match self.tail {
                None => self.s.store(part.as_mut_ptr(), v),
                Some(mask) => self.s.store_masked(part.as_mut_ptr(), v, mask),
            }
        }
    }

    /// Replaces the lanes behind the end of the row.
    #[inline(always)]
    pub(crate) fn or(self, v: S::V, fill: f32) -> S::V {
        match self.tail {
            None => v,
            Some(mask) => self.s.select(mask, v, self.s.splat(fill)),
        }
    }
}
