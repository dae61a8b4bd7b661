//! The operations of the training path at the sizes of the seed's baseline, and the fraction of this machine's limit
//! that each reaches.
//!
//! `cargo bench -p lrx-operations-bench [-- FILTER]`

mod measurement;

use std::collections::BTreeMap;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lrx_layers::{Builder, LinearShape, Parameters, Pass, Progress, Registry};
use lrx_tensor::allocator::{Allocator, KeepFreedMemory};
use lrx_tensor::ops::{AttentionShape, Nonlinearity};
use lrx_tensor::{
    Activation, MatMut, MatRef, Matrix, Offsets, Parameter, Precision, Scalar, Tape, Threads, activation, adamw, dims,
    matmul, matrix, muon, ops, sgd,
};
use measurement::OfLimit;

/// What `lrx` itself uses.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

type Bench = Criterion<OfLimit>;

/// Four stories of 256 tokens.
const TOKENS: usize = 1024;
const STORY: usize = 256;
const HIDDEN: usize = 384;
const INNER: usize = 1536;
const HEADS: usize = 16;
const VOCABULARY: usize = 50_257;

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(OfLimit::measured()).sample_size(20)
        .measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = products, linear_layers, kinds, attention, elementwise, head, optimizer
}
criterion_main!(benches);

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 1000) as f32 * 1e-3 - 0.5).collect()
}

fn random(rows: usize, columns: usize) -> Matrix {
    matrix(numbers(rows * columns), rows, columns)
}

fn parameter(rows: usize, columns: usize) -> Parameter {
    Parameter::new(random(rows, columns))
}

fn offsets() -> Offsets {
    (0..=TOKENS).step_by(STORY).collect()
}

/// c = a · b, (c += aᵀ · b for gradients), as the training path multiplies.
fn products(bench: &mut Bench) {
    let shapes = [
        ("square 1024", 1024, 1024, 1024),
        ("x·Wᵀ of q", TOKENS, HIDDEN, HIDDEN),
        ("x·Wᵀ of c_fc", TOKENS, INNER, HIDDEN),
        ("x·Wᵀ of c_proj", TOKENS, HIDDEN, INNER),
        ("x·Aᵀ, rank 31", TOKENS, 31, HIDDEN),
        ("x·Bᵀ, rank 31", TOKENS, INNER, 31),
        ("logits of 512 tokens", 512, VOCABULARY, HIDDEN),
    ];
    for precision in [Precision::F32, Precision::Bf16] {
        let mut group = bench.benchmark_group(format!("product, {}", precision.name()));
        for (name, m, n, k) in shapes {
            let (a, b, mut c) = (numbers(m * k), numbers(n * k), numbers(m * n));
            group.throughput(Throughput::Elements((2 * m * n * k) as u64));
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let (a, b) = (MatRef::new(&a, m, k), MatRef::new(&b, n, k).t());
                    matmul(MatMut::new(&mut c, m, n), false, a, b, precision, Threads::All);
                });
            });
        }
        group.finish();
    }
}

/// Times the forward and the backward pass of an operation. `work`: of the forward pass; the backward pass has
/// `backward` times as much.
fn passes(
    bench: &mut Bench,
    name: &str,
    work: &dyn Fn(u64) -> Throughput,
    (forward, backward): (usize, usize),
    operation: &dyn Fn(&Tape) -> Activation,
) {
    let _keep = KeepFreedMemory::new();
    let mut group = bench.benchmark_group(name);
    for (pass, amount) in [("forward", forward), ("backward", backward)] {
        group.throughput(work(amount as u64));
        group.bench_function(pass, |bencher| {
            bencher.iter_custom(|times| {
                let one = |_| {
                    let mut tape = Tape::recording().timed();
                    tape.begin("operation");
                    let y = operation(&tape);
                    tape.begin("loss");
                    Tape::backward(sum(y));
                    let timings = tape.timings().expect("a timed tape");
                    let side = if pass == "forward" { timings.forward } else { timings.backward };
                    side.iter().find(|(phase, _)| *phase == "operation").expect("a phase that was begun").1
                };
                (0..times).map(one).sum()
            });
        });
    }
    group.finish();
}

/// Σ y, whose gradient is 1 everywhere.
fn sum(y: Activation) -> Scalar {
    let (rows, columns) = dims(&y);
    ops::weighted_sum(y, &matrix(vec![1.0; rows * columns], rows, columns))
}

fn linear_layers(bench: &mut Bench) {
    for (name, inputs, outputs) in [("q", HIDDEN, HIDDEN), ("c_fc", HIDDEN, INNER), ("c_proj", INNER, HIDDEN)] {
        let (x, weight, bias) = (random(TOKENS, inputs), parameter(outputs, inputs), parameter(1, outputs));
        let work = 2 * TOKENS * inputs * outputs;
        passes(bench, &format!("linear {name}"), &Throughput::Elements, (work, 2 * work), &|tape| {
            ops::linear(activation(x.clone(), tape), &weight, Some(&bias))
        });
    }
    for rank in [31, 307] {
        let (x, a, b) = (random(TOKENS, HIDDEN), parameter(rank, HIDDEN), parameter(INNER, rank));
        let work = 2 * TOKENS * rank * (HIDDEN + INNER);
        passes(bench, &format!("low-rank c_fc, rank {rank}"), &Throughput::Elements, (work, 2 * work), &|tape| {
            ops::linear(ops::linear(activation(x.clone(), tape), &a, None), &b, None)
        });
    }
    for rank in [19, 192] {
        let (x, weights) = (random(TOKENS, HIDDEN), [(); 3].map(|()| parameter(rank, HIDDEN)));
        let work = 2 * TOKENS * 3 * rank * HIDDEN;
        passes(
            bench,
            &format!("first matrices of q, k, v, rank {rank}"),
            &Throughput::Elements,
            (work, 2 * work),
            &|tape| {
                let ys = ops::linear_each(activation(x.clone(), tape), &weights.each_ref());
                ys.into_iter().reduce(ops::add).expect("three")
            },
        );
    }
    for (name, outputs) in [("c_proj", HIDDEN), ("the first of c_proj, rank 31", 31)] {
        let (x, bias, weight) = (random(TOKENS, INNER), parameter(1, INNER), parameter(outputs, INNER));
        let work = 2 * TOKENS * INNER * outputs;
        for kind in [Nonlinearity::GeluTanh, Nonlinearity::Gelu] {
            passes(bench, &format!("{kind} and {name}"), &Throughput::Elements, (work, 2 * work), &|tape| {
                ops::nonlinear_linear(activation(x.clone(), tape), Some(&bias), &weight, kind)
            });
        }
    }
    for (share, every) in [("1 in 32", 32), ("1 in 8", 8)] {
        let support: Vec<u32> = (0..(HIDDEN * INNER) as u32).filter(|place| place * 7919 % every == 0).collect();
        let (x, nonzeros) = (random(TOKENS, HIDDEN), parameter(1, support.len()));
        let work = 2 * TOKENS * support.len();
        passes(bench, &format!("sparse c_fc, {share}"), &Throughput::Elements, (work, 2 * work), &|tape| {
            ops::sparse_linear(activation(x.clone(), tape), &nonzeros, &support, INNER)
        });
    }
}

/// Every linear kind that lrx brings, in the place of c_fc (of q, where it stands in square matrices only), at three tenths
/// of the dense matrix's numbers as near as its sizes allow; and the dense one.
fn kinds(bench: &mut Bench) {
    let registry = Registry::builtin();
    for (about, _) in registry.iter().filter(|(_, place)| place.is_none()) {
        let budget = if about.name == "dense" { "" } else { "budget = 0.3" };
        let spec = |(inputs, outputs)| {
            let shape = LinearShape { inputs, outputs, bias: false };
            registry.linear(about.name, budget.parse().expect("TOML"), shape)
        };
        let spec = spec((HIDDEN, INNER)).or_else(|_| spec((HIDDEN, HIDDEN))).expect("a shape that the kind takes");
        let (mut parameters, mut shared) = (Parameters::new(), BTreeMap::new());
        let layer = spec.build("c_fc", &mut Builder::new(&mut parameters, &mut shared, 0));
        let (x, offsets) = (random(TOKENS, HIDDEN), offsets());
        let pass = Pass::new(&parameters, &offsets, Progress { step: 0, steps: 10 });
        let work = TOKENS * spec.cost.flops;
        let name = format!(
            "{} {}, {:.2} of dense",
            about.name,
            spec.shape,
            spec.cost.flops as f64 / (2 * spec.shape.inputs * spec.shape.outputs) as f64
        );
        passes(bench, &name, &Throughput::Elements, (work, 2 * work), &|tape| {
            layer.linear().forward(&pass, activation(x.clone(), tape))
        });
    }
}

fn attention(bench: &mut Bench) {
    let plain = AttentionShape::new(HEADS);
    for (name, story, shape) in [
        ("", STORY, plain),
        (" in a window of 64", STORY, AttentionShape { window: Some(64), ..plain }),
        (", stories of 1,024", TOKENS, plain),
        (", 4 heads of keys and values", STORY, AttentionShape { key_value_heads: 4, scale: 0.2, ..plain }),
    ] {
        let q = random(TOKENS, HIDDEN);
        let [k, v] = [(); 2].map(|()| random(TOKENS, HIDDEN / HEADS * shape.key_value_heads));
        let offsets: Offsets = (0..=TOKENS).step_by(story).collect();
        let pairs: usize = (1..=story).map(|i| i.min(shape.window.unwrap_or(story))).sum::<usize>() * TOKENS / story;
        let work = 4 * HIDDEN * pairs;
        passes(bench, &format!("attention{name}"), &Throughput::Elements, (work, 2 * work), &|tape| {
            let [q, k, v] = [&q, &k, &v].map(|x| activation(x.clone(), tape));
            ops::attention(q, k, v, &offsets, &shape)
        });
    }
}

/// Operations that pass over memory: bytes are those of inputs, outputs and their gradients, each once.
fn elementwise(bench: &mut Bench) {
    let bytes = |columns: usize| TOKENS * columns * size_of::<f32>();
    let (x, wide) = (random(TOKENS, HIDDEN), random(TOKENS, INNER));
    let (weight, bias) = (parameter(1, HIDDEN), parameter(1, HIDDEN));
    let work = bytes(HIDDEN);
    passes(bench, "layer_norm", &Throughput::Bytes, (2 * work, 3 * work), &|tape| {
        ops::layer_norm(activation(x.clone(), tape), &weight, Some(&bias), 1e-5)
    });
    passes(bench, "rms_norm", &Throughput::Bytes, (2 * work, 3 * work), &|tape| {
        ops::rms_norm(activation(x.clone(), tape), &weight, 1e-5)
    });
    let other = random(TOKENS, HIDDEN);
    passes(bench, "multiply", &Throughput::Bytes, (3 * work, 5 * work), &|tape| {
        ops::multiply(activation(x.clone(), tape), activation(other.clone(), tape))
    });
    passes(bench, "scale", &Throughput::Bytes, (2 * work, 2 * work), &|tape| {
        ops::scale(activation(x.clone(), tape), 0.5)
    });
    passes(bench, "dropout", &Throughput::Bytes, (2 * work, 2 * work), &|tape| {
        ops::dropout(activation(x.clone(), tape), 0.1, 1)
    });
    let stories = offsets();
    passes(bench, "rotary", &Throughput::Bytes, (2 * work, 2 * work), &|tape| {
        ops::rotary(activation(x.clone(), tape), &stories, HEADS, 10_000.0, 0)
    });
    passes(bench, "add", &Throughput::Bytes, (3 * work, 3 * work), &|tape| {
        ops::add(activation(x.clone(), tape), activation(other.clone(), tape))
    });
    passes(bench, "add with bias", &Throughput::Bytes, (3 * work, 4 * work), &|tape| {
        ops::add_with_bias(activation(x.clone(), tape), activation(other.clone(), tape), Some(&bias))
    });
    passes(bench, "scale_columns", &Throughput::Bytes, (2 * work, 3 * work), &|tape| {
        ops::scale_columns(activation(x.clone(), tape), &weight)
    });
    let work = bytes(INNER);
    for kind in Nonlinearity::ALL {
        passes(bench, kind.name(), &Throughput::Bytes, (2 * work, 3 * work), &|tape| {
            ops::nonlinear(activation(wide.clone(), tape), kind)
        });
    }
    let gate = random(TOKENS, INNER);
    passes(bench, "silu gate", &Throughput::Bytes, (3 * work, 5 * work), &|tape| {
        ops::gated(activation(gate.clone(), tape), activation(wide.clone(), tape), Nonlinearity::Silu)
    });
    let (tokens, positions) = (parameter(VOCABULARY, HIDDEN), parameter(STORY, HIDDEN));
    let ids: Vec<u32> = (0..TOKENS).map(|i| (i * 7919 % VOCABULARY) as u32).collect();
    let work = bytes(HIDDEN);
    passes(bench, "embedding", &Throughput::Bytes, (3 * work, 5 * work), &|tape| {
        ops::embedding(&ids, &stories, &tokens, Some(&positions), 0, tape)
    });
}

/// Forward and backward pass in one.
fn head(bench: &mut Bench) {
    let _keep = KeepFreedMemory::new();
    let targets: Vec<u32> = (0..TOKENS).map(|i| (i * 7919 % VOCABULARY) as u32).collect();
    let (x, embedding) = (random(TOKENS, HIDDEN), parameter(VOCABULARY, HIDDEN));
    let mut group = bench.benchmark_group("head and cross-entropy");
    group.sample_size(10);
    for (name, products) in [("loss and gradients", 3), ("loss alone", 1)] {
        group.throughput(Throughput::Elements((2 * products * TOKENS * HIDDEN * VOCABULARY) as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let tape = if products == 3 { Tape::recording() } else { Tape::silent() };
                ops::head_cross_entropy(activation(x.clone(), &tape), &embedding, &targets)
            });
        });
    }
    group.finish();
}

/// Per number: weight and moments read and written, the gradient read (and set to zero).
fn optimizer(bench: &mut Bench) {
    let mut weights = parameter(VOCABULARY, HIDDEN);
    let (mut first, mut second) = (vec![0.0; VOCABULARY * HIDDEN], vec![0.0; VOCABULARY * HIDDEN]);
    let bytes = (VOCABULARY * HIDDEN * size_of::<f32>()) as u64;
    let mut group = bench.benchmark_group("optimizer");
    group.throughput(Throughput::Bytes(8 * bytes));
    let step = adamw::Step {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        step: 1,
        gradient_scale: 1.0,
    };
    group.bench_function("adamw", |bencher| {
        bencher.iter(|| adamw::update(&mut weights, &mut first, &mut second, &step));
    });
    group.throughput(Throughput::Bytes(6 * bytes));
    let step = sgd::Step { learning_rate: 0.1, momentum: 0.9, nesterov: false, weight_decay: 0.0, gradient_scale: 1.0 };
    group.bench_function("sgd", |bencher| bencher.iter(|| sgd::update(&mut weights, &mut first, &step)));
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("gradient norm", |bencher| bencher.iter(|| adamw::squared_norm(&weights)));
    // Five iterations, each three products: X Xᵀ, the square of that, and X with both.
    let (mut weights, mut momentum) = (parameter(INNER, HIDDEN), vec![0.0; INNER * HIDDEN]);
    group.throughput(Throughput::Elements((5 * 2 * HIDDEN * HIDDEN * (2 * INNER + HIDDEN)) as u64));
    let step = muon::Step {
        learning_rate: 0.02,
        momentum: 0.95,
        nesterov: true,
        weight_decay: 0.0,
        iterations: 5,
        epsilon: 1e-7,
        size: muon::UpdateSize::Original,
        gradient_scale: 1.0,
    };
    group.bench_function("muon, c_fc", |bencher| {
        bencher.iter(|| muon::update(&mut weights, &mut momentum, &step));
    });
    group.finish();
}
