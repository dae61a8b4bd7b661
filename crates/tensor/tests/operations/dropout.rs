//! `dropout` against a mask written from its definition, and the statistics of masks.

use lrx_tensor::{Tape, ops, values};
use proptest::prelude::*;

use crate::common::{Input, check, constant, input};

/// Philox4x32-10 as the paper's table of operations has it: ten rounds, the key raised between them.
fn philox(counter: u64, key: u64) -> [u32; 4] {
    let mut x = [counter as u32, (counter >> 32) as u32, 0, 0];
    let mut k = [key as u32, (key >> 32) as u32];
    for round in 0..10 {
        if round > 0 {
            k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
        }
        let products = [u64::from(x[0]) * 0xD251_1F53, u64::from(x[2]) * 0xCD9E_8D57];
        let [(high0, low0), (high1, low1)] = products.map(|product| ((product >> 32) as u32, product as u32));
        x = [high1 ^ x[1] ^ k[0], low1, high0 ^ x[3] ^ k[1], low0];
    }
    x
}

/// Whether element `i` stays.
fn stays(i: usize, rate: f32, key: u64) -> bool {
    let (group, word, lane) = (i / 64, i % 64 / 16, i % 16);
    let number = philox((16 * group + lane) as u64, key)[word];
    f64::from(number) >= (f64::from(rate) * 2.0_f64.powi(32)).floor()
}

proptest! {
    #[test]
    fn any_shape(
        rows in prop_oneof![1..5usize, 60..130usize],
        columns in prop_oneof![1..5usize, 60..130usize],
        rate in prop_oneof![Just(0.0f32), Just(0.1), Just(0.5), 0.0f32..0.9],
        key: u64,
        seed: u64,
    ) {
        check(
            [input(seed, rows, columns)],
            |[x], tape| ops::dropout(x.on(tape), rate, key),
            |[x]| {
                let factor = 1.0 / (1.0 - f64::from(rate));
                x * constant(rows, columns, |i, j| if stays(i * columns + j, rate, key) { factor } else { 0.0 })
            },
        );
    }
}

fn masked(len: usize, rate: f32, key: u64) -> Vec<f32> {
    let ones = Input { rows: 1, columns: len, values: vec![1.0; len] }.parameter();
    values(&ops::dropout(ones.on(&Tape::silent()), rate, key)).to_vec()
}

const LEN: usize = 1 << 18;

#[test]
fn as_many_zeros_as_the_rate_says() {
    for (key, rate) in [(0, 0.1), (1, 0.5), (u64::MAX, 0.9), (1 << 32, 0.25)] {
        let zeros = masked(LEN, rate, key).iter().filter(|&&y| y == 0.0).count() as f64;
        let rate = f64::from(rate);
        // Five standard deviations of a binomial count.
        let deviation = (LEN as f64 * rate * (1.0 - rate)).sqrt();
        assert!((zeros - LEN as f64 * rate).abs() < 5.0 * deviation, "{zeros} zeros at a rate of {rate}");
    }
}

#[test]
fn masks_of_neighbouring_elements_and_keys_are_independent() {
    // At ½ two independent masks agree in half of the places.
    let agreement = |a: &[f32], b: &[f32]| {
        let same = a.iter().zip(b).filter(|(a, b)| a == b).count() as f64;
        (same - a.len() as f64 / 2.0).abs() / (a.len() as f64 / 4.0).sqrt()
    };
    let mask = masked(LEN, 0.5, 7);
    for key in [6, 7 + (1 << 32), 7 << 32, !7] {
        let deviations = agreement(&mask, &masked(LEN, 0.5, key));
        assert!(deviations < 5.0, "the masks of keys 7 and {key}: {deviations:.1} standard deviations");
    }
    for distance in [1, 2, 16, 63, 64, 384, 4096] {
        let deviations = agreement(&mask[distance..], &mask[..LEN - distance]);
        assert!(deviations < 5.0, "elements {distance} apart: {deviations:.1} standard deviations");
    }
}

#[test]
fn the_same_key_gives_the_same_mask() {
    assert_eq!(masked(1000, 0.3, 5), masked(1000, 0.3, 5));
    assert_eq!(masked(1000, 0.3, 5)[..300], masked(300, 0.3, 5), "whatever the size");
}

/// Rows that are computed by themselves get the mask that they have in the whole, in the backward pass too.
#[test]
fn parts_of_a_matrix_have_the_mask_of_the_whole() {
    let (rows, columns, rate, key) = (700, 13, 0.4, 9);
    let whole = Input { rows, columns, values: vec![1.0; rows * columns] }.parameter();
    let mask = values(&ops::dropout(whole.on(&Tape::silent()), rate, key)).to_vec();
    let cuts = [0, 1, 2, 64, 65, 400, rows];
    for cut in cuts.windows(2) {
        let part = Input { rows: cut[1] - cut[0], columns, values: vec![1.0; (cut[1] - cut[0]) * columns] }.parameter();
        let tape = Tape::recording();
        let y = ops::dropout_from(cut[0], part.on(&tape), rate, key);
        let should = &mask[cut[0] * columns..cut[1] * columns];
        assert_eq!(values(&y), should, "rows {cut:?}");
        let ones = lrx_tensor::matrix(vec![1.0; should.len()], cut[1] - cut[0], columns);
        Tape::backward(ops::weighted_sum(y, &ones));
        assert_eq!(part.gradient().as_slice(), should, "the gradient of rows {cut:?}");
    }
}

#[test]
#[should_panic(expected = "a dropout rate of 1, not at least 0 and below 1")]
fn refuses_a_rate_of_one() {
    masked(3, 1.0, 0);
}
