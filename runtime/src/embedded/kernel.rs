//! Products of a weight matrix with several columns: what a batch of tokens spends its time on.
//!
//! # Why it is here
//!
//! llama.cpp's own kernel for such products (`llamafile_sgemm`, in ggml's CPU backend) reads four
//! rows of weights at once and reaches each of them before the processor could fetch it. For a
//! Q8_0 model of 135 million parameters, one token took 7 ms but two took 29 and eight 36, most of
//! it spent waiting. The one here asks for weights 4 KiB ahead, keeps its sums in registers, and
//! uses the instructions for bytes (AVX-512 VNNI) that a portable build of llama.cpp leaves alone:
//! two tokens take 9 ms and eight about 23.
//!
//! # How llama.cpp finds it
//!
//! `llamafile_sgemm` has C linkage and is alone in its object file. That file lies in a static
//! library, from which a linker takes only what nobody defined before; it is defined here, so this
//! one is taken. Were both taken, the program would not link. Where llama.cpp is a shared library (the feature
//! `dynamic-backend`) it keeps its own.
//!
//! # What is computed
//!
//! For weights `a` and activations `b`, both stored row by row, `c[j][i]` becomes the sum over `l`
//! of `a[i][l] * b[j][l]`, with `i` below `rows`, `j` below `columns` and `l` below the length of a
//! row, in blocks. A single column is refused: llama.cpp's own loop is as fast as memory there.
#![allow(unsafe_code, reason = "vector instructions on memory that llama.cpp owns")]

mod arithmetic;

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::ffi::{c_int, c_void};
use std::ops::Range;

use llama_cpp_sys_2::{GGML_TYPE_F16, GGML_TYPE_F32, GGML_TYPE_Q8_0};

use arithmetic::{Arithmetic, BlockQ8, F16, F32, Q8, Q8Vnni};

/// The head of `ggml_compute_params` (ggml-cpu-impl.h): which of how many threads this is.
#[repr(C)]
struct Parameters {
    thread: c_int,
    threads: c_int,
}

/// One thread's share of a product. Strides and lengths are in blocks of the matrix's type.
struct Product<B> {
    rows: Range<usize>,
    columns: usize,
    length: usize,
    a: *const B,
    a_stride: usize,
    b: *const B,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
}

/// Takes the place of llama.cpp's function of this name (sgemm.h); whether it did the work.
///
/// # Safety
///
/// The pointers belong to matrices of these sizes and types, and no other thread writes this
/// thread's share of `c`: llama.cpp's promises to its own function.
#[allow(clippy::too_many_arguments, reason = "the signature is llama.cpp's")]
#[unsafe(no_mangle)]
unsafe extern "C" fn llamafile_sgemm(
    parameters: *const Parameters,
    rows: i64,
    columns: i64,
    length: i64,
    a: *const c_void,
    a_stride: i64,
    b: *const c_void,
    b_stride: i64,
    c: *mut c_void,
    c_stride: i64,
    a_type: c_int,
    b_type: c_int,
    c_type: c_int,
) -> bool {
    if columns < 2 || !detected() {
        return false;
    }
    let sizes = [rows, columns, length, a_stride, b_stride, c_stride].map(|size| size as usize);
    // SAFETY: llama.cpp's promises to its own function are those that the functions here ask for,
    // and the processor has the instructions that each is compiled with.
    unsafe {
        let share = share(sizes[0], &*parameters);
        match (a_type as u32, b_type as u32, c_type as u32) {
            (GGML_TYPE_Q8_0, GGML_TYPE_Q8_0, GGML_TYPE_F32) => {
                let product = product(share, sizes, a, b, c, 1);
                product.is_some_and(|product| match vnni_detected() {
                    true => q8_vnni(&product),
                    false => q8(&product),
                })
            }
            (GGML_TYPE_F16, GGML_TYPE_F16, GGML_TYPE_F32) => {
                product(share, sizes, a, b, c, 8).is_some_and(|product| f16(&product))
            }
            (GGML_TYPE_F32, GGML_TYPE_F32, GGML_TYPE_F32) => {
                product(share, sizes, a, b, c, 8).is_some_and(|product| f32(&product))
            }
            _ => false,
        }
    }
}

fn detected() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

fn vnni_detected() -> bool {
    is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512vnni")
}

/// The rows that a thread computes. Threads write to different cache lines.
fn share(rows: usize, parameters: &Parameters) -> Range<usize> {
    const LINE: usize = 16;
    let size = rows.div_ceil(parameters.threads as usize).next_multiple_of(LINE);
    let begin = parameters.thread as usize * size;
    begin.min(rows)..(begin + size).min(rows)
}

/// A product of matrices whose numbers are counted by the `unit`, if that many make a block.
fn product<B>(
    rows: Range<usize>,
    [_, columns, length, a_stride, b_stride, c_stride]: [usize; 6],
    a: *const c_void,
    b: *const c_void,
    c: *mut c_void,
    unit: usize,
) -> Option<Product<B>> {
    let whole = [length, a_stride, b_stride].iter().all(|size| size.is_multiple_of(unit));
    whole.then(|| Product {
        rows,
        columns,
        length: length / unit,
        a: a.cast(),
        a_stride: a_stride / unit,
        b: b.cast(),
        b_stride: b_stride / unit,
        c: c.cast(),
        c_stride,
    })
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn q8(product: &Product<BlockQ8>) -> bool {
    // SAFETY: the product's matrices are what they say.
    unsafe { multiply::<Q8>(product) }
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl,avx512vnni")]
unsafe fn q8_vnni(product: &Product<BlockQ8>) -> bool {
    // SAFETY: the product's matrices are what they say.
    unsafe { multiply::<Q8Vnni>(product) }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn f16(product: &Product<[u16; 8]>) -> bool {
    // SAFETY: the product's matrices are what they say.
    unsafe { multiply::<F16>(product) }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn f32(product: &Product<[f32; 8]>) -> bool {
    // SAFETY: the product's matrices are what they say.
    unsafe { multiply::<F32>(product) }
}

/// Two rows by four columns at a time: as many sums as sixteen registers hold beside what is
/// multiplied. What follows is inlined into the four functions above, whose instructions it uses.
#[inline(always)]
unsafe fn multiply<A: Arithmetic>(product: &Product<A::Block>) -> bool {
    let mut rows = product.rows.clone();
    // SAFETY: every row is within the product.
    unsafe {
        while rows.len() >= 2 {
            band::<A, 2>(product, rows.start);
            rows.start += 2;
        }
        if !rows.is_empty() {
            band::<A, 1>(product, rows.start);
        }
    }
    true
}

#[inline(always)]
unsafe fn band<A: Arithmetic, const R: usize>(product: &Product<A::Block>, row: usize) {
    let mut column = 0;
    // SAFETY: every column is within the product.
    unsafe {
        while column + 4 <= product.columns {
            tile::<A, R, 4>(product, row, column);
            column += 4;
        }
        match product.columns - column {
            3 => tile::<A, R, 3>(product, row, column),
            2 => tile::<A, R, 2>(product, row, column),
            1 => tile::<A, R, 1>(product, row, column),
            _ => {}
        }
    }
}

/// The products of `R` rows with `C` columns.
#[allow(clippy::needless_range_loop, reason = "both indices name places in three matrices")]
#[inline(always)]
unsafe fn tile<A: Arithmetic, const R: usize, const C: usize>(
    product: &Product<A::Block>,
    row: usize,
    column: usize,
) {
    // Bytes: weights lie row behind row, so this is what some of the next tiles read.
    const AHEAD: usize = 4096;
    // SAFETY: the tile is within the product; to ask for memory ahead is harmless anywhere.
    unsafe {
        let a = product.a.add(row * product.a_stride);
        let b = product.b.add(column * product.b_stride);
        let mut sums = [[A::zero(); R]; C];
        for l in 0..product.length {
            let mut weights = [A::weight(a.add(l)); R];
            for i in 0..R {
                let block = a.add(i * product.a_stride + l);
                _mm_prefetch::<_MM_HINT_T0>(block.cast::<i8>().wrapping_add(AHEAD));
                weights[i] = A::weight(block);
            }
            for j in 0..C {
                let value = A::value(b.add(j * product.b_stride + l));
                for i in 0..R {
                    sums[j][i] = A::add(sums[j][i], weights[i], value);
                }
            }
        }
        for j in 0..C {
            for i in 0..R {
                *product.c.add((column + j) * product.c_stride + row + i) = A::total(sums[j][i]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
