//! `muon` against its formula in f64, written without the crate's matrix products.

use lrx_tensor::muon::{Step, UpdateSize, orthogonalised, update, update_blocks};
use proptest::prelude::*;

use crate::common::{Input, TOLERANCE, assert_close, input};

/// rows × columns in f64.
#[derive(Clone)]
struct Exact(Vec<Vec<f64>>);

impl Exact {
    fn of(numbers: &[f64], columns: usize) -> Self {
        Self(numbers.chunks_exact(columns).map(<[f64]>::to_vec).collect())
    }

    fn flat(&self) -> Vec<f64> {
        self.0.concat()
    }

    fn t(&self) -> Self {
        Self((0..self.0[0].len()).map(|j| self.0.iter().map(|row| row[j]).collect()).collect())
    }

    fn times(&self, other: &Self) -> Self {
        let columns = other.t();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
        Self(self.0.iter().map(|a| columns.0.iter().map(|b| dot(a, b)).collect()).collect())
    }

    fn combined(&self, a: f64, other: &Self, b: f64) -> Self {
        let rows = self.0.iter().zip(&other.0);
        Self(rows.map(|(x, y)| x.iter().zip(y).map(|(x, y)| a * x + b * y).collect()).collect())
    }

    /// As the blog post of Jordan et al. has it: transposed when there are more rows than columns.
    fn orthogonalised(&self, iterations: usize, epsilon: f64) -> Self {
        let upright = self.0.len() > self.0[0].len();
        let mut x = if upright { self.t() } else { self.clone() };
        let norm = x.flat().iter().map(|x| x * x).sum::<f64>().sqrt();
        x.0.iter_mut().flatten().for_each(|x| *x /= norm.max(epsilon));
        for _ in 0..iterations {
            let gram = x.times(&x.t());
            let factor = gram.combined(-4.7750, &gram.times(&gram), 2.0315);
            x = x.combined(3.4445, &factor.times(&x), 1.0);
        }
        if upright { x.t() } else { x }
    }
}

fn exact(input: &Input) -> Exact {
    Exact::of(&input.values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), input.columns)
}

/// A small singular value grows by 3.4445⁵ = 485 in five iterations, and with it the rounding error of the matrix.
const MAGNIFIED: f64 = 30.0 * TOLERANCE;

fn sizes() -> impl Strategy<Value = (usize, usize)> {
    (prop_oneof![1..6usize, 15..34usize], prop_oneof![1..6usize, 15..34usize])
}

proptest! {
    #[test]
    fn orthogonal((rows, columns) in sizes(), iterations in 0..7usize, size in 1e-4f32..1e3, seed: u64) {
        let matrix = input(seed, rows, columns).map(|x| size * x);
        let is = orthogonalised(&matrix.values, rows, columns, iterations, 1e-7);
        let should = exact(&matrix).orthogonalised(iterations, 1e-7).flat();
        assert_close("orthogonal matrix", &is, &should, MAGNIFIED);
    }

    #[test]
    fn steps(
        (rows, columns) in sizes(),
        learning_rate in 1e-3f32..0.1,
        momentum in prop_oneof![Just(0.0f32), Just(0.95), 0.5f32..0.99],
        nesterov: bool,
        weight_decay in prop_oneof![Just(0.0f32), 0.0f32..1.0],
        size in prop_oneof![Just(UpdateSize::Original), Just(UpdateSize::MatchRmsAdamw)],
        gradient_scale in prop_oneof![Just(1.0f32), 1e-3f32..2.0],
        seed: u64,
    ) {
        let step = Step {
            learning_rate,
            momentum,
            nesterov,
            weight_decay,
            iterations: 5,
            epsilon: 1e-7,
            size,
            gradient_scale,
        };
        let weight = input(seed, rows, columns);
        let mut parameter = weight.parameter();
        let (mut buffer, mut exact_buffer) = (vec![0.0; rows * columns], Exact::of(&vec![0.0; rows * columns], columns));
        let mut should = exact(&weight);
        let [rate, mu, decay, scale] = [learning_rate, momentum, weight_decay, gradient_scale].map(f64::from);
        for i in 0..3 {
            let gradient = input(seed ^ (i + 1), rows, columns);
            parameter.gradient().copy_from_slice(&gradient.values);
            update(&mut parameter, &mut buffer, &step);

            // PyTorch's: b.lerp_(g, 1 − μ), then g.lerp(b, μ), and the factors that its adjust_lr_fn gives.
            let g = exact(&gradient);
            exact_buffer = exact_buffer.combined(mu, &g, (1.0 - mu) * scale);
            let ahead = if nesterov { g.combined((1.0 - mu) * scale, &exact_buffer, mu) } else { exact_buffer.clone() };
            let size = match size {
                UpdateSize::Original => (rows as f64 / columns as f64).max(1.0).sqrt(),
                UpdateSize::MatchRmsAdamw => 0.2 * (rows.max(columns) as f64).sqrt(),
            };
            should = should.combined(1.0 - rate * decay, &ahead.orthogonalised(5, 1e-7), -rate * size);
            assert_close("weight", parameter.values(), &should.flat(), MAGNIFIED);
            assert_close("momentum", &buffer, &exact_buffer.flat(), TOLERANCE);
            assert!(parameter.gradient().iter().all(|&g| g == 0.0), "the gradient is set to zero");
        }
    }
}

#[test]
fn singular_values_come_near_to_one() {
    // Of a matrix that is diagonal in turned bases they are known: U diag(σ) Vᵀ with reflections U and V.
    let reflection = |seed: u64, n: usize| {
        let v: Vec<f64> = input(seed, 1, n).values.iter().map(|&x| f64::from(x)).collect();
        let squared: f64 = v.iter().map(|x| x * x).sum();
        let entry = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / squared;
        Exact((0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect())
    };
    let (rows, columns) = (12, 7);
    let (u, v) = (reflection(1, rows), reflection(2, columns));
    let sigma = |i: usize, j: usize| if i == j { [5.0, 3.0, 2.0, 1.0, 0.5, 0.2, 0.1][i] } else { 0.0 };
    let sigma = Exact((0..rows).map(|i| (0..columns).map(|j| sigma(i, j)).collect()).collect());
    let matrix: Vec<f32> = u.times(&sigma).times(&v.t()).flat().iter().map(|&x| x as f32).collect();
    let is = orthogonalised(&matrix, rows, columns, 5, 1e-7);
    let is = Exact::of(&is.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), columns);
    // Turned back it is diagonal again.
    for (i, row) in u.t().times(&is).times(&v).0.iter().enumerate() {
        for (j, x) in row.iter().enumerate() {
            let fits = if i == j { (0.68..1.2).contains(x) } else { x.abs() < 1e-4 };
            assert!(fits, "{x} at {i}, {j}");
        }
    }
}

#[test]
fn a_gradient_of_zero_leaves_only_the_decay() {
    let mut parameter = Input { rows: 2, columns: 1, values: vec![2.0, -4.0] }.parameter();
    let step = Step {
        learning_rate: 0.5,
        momentum: 0.95,
        nesterov: true,
        weight_decay: 0.5,
        iterations: 5,
        epsilon: 1e-7,
        size: UpdateSize::Original,
        gradient_scale: 1.0,
    };
    update(&mut parameter, &mut [0.0; 2], &step);
    assert_eq!(parameter.values(), [1.5, -3.0]);
}

/// Matrices under one another take the step that each takes by itself.
#[test]
fn matrices_under_one_another_are_made_orthogonal_each() {
    let (blocks, rows, columns) = (3, 5, 4);
    let step = Step {
        learning_rate: 0.1,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 0.01,
        iterations: 5,
        epsilon: 1e-7,
        size: UpdateSize::Original,
        gradient_scale: 0.7,
    };
    let (values, gradients) = (input(1, blocks * rows, columns), input(2, blocks * rows, columns).values);
    let mut whole = values.parameter();
    whole.gradient().copy_from_slice(&gradients);
    let mut momentum = vec![0.5; blocks * rows * columns];
    update_blocks(&mut whole, &mut momentum, blocks, &step);
    for (i, (values, gradients)) in
        values.values.chunks(rows * columns).zip(gradients.chunks(rows * columns)).enumerate()
    {
        let mut one = Input { rows, columns, values: values.to_vec() }.parameter();
        one.gradient().copy_from_slice(gradients);
        let mut own = vec![0.5; rows * columns];
        update(&mut one, &mut own, &step);
        let range = i * rows * columns..(i + 1) * rows * columns;
        assert_eq!((one.values(), &own[..]), (&whole.values()[range.clone()], &momentum[range]), "matrix {i}");
    }
}
