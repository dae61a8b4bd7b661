//! Structured products against dfdx's `matmul` with the whole matrix that they stand for.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::ops::{self, Blocks, Order};
use proptest::prelude::*;

use crate::common::{
    Exact, TOLERANCE, assert_close, branch, check, computed, constant, expected, input, repeated, transposed,
};

const ORDERS: [Order; 2] = [Order::Together, Order::Apart];

/// The block and the place in it of feature f.
fn place(order: Order, count: usize, width: usize, f: usize) -> (usize, usize) {
    match order {
        Order::Together => (f / width, f % width),
        Order::Apart => (f % count, f / count),
    }
}

/// `rows · small · columns` with the numbers of `small` where `pick` says: (row, column) of the number at (output, input), if
/// there is one.
pub fn spread(
    small: Exact,
    outputs: usize,
    inputs: usize,
    pick: impl Fn(usize, usize) -> Option<(usize, usize)>,
) -> Exact {
    let (rows, columns) = *small.shape();
    let row = |o: usize| (0..inputs).find_map(|i| pick(o, i)).map(|(row, _)| row);
    let column = |i: usize| (0..outputs).find_map(|o| pick(o, i)).map(|(_, column)| column);
    let left = constant(outputs, rows, |o, r| f64::from(u8::from(row(o) == Some(r))));
    let right = constant(columns, inputs, |c, i| f64::from(u8::from(column(i) == Some(c))));
    let mask = constant(outputs, inputs, |o, i| f64::from(u8::from(pick(o, i).is_some())));
    left.retaped::<OwnedTape<f64, Cpu>>().matmul(small).matmul(right) * mask
}

/// The whole matrix of blocks of n × k.
pub fn whole(weight: Exact, blocks: Blocks, n: usize, k: usize) -> Exact {
    let Blocks { count, reads, writes } = blocks;
    spread(weight, count * n, count * k, move |output, input| {
        let ((i, row), (of, column)) = (place(writes, count, n, output), place(reads, count, k, input));
        (i == of).then_some((i * n + row, column))
    })
}

fn blocks() -> impl Strategy<Value = Blocks> {
    let order = || prop_oneof![Just(ORDERS[0]), Just(ORDERS[1])];
    let count = prop_oneof![1..7usize, 7..18usize];
    (count, order(), order()).prop_map(|(count, reads, writes)| Blocks { count, reads, writes })
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1..7usize, 1 => 7..20usize]
}

fn tokens() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1..40usize, 1 => 97..130usize]
}

proptest! {
    #[test]
    fn blocks_without_bias(tokens in tokens(), n in size(), k in size(), blocks in blocks(), seed: u64) {
        check(
            [input(seed, tokens, blocks.count * k), input(seed ^ 1, blocks.count * n, k)],
            |[x, w], tape| ops::block_linear(x.on(tape), w, None, blocks),
            |[x, w]| x.matmul(transposed(whole(w, blocks, n, k))),
        );
    }

    #[test]
    fn blocks_with_bias(tokens in tokens(), n in size(), k in size(), blocks in blocks(), seed: u64) {
        let count = blocks.count;
        check(
            [input(seed, tokens, count * k), input(seed ^ 1, count * n, k), input(seed ^ 2, 1, count * n)],
            |[x, w, b], tape| ops::block_linear(x.on(tape), w, Some(b), blocks),
            |[x, w, b]| x.matmul(transposed(whole(w, blocks, n, k))) + repeated(b, tokens),
        );
    }

    #[test]
    fn coupled_blocks(tokens in tokens(), inputs in 1..6usize, outputs in 1..6usize, r in size(), seed: u64) {
        check(
            [input(seed, tokens, inputs * r), input(seed ^ 1, outputs * inputs, r)],
            |[x, d], tape| ops::couple(x.on(tape), d, outputs),
            |[x, d]| {
                let part = |j: usize| {
                    let x = branch(&x);
                    let of_j = move |output: usize, input: usize| {
                        let row = (output / r) * inputs + j;
                        (input / r == j && input % r == output % r).then_some((row, output % r))
                    };
                    x.matmul(transposed(spread(branch(&d), outputs * r, inputs * r, of_j)))
                };
                (1..inputs).fold(part(0), |sum, j| sum + part(j))
            },
        );
    }

    #[test]
    fn a_kronecker_product(
        tokens in tokens(), m in size(), n in size(), inner in size(), outer in size(), seed: u64,
    ) {
        // P: n × m, Q: outer × inner; divided so that what passes between the two is of order 1, in both directions.
        let q = input(seed ^ 1, outer, inner).map(|q| q / (inner as f32).sqrt());
        let p = input(seed ^ 2, n, m).map(|p| p / (n as f32).sqrt());
        let inputs = [input(seed, tokens, m * inner), q, p, input(seed ^ 3, 1, n * outer)];
        let is = computed(&inputs, |[x, q, p, b], tape| {
            let x = ops::linear(ops::regroup(x.on(tape), inner), q, None);
            ops::left_linear(ops::regroup(x, m * outer), p, Some(b), outer)
        });
        let should = expected(&inputs, |[x, q, p, b]| {
            let q = spread(q, m * outer, m * inner, |o, i| (o / outer == i / inner).then_some((o % outer, i % inner)));
            let p = spread(p, n * outer, m * outer, |o, i| (o % outer == i % outer).then_some((o / outer, i / outer)));
            x.matmul(transposed(q)).matmul(transposed(p)) + repeated(b, tokens)
        });
        assert_close("value", &is.value, &should.value, TOLERANCE);
        for (i, (is, should)) in is.gradients.iter().zip(&should.gradients).enumerate() {
            // That of a small Q is a sum over tokens and m, thousands of numbers that cancel: 6e-6 was seen in 4,000 cases.
            let tolerance = if i == 1 { 5.0 * TOLERANCE } else { TOLERANCE };
            assert_close(&format!("gradient of input {i}"), is, should, tolerance);
        }
    }
}
