//! Vectors of x86-64 processors.

use super::Simd;
#[allow(clippy::wildcard_imports, reason = "every line names an instruction")]
use std::arch::x86_64::*;

/// Vectors of sixteen.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// Vectors of eight.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx512 {
    /// # Safety
    /// The processor must have AVX-512 F and DQ, AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

impl Avx2 {
    /// # Safety
    /// The processor must have AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

/// Shorthand: every call below is sound because `self` proves the features and, for pointers,
/// because the caller of the trait method answers for the memory.
macro_rules! proved {
    ($e:expr) => {
        // SAFETY: see the macro.
        unsafe { $e }
    };
}

impl Simd for Avx512 {
    type V = __m512;
    type Mask = __mmask16;
    const LANES: usize = 16;
    const TILE: usize = 4;

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        proved!(_mm_prefetch::<_MM_HINT_T0>(at.cast()));
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        proved!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn mask(self, count: usize) -> __mmask16 {
        ((1_u32 << count) - 1) as __mmask16
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        proved!(_mm512_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m512) {
        proved!(_mm512_storeu_ps(to, v));
    }
    #[inline(always)]
    unsafe fn load_masked(self, from: *const f32, mask: __mmask16) -> __m512 {
        proved!(_mm512_maskz_loadu_ps(mask, from))
    }
    #[inline(always)]
    unsafe fn store_masked(self, to: *mut f32, v: __m512, mask: __mmask16) {
        proved!(_mm512_mask_storeu_ps(to, mask, v));
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        proved!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        proved!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        proved!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        proved!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        proved!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        proved!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        proved!(_mm512_sqrt_ps(a))
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        proved!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        proved!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn fnma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        proved!(_mm512_fnmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        proved!(_mm512_roundscale_ps::<0>(a))
    }
    #[inline(always)]
    fn scale_by_power(self, a: __m512, n: __m512) -> __m512 {
        proved!(_mm512_scalef_ps(a, n))
    }
    #[inline(always)]
    fn select_negative(self, x: __m512, a: __m512, b: __m512) -> __m512 {
        proved!(_mm512_mask_blend_ps(
            _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps()),
            b,
            a
        ))
    }
    #[inline(always)]
    fn select(self, mask: __mmask16, a: __m512, b: __m512) -> __m512 {
        proved!(_mm512_mask_blend_ps(mask, b, a))
    }
    #[inline(always)]
    fn invert(self, a: __m512) -> __m512 {
        // Fourteen bits, doubled by one Newton step.
        let guess = proved!(_mm512_rcp14_ps(a));
        self.fma(guess, self.fnma(a, guess, self.splat(1.0)), guess)
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        proved!(_mm512_reduce_add_ps(a))
    }
    #[inline(always)]
    fn largest(self, a: __m512) -> f32 {
        proved!(_mm512_reduce_max_ps(a))
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        // Four rounds, each exchanging one bit of the row number with one bit of the column number.
        proved!({
            let mut r = [_mm512_setzero_ps(); 16];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm512_loadu_ps(from.add(i * from_stride));
            }
            for i in 0..8 {
                let (a, b) = (r[2 * i], r[2 * i + 1]);
                r[2 * i] = _mm512_unpacklo_ps(a, b);
                r[2 * i + 1] = _mm512_unpackhi_ps(a, b);
            }
            let mut q = r;
            for i in 0..4 {
                for h in 0..2 {
                    let (a, b) = (
                        _mm512_castps_pd(r[4 * i + h]),
                        _mm512_castps_pd(r[4 * i + 2 + h]),
                    );
                    q[4 * i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                    q[4 * i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                }
            }
            // Now q[4g + c] holds, in its 128-bit lane l, column 4l + c of rows 4g..4g + 4.
            for c in 0..4 {
                let columns = self.columns([q[c], q[4 + c], q[8 + c], q[12 + c]]);
                for (l, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((4 * l + c) * to_stride), column);
                }
            }
        });
    }
}

impl Avx512 {
    /// Exchanges the 128-bit lanes of four vectors with their numbers: lane `l` of all of them
    /// becomes vector `l`.
    #[expect(clippy::unused_self, reason = "it proves that the processor has them")]
    #[inline(always)]
    fn columns(self, [a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        proved!({
            let even01 = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
            let odd01 = _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);
            let even23 = _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d);
            let odd23 = _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d);
            [
                _mm512_shuffle_f32x4::<0b10_00_10_00>(even01, even23),
                _mm512_shuffle_f32x4::<0b10_00_10_00>(odd01, odd23),
                _mm512_shuffle_f32x4::<0b11_01_11_01>(even01, even23),
                _mm512_shuffle_f32x4::<0b11_01_11_01>(odd01, odd23),
            ]
        })
    }
}

/// Eight ones, then eight zeros: a mask of `n` starts at `8 - n`.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Simd for Avx2 {
    type V = __m256;
    type Mask = __m256i;
    const LANES: usize = 8;
    const TILE: usize = 2;

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        proved!(_mm_prefetch::<_MM_HINT_T0>(at.cast()));
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        proved!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    fn mask(self, count: usize) -> __m256i {
        let from = MASKS[8 - count..].as_ptr();
        proved!(_mm256_loadu_si256(from.cast()))
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        proved!(_mm256_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m256) {
        proved!(_mm256_storeu_ps(to, v));
    }
    #[inline(always)]
    unsafe fn load_masked(self, from: *const f32, mask: __m256i) -> __m256 {
        proved!(_mm256_maskload_ps(from, mask))
    }
    #[inline(always)]
    unsafe fn store_masked(self, to: *mut f32, v: __m256, mask: __m256i) {
        proved!(_mm256_maskstore_ps(to, mask, v));
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        proved!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        proved!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        proved!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        proved!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        proved!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        proved!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        proved!(_mm256_sqrt_ps(a))
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        proved!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        proved!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn fnma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        proved!(_mm256_fnmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        proved!(_mm256_round_ps::<
            { _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC },
        >(a))
    }
    #[inline(always)]
    fn scale_by_power(self, a: __m256, n: __m256) -> __m256 {
        proved!({
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        })
    }
    #[inline(always)]
    fn select_negative(self, x: __m256, a: __m256, b: __m256) -> __m256 {
        proved!(_mm256_blendv_ps(
            b,
            a,
            _mm256_cmp_ps::<_CMP_LT_OQ>(x, _mm256_setzero_ps())
        ))
    }
    #[inline(always)]
    fn select(self, mask: __m256i, a: __m256, b: __m256) -> __m256 {
        proved!(_mm256_blendv_ps(b, a, _mm256_castsi256_ps(mask)))
    }
    #[inline(always)]
    fn invert(self, a: __m256) -> __m256 {
        self.div(self.splat(1.0), a)
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        proved!({
            let half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(quarter, _mm_shuffle_ps::<1>(quarter, quarter)))
        })
    }
    #[inline(always)]
    fn largest(self, a: __m256) -> f32 {
        proved!({
            let half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let quarter = _mm_max_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_max_ss(quarter, _mm_shuffle_ps::<1>(quarter, quarter)))
        })
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        proved!({
            let mut r = [_mm256_setzero_ps(); 8];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm256_loadu_ps(from.add(i * from_stride));
            }
            for h in 0..2 {
                let mut q = [_mm256_setzero_pd(); 4];
                for (i, q) in q.iter_mut().enumerate() {
                    let (a, b) = (r[2 * i], r[2 * i + 1]);
                    *q = _mm256_castps_pd(if h == 0 {
                        _mm256_unpacklo_ps(a, b)
                    } else {
                        _mm256_unpackhi_ps(a, b)
                    });
                }
                let [a, b, c, d] = q;
                let columns = [
                    (_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d)),
                    (_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d)),
                ];
                for (l, (top, bottom)) in columns.into_iter().enumerate() {
                    let (top, bottom) = (_mm256_castpd_ps(top), _mm256_castpd_ps(bottom));
                    let low = _mm256_permute2f128_ps::<0x20>(top, bottom);
                    let high = _mm256_permute2f128_ps::<0x31>(top, bottom);
                    _mm256_storeu_ps(to.add((2 * h + l) * to_stride), low);
                    _mm256_storeu_ps(to.add((2 * h + l + 4) * to_stride), high);
                }
            }
        });
    }
}
