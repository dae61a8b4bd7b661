//! The tape: branches, dfdx's own operations beside the crate's, silence; and the gradients of parameters.

use std::rc::Rc;

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{Activation, Tape, activation, dims, matrix, ops, values, values_mut};
use proptest::prelude::*;

use crate::common::{TOLERANCE, assert_close, branch, check, computed, constant, input, repeated, sum, transposed};

proptest! {
    #[test]
    fn branches_that_meet_again(tokens in 1..40usize, features in 1..20usize, seed: u64) {
        check(
            [input(seed, tokens, features), input(seed ^ 1, features, features), input(seed ^ 2, 1, features)],
            |[x, w, g], tape| {
                let x = x.on(tape);
                let y = ops::add(ops::gelu(x.clone()), ops::linear(x.clone(), w, None));
                ops::add(ops::scale_columns(y.clone(), g), ops::add(x, y))
            },
            |[x, w, g]| {
                let y = branch(&x).fast_gelu() + branch(&x).matmul(transposed(w));
                branch(&y) * repeated(g, tokens) + (x + y)
            },
        );
    }

    #[test]
    fn operations_of_dfdx_between_those_of_the_crate(tokens in 1..40usize, features in 1..20usize, seed: u64) {
        check(
            [input(seed, tokens, features), input(seed ^ 1, 5, features), input(seed ^ 2, 5, 3)],
            |[x, a, b], tape| {
                // dfdx's tanh, sin and matmul; the crate's linear and gelu.
                let x = ops::with_dfdx([x.on(tape)], [], |[x], []| x.tanh());
                let hidden = ops::with_dfdx([ops::linear(x, a, None)], [], |[x], []| x.sin());
                ops::gelu(ops::with_dfdx([ops::gelu(hidden)], [b], |[x], [b]| x.matmul(b)))
            },
            |[x, a, b]| x.tanh().matmul(transposed(a)).sin().fast_gelu().matmul(b).fast_gelu(),
        );
    }

    #[test]
    fn one_activation_used_by_dfdx_and_by_the_crate(tokens in 1..40usize, features in 1..20usize, seed: u64) {
        check(
            [input(seed, tokens, features)],
            |[x], tape| {
                let x = x.on(tape);
                let square = ops::with_dfdx([x.clone()], [], |[x], []| x.square());
                ops::with_dfdx([ops::add(ops::gelu(x.clone()), square), x], [], |[a, b], []| a * b)
            },
            |[x]| (branch(&x).fast_gelu() + branch(&x).square()) * x,
        );
    }
}

#[test]
fn a_parameter_used_by_dfdx_and_by_the_crate() {
    check(
        [input(1, 5, 4), input(2, 4, 4)],
        |[x, w], tape| ops::linear(ops::with_dfdx([x.on(tape)], [w], |[x], [w]| x.matmul(w)), w, None),
        |[x, w]| x.matmul(branch(&w)).matmul(transposed(w)),
    );
}

#[test]
fn a_parameter_put_on_the_tape_twice_before_its_uses() {
    check(
        [input(1, 5, 4), input(2, 4, 4)],
        |[x, w], tape| {
            let (first, second) = (w.on(tape), w.on(tape));
            ops::with_dfdx([x.on(tape), first, second], [], |[x, a, b], []| x.matmul(a).tanh().matmul(b))
        },
        |[x, w]| x.matmul(branch(&w)).tanh().matmul(w),
    );
}

#[test]
fn a_parameter_put_on_the_tape_anew_for_each_use() {
    check(
        [input(1, 5, 4), input(2, 4, 4)],
        |[x, w], tape| {
            let product = |x, w| ops::with_dfdx([x, w], [], |[x, w], []| x.matmul(w).tanh());
            product(product(x.on(tape), w.on(tape)), w.on(tape))
        },
        |[x, w]| x.matmul(branch(&w)).tanh().matmul(w).tanh(),
    );
}

#[test]
fn a_parameter_and_an_activation_used_twice_inside_dfdx() {
    check(
        [input(1, 5, 4), input(2, 4, 4), input(3, 4, 4)],
        |[x, w, unused], tape| {
            ops::with_dfdx([x.on(tape)], [w, unused, w], |[x], [w, _, same]| {
                x.clone().matmul(w.clone()).tanh().matmul(w) + x.matmul(same)
            })
        },
        |[x, w, unused]| {
            let y = branch(&x).matmul(branch(&w)).tanh().matmul(branch(&w)) + x.matmul(w);
            y + repeated(constant(1, 4, |_, _| 0.0).retaped().matmul(unused), 5)
        },
    );
}

/// The sum of all rows, three times.
fn rows_of_the_sum<F: Dtype, T: dfdx::tensor::Tape<F, Cpu>>(
    x: Tensor<(usize, usize), F, Cpu, T>,
) -> Tensor<(usize, usize), F, Cpu, T>
where
    Cpu: Device<F>,
{
    let (_, columns) = *x.shape();
    x.sum::<(usize,), Axis<0>>().broadcast_like::<(usize, usize), Axis<0>>(&(3, columns))
}

/// dfdx's views have strides of their own, and so have their gradients.
#[test]
fn a_view_of_dfdx_as_an_output() {
    check([input(1, 5, 4)], |[x], tape| ops::with_dfdx([x.on(tape)], [], |[x], []| x.permute()), |[x]| transposed(x));
    check(
        [input(1, 5, 4)],
        |[x], tape| ops::with_dfdx([x.on(tape)], [], |[x], []| rows_of_the_sum(x)),
        |[x]| rows_of_the_sum(x),
    );
}

#[test]
fn an_output_that_nobody_uses() {
    check(
        [input(1, 5, 4), input(2, 4, 4)],
        |[x, w], tape| {
            let x = x.on(tape);
            ops::linear(ops::gelu(x.clone()), w, None);
            ops::linear(x, w, None)
        },
        |[x, w]| x.matmul(transposed(w)),
    );
}

/// What nobody needs is let go during the forward pass, and its memory is taken by what comes next: gradients must not be
/// confused. The sums keep neither of their inputs, and the constants are no operation's output.
#[test]
fn activations_whose_memory_is_used_again() {
    let (tokens, features) = (9, 7);
    check(
        [input(1, tokens, features), input(2, 1, features)],
        |[x, g], tape| {
            let mut x = x.on(tape);
            for seed in 0..20 {
                let constant = || activation(matrix(input(seed, tokens, features).values, tokens, features), tape);
                let y = ops::add(constant(), ops::scale_columns(ops::add(x.clone(), constant()), g));
                x = ops::add(ops::add(y, constant()), x);
            }
            x
        },
        |[x, g]| {
            let mut x = x;
            for seed in 0..20 {
                let constant = input(seed, tokens, features).constant();
                let y = (branch(&x) + constant.clone()) * repeated(branch(&g), tokens) + constant.clone();
                x = y + constant + x;
            }
            x * (repeated(g, tokens) * 0.0 + 1.0)
        },
    );
}

#[test]
fn gradients_add_up_until_they_are_set_to_zero() {
    let [x, w] = [input(1, 5, 4), input(2, 3, 4)];
    let once = computed(&[x.clone(), w.clone()], |[x, w], tape| ops::linear(x.on(tape), w, None));
    let parameters = [x, w].map(|input| input.parameter());
    let pass = || {
        let tape = Tape::recording();
        let y = ops::linear(parameters[0].on(&tape), &parameters[1], None);
        Tape::backward(ops::weighted_sum(y, &input(0x75, 5, 3).matrix()));
    };
    for passes in 1..=3 {
        pass();
        for (parameter, once) in parameters.iter().zip(&once.gradients) {
            let should: Vec<f64> = once.iter().map(|&g| f64::from(g) * f64::from(passes)).collect();
            assert_close("gradient", &parameter.gradient(), &should, TOLERANCE);
        }
    }
    parameters[1].gradient().fill(0.0);
    pass();
    assert_eq!(*parameters[1].gradient(), once.gradients[1]);
}

#[test]
fn a_parameter_without_a_pass_has_a_gradient_of_zeros() {
    assert_eq!(*input(1, 2, 3).parameter().gradient(), [0.0; 6]);
}

/// A forward pass with every operation that returns an activation.
fn forward(tape: &Tape) -> Activation {
    let [e, p, g, w, b] = [(9, 4), (5, 4), (1, 4), (4, 4), (1, 4)]
        .map(|(rows, columns)| input((rows * columns) as u64, rows, columns).parameter());
    let offsets = crate::common::offsets(&[3, 0, 5]);
    let x = ops::embedding(&[0, 8, 3, 3, 1, 7, 2, 5], &offsets, &e, Some(&p), 0, tape);
    let x = ops::scale_columns(ops::layer_norm(x, &g, Some(&b), 1e-5), &g);
    let shape = ops::AttentionShape::new(2);
    let y = ops::attention(x.clone(), x.clone(), ops::linear(x.clone(), &w, Some(&b)), &offsets, &shape);
    ops::with_dfdx([ops::gelu(ops::add(x, y))], [&w], |[y], [w]| y.matmul(w).tanh())
}

#[test]
fn silence_changes_no_value() {
    let (recording, silent) = (forward(&Tape::recording()), forward(&Tape::silent()));
    assert_eq!(values(&recording), values(&silent));
    assert!(recording.split_tape().1.is_recording() && !silent.split_tape().1.is_recording());
}

#[test]
fn a_silent_tape_keeps_nothing() {
    let witness = Rc::new(());
    let recorded_on = |mut tape: Tape| {
        let held = witness.clone();
        tape.record(move |_| drop(held));
        (forward(&tape), tape)
    };
    let silent = recorded_on(Tape::silent());
    assert_eq!(Rc::strong_count(&witness), 1);
    let recording = recorded_on(Tape::recording());
    assert_eq!(Rc::strong_count(&witness), 2, "the witness tells the difference");
    drop((silent, recording));
    assert_eq!(Rc::strong_count(&witness), 1);
}

#[test]
fn silent_and_recording_merge_into_recording() {
    let [x, y] = [input(1, 2, 3), input(2, 2, 3)].map(|input| input.parameter());
    for silent_first in [true, false] {
        let (recording, silent) = (Tape::recording(), Tape::silent());
        let (x, y) = if silent_first { (x.on(&silent), y.on(&recording)) } else { (x.on(&recording), y.on(&silent)) };
        Tape::backward(sum(ops::add(x, y)));
    }
    assert_eq!((&**x.gradient(), &**y.gradient()), (&[1.0; 6][..], &[1.0; 6][..]));
}

#[test]
fn attention_records_when_any_of_its_inputs_does() {
    let inputs = [1, 2, 3].map(|seed| input(seed, 5, 4));
    let (offsets, shape) = (crate::common::offsets(&[5]), ops::AttentionShape::new(1));
    for recorded in 0..3 {
        let parameters = inputs.each_ref().map(|input| input.parameter());
        let (recording, silent) = (Tape::recording(), Tape::silent());
        let [q, k, v] = [0, 1, 2].map(|i| parameters[i].on(if i == recorded { &recording } else { &silent }));
        Tape::backward(ops::weighted_sum(ops::attention(q, k, v, &offsets, &shape), &inputs[0].matrix()));
        for (i, parameter) in parameters.iter().enumerate() {
            assert_eq!(parameter.gradient().iter().any(|&g| g != 0.0), i == recorded, "input {i} of {recorded}");
        }
    }
}

#[test]
#[should_panic(expected = "a loss on a recording tape")]
fn no_backward_pass_from_a_silent_tape() {
    Tape::backward(sum(forward(&Tape::silent())));
}

#[test]
fn writing_the_values_of_a_matrix_leaves_its_copies_alone() {
    let mut original = matrix(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3);
    let copy = original.clone();
    values_mut(&mut original)[4] = -5.0;
    assert_eq!(values(&original), [1.0, 2.0, 3.0, 4.0, -5.0, 6.0]);
    assert_eq!(values(&copy), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(dims(&copy), (2, 3));
}

#[test]
#[should_panic(expected = "activations that meet are on the same tape")]
fn refuses_activations_of_two_tapes() {
    let [x, y] = [input(1, 2, 3), input(2, 2, 3)].map(|input| input.parameter());
    ops::add(x.on(&Tape::recording()), y.on(&Tape::recording()));
}

#[test]
#[should_panic(expected = "numbers of a matrix of 2 × 3")]
fn refuses_another_number_of_values() {
    matrix(vec![0.0; 5], 2, 3);
}

#[test]
#[should_panic(expected = "[1, 3] of 2 × 3")]
fn refuses_an_index_outside() {
    let _ = matrix(vec![0.0; 6], 2, 3)[[1, 3]];
}

#[test]
fn the_product_of_two_matrices() {
    let [a, b] = [input(1, 5, 4), input(2, 4, 3)];
    let product = a.matrix().product(&b.matrix());
    assert_eq!(dims(&product), (5, 3));
    assert_close("product", values(&product), &a.constant().matmul(b.constant()).as_vec(), TOLERANCE);
}
