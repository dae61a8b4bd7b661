//! `head_cross_entropy` and `head_logits` against dfdx's `matmul` and `log_softmax`; for a vocabulary that is too
//! large for dfdx's, against plain f64 code.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{ActivationId, Scalar, Tape, dims, ops, values};
use proptest::prelude::*;

use crate::common::{
    Exact, Outcome, TOLERANCE, assert_close, assert_outcome, branch, computed_loss, constant, expected_loss, indices,
    input, sum, transposed,
};

/// −mean over tokens of the targets' log-probabilities.
pub fn reference(x: Exact, embedding: Exact, targets: &[u32]) -> Tensor<(), f64, Cpu, OwnedTape<f64, Cpu>> {
    let (vocabulary, _) = *embedding.shape();
    let tokens = targets.len();
    let one_hot = constant(tokens, vocabulary, |i, j| f64::from(u8::from(targets[i] as usize == j)));
    let log_probabilities = x.matmul(transposed(embedding)).log_softmax::<Axis<1>>();
    (log_probabilities * one_hot).sum::<(), _>() * (-1.0 / tokens as f64)
}

/// The gradients are divided by the number of tokens, so they are compared after multiplying by it.
fn assert_close_per_token(mut is: Outcome<f32>, mut should: Outcome<f64>, tokens: usize, tolerance: f64) {
    is.gradients.iter_mut().flatten().for_each(|x| *x *= tokens as f32);
    should.gradients.iter_mut().flatten().for_each(|x| *x *= tokens as f64);
    assert_outcome(&is, &should, tolerance);
}

fn check_loss(seed: u64, tokens: usize, features: usize, vocabulary: usize, scale: f32, tolerance: f64) {
    let targets = indices(seed, tokens, vocabulary);
    let inputs = [input(seed, tokens, features).map(|x| x * scale), input(seed ^ 1, vocabulary, features)];
    let is = computed_loss(&inputs, |[x, e], tape| ops::head_cross_entropy(x.on(tape), e, &targets));
    let should = expected_loss(&inputs, |[x, e]| reference(x, e, &targets));
    assert_close_per_token(is, should, tokens, tolerance);
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![1..6usize, 15..34usize, 60..130usize]
}

proptest! {
    #[test]
    fn loss(tokens in size(), features in prop_oneof![1..4usize, 15..34usize], vocabulary in size(), seed: u64) {
        check_loss(seed, tokens, features, vocabulary, 1.0, TOLERANCE);
    }

    #[test]
    fn logits(tokens in size(), features in size(), vocabulary in size(), seed: u64) {
        let [x, e] = [input(seed, tokens, features), input(seed ^ 1, vocabulary, features)];
        let logits = ops::head_logits(x.parameter().value(), &e.parameter());
        assert_eq!(dims(&logits), (tokens, vocabulary));
        let should = x.constant().matmul(transposed(e.constant())).as_vec();
        assert_close("logits", values(&logits), &should, TOLERANCE);
    }
}

#[test]
fn large_logits() {
    // Up to ± 200 · 5, of which exp alone would overflow; a logit's rounding error (6e-5) is the probability's relative one.
    check_loss(1, 70, 5, 33, 200.0, 5.0 * TOLERANCE);
}

#[test]
fn losses_that_are_added_up() {
    let targets = [indices(1, 9, 13), indices(2, 4, 13)];
    let inputs = [input(1, 9, 6), input(2, 4, 6), input(3, 13, 6)];
    let is = computed_loss(&inputs, |[x, y, e], tape| {
        ops::head_cross_entropy(x.on(tape), e, &targets[0]) + ops::head_cross_entropy(y.on(tape), e, &targets[1])
    });
    let should =
        expected_loss(&inputs, |[x, y, e]| reference(x, branch(&e), &targets[0]) + reference(y, e, &targets[1]));
    assert_outcome(&is, &should, TOLERANCE);
}

#[test]
fn a_loss_beside_others_on_the_same_activation() {
    let targets = indices(1, 9, 13);
    let inputs = [input(1, 9, 6), input(2, 13, 6)];
    let is = computed_loss(&inputs, |[x, e], tape| {
        let x = x.on(tape);
        let squares = |x| sum(ops::with_dfdx([x], [], |[x], []| x.square()));
        let penalty = squares(x.clone()) + squares(e.on(tape));
        let loss = ops::head_cross_entropy(x.clone(), e, &targets);
        penalty + loss + sum(x)
    });
    let should = expected_loss(&inputs, |[x, e]| {
        let penalty = branch(&x).square().sum::<(), _>() + branch(&e).square().sum();
        penalty + reference(branch(&x), e, &targets) + x.sum()
    });
    assert_outcome(&is, &should, TOLERANCE);
}

/// Tied, the one table has both gradients; untied, each has its own.
#[test]
fn tied_to_the_embedding_or_not() {
    let (tokens, targets) = (indices(1, 9, 13), indices(2, 9, 13));
    let gathered = |table: Exact| {
        let one_hot = constant(9, 13, |i, j| f64::from(u8::from(tokens[i] as usize == j)));
        one_hot.retaped::<OwnedTape<f64, Cpu>>().matmul(table)
    };
    let offsets = crate::common::offsets(&[4, 5]);
    let tables = [input(1, 13, 6), input(2, 13, 6)];
    let is = computed_loss(&tables, |[e, w], tape| {
        ops::head_cross_entropy(ops::embedding(&tokens, &offsets, e, None, 0, tape), w, &targets)
    });
    assert_outcome(&is, &expected_loss(&tables, |[e, w]| reference(gathered(e), w, &targets)), TOLERANCE);
    let table = [tables[0].clone()];
    let is = computed_loss(&table, |[e], tape| {
        ops::head_cross_entropy(ops::embedding(&tokens, &offsets, e, None, 0, tape), e, &targets)
    });
    assert_outcome(&is, &expected_loss(&table, |[e]| reference(gathered(branch(&e)), e, &targets)), TOLERANCE);
}

/// Loss and gradients from the definition: p = softmax(x · Eᵀ), dlogits = (p − one-hot) / tokens.
fn plain(x: &[f32], embedding: &[f32], targets: &[u32]) -> Outcome<f64> {
    let (tokens, features) = (targets.len(), x.len() / targets.len());
    let exact = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let (x, e) = (exact(x), exact(embedding));
    let (mut loss, mut dx, mut de) = (0.0, vec![0.0; x.len()], vec![0.0; e.len()]);
    for (i, &target) in targets.iter().enumerate() {
        let x = &x[i * features..][..features];
        let logits: Vec<f64> = e.chunks(features).map(|e| e.iter().zip(x).map(|(e, x)| e * x).sum()).collect();
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        loss += (total.ln() - logits[target as usize]) / tokens as f64;
        for (token, logit) in logits.iter().enumerate() {
            let p = logit.exp() / total - f64::from(u8::from(token == target as usize));
            for f in 0..features {
                dx[i * features + f] += p / tokens as f64 * e[token * features + f];
                de[token * features + f] += p / tokens as f64 * x[f];
            }
        }
    }
    Outcome { value: vec![loss], gradients: vec![dx, de] }
}

#[test]
fn more_tokens_than_a_block_of_logits() {
    // 501 × 70,000 logits are more than a block holds, and the last block is shorter than the others.
    let (tokens, features, vocabulary) = (501, 3, 70_000);
    let inputs = [input(1, tokens, features), input(2, vocabulary, features)];
    let targets = indices(3, tokens, vocabulary);
    let is = computed_loss(&inputs, |[x, e], tape| ops::head_cross_entropy(x.on(tape), e, &targets));
    let should = plain(&inputs[0].values, &inputs[1].values, &targets);
    assert_close_per_token(is, should, tokens, TOLERANCE);
}

#[test]
fn the_plain_reference_is_that_of_dfdx() {
    let inputs = [input(1, 7, 3), input(2, 10, 3)];
    let targets = indices(3, 7, 10);
    let plain = plain(&inputs[0].values, &inputs[1].values, &targets);
    let dfdx = expected_loss(&inputs, |[x, e]| reference(x, e, &targets));
    for (plain, dfdx) in [(&plain.value, &dfdx.value)].into_iter().chain(plain.gradients.iter().zip(&dfdx.gradients)) {
        assert_eq!(plain.len(), dfdx.len());
        assert!(plain.iter().zip(dfdx).all(|(plain, dfdx)| (plain - dfdx).abs() < 1e-13));
    }
}

#[test]
fn a_silent_tape_gives_the_loss_and_no_gradient() {
    let [x, e] = [input(1, 70, 6), input(2, 40, 6)].map(|x| x.parameter());
    let targets = indices(3, 70, 40);
    let recorded = ops::head_cross_entropy(x.on(&Tape::recording()), &e, &targets).value();
    e.gradient().fill(0.0);
    assert_eq!(ops::head_cross_entropy(x.on(&Tape::silent()), &e, &targets).value(), recorded);
    assert!(e.gradient().iter().all(|&g| g == 0.0));
}

#[test]
#[should_panic(expected = "the gradient of a loss that was not scaled")]
fn refuses_a_scaled_loss() {
    computed_loss(&[input(1, 2, 3), input(2, 4, 3)], |[x, e], tape| {
        let loss = ops::head_cross_entropy(x.on(tape), e, &[0, 1]);
        let half = Scalar::new(0.5 * loss.value(), tape);
        let (loss, output) = (ActivationId::from(&loss), ActivationId::from(&half));
        tape.clone().record(move |gradients| {
            let gradient = gradients.take(output);
            gradients.add(loss, vec![0.5 * gradient[0]]);
        });
        half
    });
}

#[test]
#[should_panic(expected = "targets in the vocabulary")]
fn refuses_a_target_outside_the_vocabulary() {
    let [x, e] = [input(1, 2, 3), input(2, 4, 3)].map(|x| x.parameter());
    ops::head_cross_entropy(x.on(&Tape::silent()), &e, &[0, 4]);
}
