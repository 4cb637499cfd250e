//! How the numbers of a matrix are stored, and how they are multiplied, eight sums at a time.
#![allow(unsafe_code, reason = "vector instructions on memory that llama.cpp owns")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "the trait says once what all ask for")]

use std::arch::x86_64::*;

/// One way to store numbers and to multiply them.
///
/// # Safety of its functions
///
/// Pointers lead to whole blocks, and the caller is compiled for the instructions used: AVX2, FMA
/// and F16C, for [`Q8Vnni`] AVX-512 VL and VNNI as well.
pub(super) trait Arithmetic {
    /// Numbers that are read together.
    type Block;
    /// A block of the matrix, ready for several columns.
    type Weight: Copy;
    /// A block of a column, ready for several rows.
    type Value: Copy;

    unsafe fn weight(block: *const Self::Block) -> Self::Weight;
    unsafe fn value(block: *const Self::Block) -> Self::Value;
    /// Adds the products of two blocks, spread over eight sums.
    unsafe fn add(sum: __m256, weight: Self::Weight, value: Self::Value) -> __m256;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        unsafe { _mm256_setzero_ps() }
    }

    /// The eight sums as one.
    #[inline(always)]
    unsafe fn total(sum: __m256) -> f32 {
        unsafe {
            let halves = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
            let pairs = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
            _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)))
        }
    }
}

/// `block_q8_0` (ggml-common.h): 32 numbers that share a factor, a half float.
#[repr(C)]
pub(super) struct BlockQ8 {
    pub(super) factor: u16,
    pub(super) numbers: [i8; 32],
}

/// Blocks of bytes, with the instructions of AVX2.
pub(super) struct Q8;
/// Blocks of bytes, with an instruction that adds four products of bytes at once.
pub(super) struct Q8Vnni;
/// Half floats.
pub(super) struct F16;
/// Floats.
pub(super) struct F32;

#[derive(Clone, Copy)]
pub(super) struct Numbers {
    factor: __m256,
    numbers: __m256i,
}

/// The instructions multiply unsigned bytes by signed ones: a weight gives its sign to the other
/// factor. No number is -128, which has no magnitude of its own (`quantize_row_q8_0`).
#[derive(Clone, Copy)]
pub(super) struct Signed {
    factor: __m256,
    numbers: __m256i,
    magnitudes: __m256i,
}

impl Arithmetic for Q8 {
    type Block = BlockQ8;
    type Weight = Signed;
    type Value = Numbers;

    #[inline(always)]
    unsafe fn weight(block: *const BlockQ8) -> Signed {
        unsafe {
            let Numbers { factor, numbers } = Self::value(block);
            Signed { factor, numbers, magnitudes: _mm256_abs_epi8(numbers) }
        }
    }

    #[inline(always)]
    unsafe fn value(block: *const BlockQ8) -> Numbers {
        unsafe {
            let half = _mm_set1_epi16((*block).factor.cast_signed());
            let numbers = _mm256_loadu_si256((&raw const (*block).numbers).cast());
            Numbers { factor: _mm256_cvtph_ps(half), numbers }
        }
    }

    #[inline(always)]
    unsafe fn add(sum: __m256, weight: Signed, value: Numbers) -> __m256 {
        unsafe {
            let signed = _mm256_sign_epi8(value.numbers, weight.numbers);
            let pairs = _mm256_maddubs_epi16(weight.magnitudes, signed);
            let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
            let factor = _mm256_mul_ps(weight.factor, value.factor);
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(fours), factor, sum)
        }
    }
}

impl Arithmetic for Q8Vnni {
    type Block = BlockQ8;
    type Weight = Signed;
    type Value = Numbers;

    #[inline(always)]
    unsafe fn weight(block: *const BlockQ8) -> Signed {
        unsafe { Q8::weight(block) }
    }

    #[inline(always)]
    unsafe fn value(block: *const BlockQ8) -> Numbers {
        unsafe { Q8::value(block) }
    }

    #[inline(always)]
    unsafe fn add(sum: __m256, weight: Signed, value: Numbers) -> __m256 {
        unsafe {
            let signed = _mm256_sign_epi8(value.numbers, weight.numbers);
            let fours = _mm256_dpbusd_epi32(_mm256_setzero_si256(), weight.magnitudes, signed);
            let factor = _mm256_mul_ps(weight.factor, value.factor);
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(fours), factor, sum)
        }
    }
}

impl Arithmetic for F16 {
    type Block = [u16; 8];
    type Weight = __m256;
    type Value = __m256;

    #[inline(always)]
    unsafe fn weight(block: *const [u16; 8]) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(block.cast())) }
    }

    #[inline(always)]
    unsafe fn value(block: *const [u16; 8]) -> __m256 {
        unsafe { Self::weight(block) }
    }

    #[inline(always)]
    unsafe fn add(sum: __m256, weight: __m256, value: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(weight, value, sum) }
    }
}

impl Arithmetic for F32 {
    type Block = [f32; 8];
    type Weight = __m256;
    type Value = __m256;

    #[inline(always)]
    unsafe fn weight(block: *const [f32; 8]) -> __m256 {
        unsafe { _mm256_loadu_ps(block.cast()) }
    }

    #[inline(always)]
    unsafe fn value(block: *const [f32; 8]) -> __m256 {
        unsafe { Self::weight(block) }
    }

    #[inline(always)]
    unsafe fn add(sum: __m256, weight: __m256, value: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(weight, value, sum) }
    }
}
