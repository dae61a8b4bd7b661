//! Results are bit-identical whatever the number of threads, for every operation and shapes as they come: narrow ones above
//! all, which `gemm` computes in ways of their own, and large enough to be divided among threads.

use lrx_tensor::ops::{self, AttentionShape, Blocks, Nonlinearity, Order};
use lrx_tensor::{MatMut, MatRef, Parameter, Precision, Tape, Threads, activation, adamw, matmul, muon, sgd, values};
use proptest::prelude::*;

use crate::common::{Outcome, computed, computed_loss, indices, input, offsets};
use crate::threads::assert_same_on_any_threads;

/// Two sides of any length, and one that is long enough for 2¹⁹ to 2²² multiply-adds, in any order.
fn sides() -> impl Strategy<Value = [usize; 3]> {
    let side = || prop_oneof![3 => 1..9usize, 2 => 9..71usize, 2 => 71..300usize, 2 => 300..1200usize];
    (side(), side(), 19.0..22.0f64, 0..6usize).prop_map(|(a, b, work, order)| {
        let long = (work.exp2() as usize / (a * b)).clamp(1, 30_000);
        let orders = [[a, b, long], [a, long, b], [b, a, long], [b, long, a], [long, a, b], [long, b, a]];
        orders[order]
    })
}

/// Rows and columns of up to 2¹⁸ numbers.
fn plane() -> impl Strategy<Value = (usize, usize)> {
    (prop_oneof![1..9usize, 9..300usize], 10.0..18.0f64, any::<bool>()).prop_map(|(short, numbers, wide)| {
        let long = (numbers.exp2() as usize / short).max(1);
        if wide { (short, long) } else { (long, short) }
    })
}

/// Heads, some with fewer heads of keys and values, and the size of each.
fn heads() -> impl Strategy<Value = (AttentionShape, usize)> {
    let shape = |(groups, key_value_heads, window)| AttentionShape {
        key_value_heads,
        window,
        scale: 0.7,
        ..AttentionShape::new(groups * key_value_heads)
    };
    let shapes = (1..4usize, 1..4usize, prop::option::of(1..60usize)).prop_map(shape);
    (shapes, prop_oneof![1..9usize, 9..40usize])
}

fn nonlinearity() -> impl Strategy<Value = Nonlinearity> {
    prop::sample::select(&Nonlinearity::ALL[..])
}

/// Small where sums are long: rounding, not overflow, is what is looked at.
fn weights(seed: u64, rows: usize, columns: usize) -> crate::common::Input {
    input(seed, rows, columns).map(|w| w / (columns as f32).sqrt())
}

// Products are divided in many ways.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn products([m, k, n] in sides(), transposed: (bool, bool), extra in 0..3usize, add: bool, seed: u64) {
        let (a, b, before) = (input(seed, m, k).values, input(seed ^ 1, k, n).values, input(seed ^ 2, m, n + extra));
        let a = if transposed.0 { MatRef::new(&a, k, m).t() } else { MatRef::new(&a, m, k) };
        let b = if transposed.1 { MatRef::new(&b, n, k).t() } else { MatRef::new(&b, k, n) };
        assert_same_on_any_threads(|| {
            let mut c = before.values.clone();
            matmul(MatMut::block(&mut c, m, n, n + extra), add, a, b, Precision::F32, Threads::All);
            Outcome { value: c, gradients: vec![] }
        });
    }

    #[test]
    fn linear([tokens, inputs, outputs] in sides(), bias: bool, seed: u64) {
        let all = [input(seed, tokens, inputs), weights(seed ^ 1, outputs, inputs), input(seed ^ 2, 1, outputs)];
        assert_same_on_any_threads(|| {
            computed(&all, |[x, w, b], tape| ops::linear(x.on(tape), w, bias.then_some(b)))
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn linear_each([tokens, inputs, outputs] in sides(), seed: u64) {
        let [a, b] = [1, 2].map(|i| weights(seed ^ i, outputs, inputs));
        let all = [input(seed, tokens, inputs), a, b];
        assert_same_on_any_threads(|| {
            computed(&all, |[x, a, b], tape| ops::linear_each(x.on(tape), &[a, b]).into_iter().reduce(ops::add).unwrap())
        });
    }

    #[test]
    fn nonlinear_linear([tokens, inputs, outputs] in sides(), bias: bool, kind in nonlinearity(), seed: u64) {
        let all = [input(seed, tokens, inputs), input(seed ^ 1, 1, inputs), weights(seed ^ 2, outputs, inputs)];
        assert_same_on_any_threads(|| {
            computed(&all, |[x, b, w], tape| ops::nonlinear_linear(x.on(tape), bias.then_some(b), w, kind))
        });
    }

    #[test]
    fn blocks(
        [tokens, inputs, outputs] in sides(),
        count in prop_oneof![1..9usize, 9..40usize],
        apart: (bool, bool),
        seed: u64,
    ) {
        // As much work in all blocks together as one matrix has.
        let (inputs, outputs) = (inputs.min(1200).div_ceil(count), outputs.min(1200).div_ceil(count));
        let order = |apart| if apart { Order::Apart } else { Order::Together };
        let blocks = Blocks { count, reads: order(apart.0), writes: order(apart.1) };
        let all = [
            input(seed, tokens.min(3000), count * inputs),
            weights(seed ^ 1, count * outputs, inputs),
            input(seed ^ 2, 1, count * outputs),
        ];
        assert_same_on_any_threads(|| {
            computed(&all, |[x, w, b], tape| ops::block_linear(x.on(tape), w, Some(b), blocks))
        });
    }

    #[test]
    fn left_linear_and_couple(
        tokens in prop_oneof![1..9usize, 9..700usize],
        (m, n, width) in (1..40usize, 1..40usize, 1..40usize),
        seed: u64,
    ) {
        let all = [input(seed, tokens, m * width), weights(seed ^ 1, n, m), weights(seed ^ 2, 3 * n, width)];
        assert_same_on_any_threads(|| {
            computed(&all, |[x, p, d], tape| ops::couple(ops::left_linear(x.on(tape), p, None, width), d, 3))
        });
    }

    #[test]
    fn sparse_linear(
        (inputs, outputs) in (1..300usize, 1..300usize),
        tokens in prop_oneof![1..9usize, 9..700usize],
        apart in 1..40u32,
        seed: u64,
    ) {
        let places = (inputs * outputs) as u32;
        let support: Vec<u32> = (seed as u32 % apart..places).step_by(apart as usize).collect();
        let all = [input(seed, tokens, inputs), input(seed ^ 1, 1, support.len())];
        assert_same_on_any_threads(|| {
            computed(&all, |[x, s], tape| ops::sparse_linear(x.on(tape), s, &support, outputs))
        });
    }

    #[test]
    fn head_cross_entropy([tokens, features, vocabulary] in sides(), seed: u64) {
        let all = [input(seed, tokens, features), weights(seed ^ 1, vocabulary, features)];
        let targets = indices(seed, tokens, vocabulary);
        assert_same_on_any_threads(|| computed_loss(&all, |[x, e], tape| ops::head_cross_entropy(x.on(tape), e, &targets)));
    }

    #[test]
    fn head_logits([tokens, features, vocabulary] in sides(), seed: u64) {
        let (x, e) = (input(seed, tokens, features), weights(seed ^ 1, vocabulary, features));
        assert_same_on_any_threads(|| {
            let logits = ops::head_logits(&x.matrix(), &e.parameter());
            Outcome { value: values(&logits).to_vec(), gradients: vec![] }
        });
    }

    #[test]
    fn with_dfdx([tokens, inputs, outputs] in sides(), seed: u64) {
        use lrx_tensor::dfdx::prelude::*;
        let all = [input(seed, tokens, inputs), weights(seed ^ 1, inputs, outputs)];
        assert_same_on_any_threads(|| {
            computed(&all, |[x, w], tape| ops::with_dfdx([x.on(tape)], [w], |[x], [w]| x.matmul(w).tanh()))
        });
    }

    #[test]
    fn attention(lengths in prop::collection::vec(0..150usize, 1..5), heads in heads(), seed: u64) {
        let (shape, head_size) = heads;
        let tokens = lengths.iter().sum();
        let all = [shape.heads, shape.key_value_heads, shape.key_value_heads]
            .map(|heads| input(seed ^ heads as u64, tokens, heads * head_size));
        let offsets = lengths.clone();
        assert_same_on_any_threads(|| {
            computed(&all, |[q, k, v], tape| {
                let offsets = crate::common::offsets(&offsets);
                let rotated = |x, heads| ops::rotary(x, &offsets, heads, 1e4, 3);
                let q = if head_size % 2 == 0 { rotated(q.on(tape), shape.heads) } else { q.on(tape) };
                ops::attention(q, k.on(tape), v.on(tape), &offsets, &shape)
            })
        });
    }

    #[test]
    fn attention_continued(all_tokens in 1..200usize, heads in heads(), new in 1..5usize, seed: u64) {
        let (shape, head_size) = heads;
        let new = new.min(all_tokens);
        let [k, v] = [1, 2].map(|i| input(seed ^ i, all_tokens, shape.key_value_heads * head_size));
        let q = input(seed, new, shape.heads * head_size);
        assert_same_on_any_threads(|| {
            let y = ops::attention_continued(&q.matrix(), &k.values, &v.values, &shape);
            Outcome { value: values(&y).to_vec(), gradients: vec![] }
        });
    }

    #[test]
    fn elementwise((rows, columns) in plane(), kind in nonlinearity(), seed: u64) {
        let all = [
            input(seed, rows, columns),
            input(seed ^ 1, rows, columns),
            input(seed ^ 2, 1, columns),
            input(seed ^ 3, 1, columns),
        ];
        assert_same_on_any_threads(|| {
            computed(&all, |[x, y, w, b], tape| {
                let x = ops::layer_norm(x.on(tape), w, Some(b), 1e-5);
                let y = ops::gated(ops::rms_norm(y.on(tape), w, 1e-5), ops::nonlinear(x.clone(), kind), kind);
                let y = ops::add_with_bias(x.clone(), ops::dropout(ops::multiply(y, x.clone()), 0.3, seed), Some(b));
                ops::scale_columns(ops::add(y, ops::scale(x, 0.3)), w)
            })
        });
        assert_same_on_any_threads(|| {
            computed_loss(&all, |[x, y, ..], tape| ops::weighted_sum(x.on(tape), y.value()))
        });
    }

    #[test]
    fn embedding(lengths in prop::collection::vec(0..100usize, 1..9), features in 1..300usize, seed: u64) {
        let tokens = indices(seed, lengths.iter().sum(), 50);
        let all = [input(seed, 50, features), input(seed ^ 1, 100, features)];
        assert_same_on_any_threads(|| {
            computed(&all, |[e, p], tape| ops::embedding(&tokens, &offsets(&lengths), e, Some(p), 0, tape))
        });
    }

    #[test]
    fn optimizers((rows, columns) in plane(), seed: u64) {
        let [gradient, first, second] = [1, 2, 3].map(|i| input(seed ^ i, rows, columns));
        let updated = |update: &dyn Fn(&mut Parameter, [&mut [f32]; 2])| {
            let mut parameter = input(seed, rows, columns).parameter();
            parameter.gradient().copy_from_slice(&gradient.values);
            let norm = adamw::squared_norm(&parameter).to_bits();
            let [mut first, mut second] = [&first, &second].map(|moment| moment.clone().map(f32::abs).values);
            update(&mut parameter, [&mut first, &mut second]);
            let norm = [norm as u32, (norm >> 32) as u32].map(f32::from_bits).to_vec();
            Outcome { value: parameter.values().to_vec(), gradients: vec![first, second, norm] }
        };
        let (learning_rate, weight_decay, gradient_scale) = (0.1, 0.1, 0.7);
        let step = adamw::Step { learning_rate, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay, step: 3, gradient_scale };
        assert_same_on_any_threads(|| updated(&|parameter, [first, second]| adamw::update(parameter, first, second, &step)));
        let step = sgd::Step { learning_rate, momentum: 0.9, nesterov: true, weight_decay, gradient_scale };
        assert_same_on_any_threads(|| updated(&|parameter, [first, _]| sgd::update(parameter, first, &step)));
    }

    #[test]
    fn muon([rows, columns, _] in sides(), seed: u64) {
        // The iterations multiply matrices as wide as the shorter side: 300 is wide enough to divide them.
        let (rows, columns) = if rows < columns { (rows.min(300), columns) } else { (rows, columns.min(300)) };
        let matrix = input(seed, rows, columns).values;
        assert_same_on_any_threads(|| {
            Outcome { value: muon::orthogonalised(&matrix, rows, columns, 2, 1e-7), gradients: vec![] }
        });
    }
}

/// `gemm` adds up the products of at most 256 numbers in parallel, where the inner dimension is contiguous in both matrices:
/// its parts would be computed so, and the whole would not.
#[test]
fn products_whose_parts_are_few_numbers() {
    for (m, k, n) in [(512, 4096, 1), (400, 3000, 2), (2, 3000, 400), (300, 3000, 3), (3, 5000, 192), (260, 1100, 4)] {
        let [a, b] = [input(1, m, k), input(2, n, k)];
        assert_same_on_any_threads(|| {
            let mut c = vec![0.0; m * n];
            let (a, b) = (MatRef::new(&a.values, m, k), MatRef::new(&b.values, n, k).t());
            matmul(MatMut::new(&mut c, m, n), false, a, b, Precision::F32, Threads::All);
            Outcome { value: c, gradients: vec![] }
        });
    }
}

/// `gemm` cuts the inner dimension in one way where neither side is longer than 64, and in another where one is.
#[test]
fn products_whose_parts_are_at_most_64_by_64() {
    for (m, k, n) in [(8, 768, 192), (40, 1537, 200), (64, 600, 320), (7, 1100, 193)] {
        let [x, w] = [input(1, m, k), weights(2, n, k)];
        assert_same_on_any_threads(|| {
            let (x, w) = (activation(x.matrix(), &Tape::silent()), Parameter::new(w.matrix()));
            Outcome { value: values(&ops::linear(x, &w, None)).to_vec(), gradients: vec![] }
        });
    }
}
