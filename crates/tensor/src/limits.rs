//! What this machine can do at best, measured: the yardsticks that a training step is held against.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::matmul::{MatMut, MatRef, Threads, matmul};
use crate::simd::vector_len;
use crate::{Precision, bf16};

/// Multiply-adds of operands of `precision` in registers alone, on all threads at once: floating-point operations per second.
///
/// No program computes faster than this; a matrix product also has to fetch its numbers.
pub fn multiply_add_rate(precision: Precision) -> f64 {
    const ROUNDS: usize = 1 << 21;
    if precision == Precision::Bf16 && bf16::is_native() {
        let time = best_of(5, || drop(rayon::broadcast(|_| black_box(bf16::multiply_adds(ROUNDS)))));
        return (bf16::flops_of_round() * ROUNDS * rayon::current_num_threads()) as f64 / time.as_secs_f64();
    }
    let time = best_of(5, || {
        black_box(rayon::broadcast(|_| Arch::new().dispatch(MultiplyAdd { rounds: ROUNDS })));
    });
    (2 * vector_len() * ACCUMULATORS * ROUNDS * rayon::current_num_threads()) as f64 / time.as_secs_f64()
}

/// Enough independent sums to hide the latency of one, few enough for the registers of every processor.
const ACCUMULATORS: usize = 12;

struct MultiplyAdd {
    rounds: usize,
}

impl WithSimd for MultiplyAdd {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (factor, term) = (simd.splat_f32s(black_box(0.5)), simd.splat_f32s(black_box(1.0)));
        let mut sums = [simd.splat_f32s(0.0); ACCUMULATORS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = simd.mul_add_f32s(*sum, factor, term);
            }
        }
        sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum()
    }
}

/// The best rate over large square matrix products: floating-point operations per second.
pub fn matrix_product_rate(precision: Precision) -> f64 {
    [1024, 2048].into_iter().map(|size| square_product_rate(size, precision)).fold(0.0, f64::max)
}

/// The rate of the product of two matrices of `size × size`, the best of several: floating-point operations per second.
pub fn square_product_rate(size: usize, precision: Precision) -> f64 {
    let (a, b) = (vec![0.5; size * size], vec![0.25; size * size]);
    let mut c = vec![0.0; size * size];
    let time = best_of(5, || {
        let (a, b) = (MatRef::new(&a, size, size), MatRef::new(&b, size, size));
        matmul(MatMut::new(&mut c, size, size), false, a, b, precision, Threads::All);
    });
    2.0 * (size * size * size) as f64 / time.as_secs_f64()
}

/// `y = x · factor` over buffers far larger than the caches, on all threads: bytes read and written per second.
pub fn memory_rate() -> f64 {
    const LEN: usize = 1 << 24;
    let x = vec![1.0_f32; LEN];
    let mut y = vec![1.0_f32; LEN];
    let time = best_of(5, || {
        y.par_chunks_mut(1 << 15).zip(x.par_chunks(1 << 15)).for_each(|(y, x)| {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x * 0.5);
        });
    });
    black_box(&y);
    (2 * LEN * size_of::<f32>()) as f64 / time.as_secs_f64()
}

fn best_of(times: usize, mut work: impl FnMut()) -> Duration {
    work(); // Fresh memory and sleeping threads are not what is measured.
    let timed = |_| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..times).map(timed).min().expect("at least one")
}
