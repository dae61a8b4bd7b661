//! Results are bit-identical whatever the number of threads, for sizes of many blocks and tiles.

use std::sync::LazyLock;

use lrx_tensor::ops::{self, AttentionShape, Nonlinearity};
use lrx_tensor::{MatMut, MatRef, Parameter, Precision, Threads, adamw, dims, matmul, muon, sgd, values};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::common::{Outcome, computed, computed_loss, indices, input, offsets};

/// Pools of threads that results are compared on.
static POOLS: LazyLock<Vec<ThreadPool>> = LazyLock::new(|| {
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    [1, 2, 3, 5, 8, 16].map(pool).into()
});

/// Runs `f` on 1, 2, 3, 5, 8 and 16 threads. Numbers are compared as bits, so that −0 and NaN count.
#[track_caller]
pub fn assert_same_on_any_threads(f: impl Fn() -> Outcome<f32> + Sync) {
    let on = |pool: &ThreadPool| {
        let Outcome { value, gradients } = pool.install(|| {
            assert_eq!(rayon::current_num_threads(), pool.current_num_threads());
            f()
        });
        std::iter::once(value).chain(gradients).map(|x| x.into_iter().map(f32::to_bits).collect()).collect()
    };
    let one: Vec<Vec<u32>> = on(&POOLS[0]);
    for pool in &POOLS[1..] {
        let threads = pool.current_num_threads();
        for (i, (other, one)) in on(pool).iter().zip(&one).enumerate() {
            assert_eq!(other.len(), one.len());
            let differing = other.iter().zip(one).filter(|(other, one)| other != one).count();
            assert_eq!(differing, 0, "{differing} numbers of result {i} differ on {threads} threads");
        }
    }
}

const TOKENS: usize = 333;
const FEATURES: usize = 132;

#[test]
fn add() {
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES), input(2, TOKENS, FEATURES)], |[a, b], tape| {
            ops::add(a.on(tape), b.on(tape))
        })
    });
}

#[test]
fn scale_columns() {
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES), input(2, 1, FEATURES)], |[x, g], tape| ops::scale_columns(x.on(tape), g))
    });
}

#[test]
fn multiply_and_scale() {
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES), input(2, TOKENS, FEATURES)], |[a, b], tape| {
            ops::scale(ops::multiply(a.on(tape), b.on(tape)), 0.3)
        })
    });
}

#[test]
fn dropout() {
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES)], |[x], tape| ops::dropout(x.on(tape), 0.2, 3))
    });
}

#[test]
fn nonlinear() {
    for kind in Nonlinearity::ALL {
        assert_same_on_any_threads(|| {
            computed(&[input(1, TOKENS, FEATURES).map(|x| 4.0 * x)], |[x], tape| ops::nonlinear(x.on(tape), kind))
        });
    }
}

#[test]
fn gated() {
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES), input(2, TOKENS, FEATURES)], |[a, b], tape| {
            ops::gated(a.on(tape), b.on(tape), Nonlinearity::Silu)
        })
    });
}

#[test]
fn rms_norm() {
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES), input(2, 1, FEATURES)], |[x, w], tape| {
            ops::rms_norm(x.on(tape), w, 1e-5)
        })
    });
}

#[test]
fn rotary() {
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES)], |[x], tape| {
            ops::rotary(x.on(tape), &offsets(&[150, 0, 33, 150]), 6, 10_000.0, 7)
        })
    });
}

#[test]
fn layer_norm() {
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES), input(2, 1, FEATURES), input(3, 1, FEATURES)], |[x, w, b], tape| {
            ops::layer_norm(x.on(tape), w, Some(b), 1e-5)
        })
    });
}

#[test]
fn linear() {
    for outputs in [1, 31, 528] {
        assert_same_on_any_threads(|| {
            computed(
                &[input(1, TOKENS, FEATURES), input(2, outputs, FEATURES), input(3, 1, outputs)],
                |[x, w, b], tape| ops::linear(x.on(tape), w, Some(b)),
            )
        });
    }
}

#[test]
fn sparse_linear() {
    let outputs = 150;
    let support: Vec<u32> = (0..(outputs * FEATURES) as u32).filter(|place| place % 7 == 3).collect();
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES), input(2, 1, support.len())], |[x, s], tape| {
            ops::sparse_linear(x.on(tape), s, &support, outputs)
        })
    });
}

#[test]
fn linear_each() {
    // Together, and one after the other.
    for outputs in [19, 200] {
        let weights = [2, 3].map(|seed| input(seed, outputs, FEATURES));
        assert_same_on_any_threads(|| {
            computed(&[input(1, TOKENS, FEATURES), weights[0].clone(), weights[1].clone()], |[x, a, b], tape| {
                ops::linear_each(x.on(tape), &[a, b]).into_iter().reduce(ops::add).unwrap()
            })
        });
    }
}

#[test]
fn nonlinear_linear() {
    for (outputs, kind) in [(31, Nonlinearity::GeluTanh), (528, Nonlinearity::Gelu)] {
        assert_same_on_any_threads(|| {
            computed(
                &[input(1, TOKENS, FEATURES), input(2, 1, FEATURES), input(3, outputs, FEATURES)],
                |[x, b, w], tape| ops::nonlinear_linear(x.on(tape), Some(b), w, kind),
            )
        });
    }
}

#[test]
fn add_with_bias() {
    assert_same_on_any_threads(|| {
        computed(&[input(1, TOKENS, FEATURES), input(2, TOKENS, FEATURES), input(3, 1, FEATURES)], |[a, b, c], tape| {
            ops::add_with_bias(a.on(tape), b.on(tape), Some(c))
        })
    });
}

#[test]
fn embedding() {
    let tokens = indices(1, TOKENS, 50);
    assert_same_on_any_threads(|| {
        computed(&[input(1, 50, FEATURES), input(2, 200, FEATURES)], |[e, p], tape| {
            ops::embedding(&tokens, &offsets(&[150, 0, 33, 150]), e, Some(p), 0, tape)
        })
    });
}

#[test]
fn attention() {
    for (window, key_value_heads) in [(None, 4), (Some(40), 4), (None, 2)] {
        assert_same_on_any_threads(|| {
            let (offsets, plain) = (offsets(&[150, 0, 33, 1, 149]), AttentionShape::new(4));
            let shape = AttentionShape { window, key_value_heads, ..plain };
            let width = FEATURES / 4 * key_value_heads;
            let inputs = [(1, FEATURES), (2, width), (3, width)].map(|(seed, width)| input(seed, TOKENS, width));
            computed(&inputs, |[q, k, v], tape| ops::attention(q.on(tape), k.on(tape), v.on(tape), &offsets, &shape))
        });
    }
}

#[test]
fn head_cross_entropy() {
    // The second vocabulary is long enough to be multiplied in pieces.
    for vocabulary in [1501, 4501] {
        let targets = indices(1, TOKENS, vocabulary);
        assert_same_on_any_threads(|| {
            computed_loss(&[input(1, TOKENS, FEATURES), input(2, vocabulary, FEATURES)], |[x, e], tape| {
                ops::head_cross_entropy(x.on(tape), e, &targets)
            })
        });
    }
}

#[test]
fn head_logits() {
    assert_same_on_any_threads(|| {
        let [x, e] = [input(1, TOKENS, FEATURES), input(2, 1501, FEATURES)].map(|x| x.parameter());
        let logits = ops::head_logits(x.value(), &e);
        assert_eq!(dims(&logits), (TOKENS, 1501));
        Outcome { value: values(&logits).to_vec(), gradients: vec![] }
    });
}

#[test]
fn products() {
    // Long and thin, wide and flat, large: each may be cut up in another way.
    for (m, k, n) in
        [(1000, 7, 1000), (7, 5000, 9), (3, 400, 2000), (2000, 400, 3), (400, 400, 400), (5000, 30, 40), (40, 30, 5000)]
    {
        assert_same_on_any_threads(|| {
            let [a, b, mut c] = [input(1, m, k), input(2, k, n), input(3, m, n)].map(|x| x.values);
            matmul(
                MatMut::new(&mut c, m, n),
                true,
                MatRef::new(&a, m, k),
                MatRef::new(&b, k, n),
                Precision::F32,
                Threads::All,
            );
            Outcome { value: c, gradients: vec![] }
        });
    }
}

#[test]
fn adamw_and_squared_norm() {
    assert_same_on_any_threads(|| {
        let (rows, columns) = (5, 30_001);
        let mut parameter = input(1, rows, columns).parameter();
        parameter.gradient().copy_from_slice(&input(2, rows, columns).values);
        let norm = adamw::squared_norm(&parameter).to_bits();
        let [mut first, mut second] = [3, 4].map(|seed| input(seed, rows, columns).map(f32::abs).values);
        let step = adamw::Step {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.1,
            step: 3,
            gradient_scale: 0.7,
        };
        adamw::update(&mut parameter, &mut first, &mut second, &step);
        let norm = [norm as u32, (norm >> 32) as u32].map(f32::from_bits).to_vec();
        Outcome { value: parameter.values().to_vec(), gradients: vec![first, second, norm] }
    });
}

/// Weights and momentum after an update of a parameter of several blocks.
fn updated(rows: usize, columns: usize, update: impl Fn(&mut Parameter, &mut [f32])) -> Outcome<f32> {
    let mut parameter = input(1, rows, columns).parameter();
    parameter.gradient().copy_from_slice(&input(2, rows, columns).values);
    let mut momentum = input(3, rows, columns).values;
    update(&mut parameter, &mut momentum);
    Outcome { value: parameter.values().to_vec(), gradients: vec![momentum] }
}

#[test]
fn sgd() {
    let step = sgd::Step { learning_rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.1, gradient_scale: 0.7 };
    assert_same_on_any_threads(|| updated(5, 30_001, |parameter, momentum| sgd::update(parameter, momentum, &step)));
}

#[test]
fn muon() {
    let step = muon::Step {
        learning_rate: 0.1,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 0.1,
        iterations: 5,
        epsilon: 1e-7,
        size: muon::UpdateSize::Original,
        gradient_scale: 0.7,
    };
    for (rows, columns) in [(200, 300), (700, 130), (33, 2000)] {
        assert_same_on_any_threads(|| {
            updated(rows, columns, |parameter, momentum| muon::update(parameter, momentum, &step))
        });
    }
}
