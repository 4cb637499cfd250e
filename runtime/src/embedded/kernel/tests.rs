//! Products by every kernel that this processor can run, against the definition.

use std::ptr::from_ref;

use super::*;
use crate::embedded::random::Random;

/// Rows that are no multiple of a tile nor of a thread's share, every remainder of columns.
const SHAPES: [(usize, usize, usize, usize); 7] = [
    (1, 2, 1, 1),
    (2, 3, 2, 1),
    (5, 4, 3, 1),
    (64, 5, 18, 2),
    (37, 8, 18, 3),
    (50, 9, 4, 8),
    (3, 7, 1, 2),
];

fn numbers(count: usize) -> Vec<f32> {
    let mut random = Random::seeded(7);
    (0..count).map(|_| (random.unit() * 2.0 - 1.0) as f32).collect()
}

/// The definition, for rows of this length.
fn expected(a: &[f32], b: &[f32], length: usize) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
    };
    b.chunks(length).flat_map(|b| a.chunks(length).map(move |a| dot(a, b))).collect()
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    }
}

/// Quantises as llama.cpp does: 32 numbers to 127 steps of a factor that a half float can hold.
fn quantised(numbers: &[f32]) -> (Vec<BlockQ8>, Vec<f32>) {
    // 2^-7 is a half float, and 127 of it are nearly 1.
    const FACTOR: (u16, f32) = (0x2000, 0.007_812_5);
    let steps: Vec<i8> = numbers.iter().map(|number| (number / FACTOR.1) as i8).collect();
    let blocks = steps.chunks(32).map(|steps| BlockQ8 {
        factor: FACTOR.0,
        numbers: steps.try_into().expect("whole blocks"),
    });
    (blocks.collect(), steps.iter().map(|&step| f32::from(step) * FACTOR.1).collect())
}

/// What all threads together write, through the door that llama.cpp uses.
fn multiplied<B>(kind: u32, a: &[B], b: &[B], shape: (usize, usize, usize, usize)) -> Vec<f32> {
    let (rows, columns, length, threads) = shape;
    let (a_stride, b_stride) = (a.len() / rows, b.len() / columns);
    let mut found = vec![f32::NAN; rows * columns];
    for thread in 0..threads {
        let parameters = Parameters { thread: thread as c_int, threads: threads as c_int };
        // SAFETY: the matrices have these sizes.
        let done = unsafe {
            llamafile_sgemm(
                from_ref(&parameters),
                rows as i64,
                columns as i64,
                length as i64,
                a.as_ptr().cast(),
                a_stride as i64,
                b.as_ptr().cast(),
                b_stride as i64,
                found.as_mut_ptr().cast(),
                rows as i64,
                kind as c_int,
                kind as c_int,
                GGML_TYPE_F32 as c_int,
            )
        };
        assert!(done);
    }
    found
}

#[test]
fn floats() {
    for shape @ (rows, columns, blocks, threads) in SHAPES {
        let (a, b) = (numbers(rows * blocks * 8), numbers(columns * blocks * 8));
        let found = multiplied(GGML_TYPE_F32, &a, &b, (rows, columns, blocks * 8, threads));
        close(&found, &expected(&a, &b, shape.2 * 8));
    }
}

#[test]
fn half_floats() {
    // Powers of two from 1/8 to 1, by their exponent: exact in both formats.
    let exact = |numbers: Vec<f32>| -> (Vec<u16>, Vec<f32>) {
        let exponents = numbers.iter().map(|number| (number.abs() * 3.99) as u16);
        exponents.map(|e| ((12 + e) << 10, f32::from(1_u16 << e) / 8.0)).unzip()
    };
    for (rows, columns, blocks, threads) in SHAPES {
        let (a, plain_a) = exact(numbers(rows * blocks * 8));
        let (b, plain_b) = exact(numbers(columns * blocks * 8));
        let found = multiplied(GGML_TYPE_F16, &a, &b, (rows, columns, blocks * 8, threads));
        close(&found, &expected(&plain_a, &plain_b, blocks * 8));
    }
}

#[test]
fn quantised_numbers() {
    for shape @ (rows, columns, blocks, _) in SHAPES {
        let (a, plain_a) = quantised(&numbers(rows * blocks * 32));
        let (b, plain_b) = quantised(&numbers(columns * blocks * 32));
        let expected = expected(&plain_a, &plain_b, blocks * 32);
        close(&multiplied(GGML_TYPE_Q8_0, &a, &b, shape), &expected);

        // The way of processors without VNNI, which the door does not take on one that has it.
        let mut found = vec![f32::NAN; rows * columns];
        let sizes = [rows, columns, blocks, blocks, blocks, rows];
        let (a, b, c) = (a.as_ptr().cast(), b.as_ptr().cast(), found.as_mut_ptr().cast());
        let product = product(0..rows, sizes, a, b, c, 1).expect("whole blocks");
        // SAFETY: the matrices have these sizes; the door asked the processor for AVX2 above.
        assert!(unsafe { q8(&product) });
        close(&found, &expected);
    }
}

#[test]
fn a_single_column_or_a_broken_block_is_left_to_others() {
    let numbers = numbers(8 * 9);
    let mut found = [0.0_f32; 16];
    let mut ask = |columns, length| {
        let (a, c) = (numbers.as_ptr().cast(), found.as_mut_ptr().cast());
        let alone = Parameters { thread: 0, threads: 1 };
        let kind = GGML_TYPE_F32 as c_int;
        // SAFETY: no row or column is longer than nine numbers, and there are eight at most.
        unsafe {
            let alone = from_ref(&alone);
            llamafile_sgemm(alone, 4, columns, length, a, length, a, length, c, 4, kind, kind, kind)
        }
    };
    assert!(ask(2, 8));
    assert!(!ask(1, 8));
    assert!(!ask(2, 9));
}
