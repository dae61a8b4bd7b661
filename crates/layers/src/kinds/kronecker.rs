//! A Kronecker product.

use std::num::NonZeroUsize;

use lrx_tensor::{Activation, Matrix, dims, matrix, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::divide::{checked_parts, divisors, near_root, sizes};
use crate::approximate::factors;
use crate::rules::init::structure_aware;
use crate::{
    About, Linear, LinearKind, LinearShape, OptionError, ParameterId, Parameters, Pass, Plan, Progress, Values,
};

/// `y = (P ⊗ Q) x + b`
pub struct Kronecker;

/// The options of `kronecker`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KroneckerOptions {
    /// m₁, the inputs of P, which divides the inputs m = m₁ · m₂; the divisor nearest to √m unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_split: Option<NonZeroUsize>,
    /// n₁, the outputs of P, which divides the outputs n = n₁ · n₂; the divisor nearest to √n unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_split: Option<NonZeroUsize>,
}

struct KroneckerLayer {
    /// n₁ × m₁
    p: ParameterId,
    /// n₂ × m₂
    q: ParameterId,
    bias: Option<ParameterId>,
}

impl LinearKind for Kronecker {
    type Options = KroneckerOptions;

    fn about(&self) -> About {
        About {
            name: "kronecker",
            version: 1,
            summary: "the Kronecker product of two small matrices",
            description: "y = (P ⊗ Q) x + b, P: n₁ × m₁, Q: n₂ × m₂ with m₁ m₂ inputs and n₁ n₂ outputs: x as a matrix X of m₁ × m₂ \
                becomes P X Qᵀ. Parameters: n₁ m₁ + n₂ m₂; floating-point operations a token: 2 m₁ n₂ (m₂ + n₁).\n\
                Each factor starts from N(0, s²), s = √(1/d_in) · min(1, √(d_out/d_in)) of its own sizes (Qiu et al., \"Compute \
                Better Spent\", ICML 2024).",
            example: "",
        }
    }

    fn settle(&self, options: &mut KroneckerOptions, shape: &LinearShape) {
        options.input_split.get_or_insert_with(|| near_root(shape.inputs));
        options.output_split.get_or_insert_with(|| near_root(shape.outputs));
    }

    fn layer(
        &self,
        options: &KroneckerOptions,
        shape: &LinearShape,
        plan: &mut Plan,
    ) -> Result<Box<dyn Linear>, OptionError> {
        let part = |key: &str, split: Option<NonZeroUsize>, of: usize, what: &str| {
            checked_parts(key, split.unwrap_or_else(|| near_root(of)), &[(of, what)])
        };
        let m1 = part("input_split", options.input_split, shape.inputs, "inputs")?;
        let n1 = part("output_split", options.output_split, shape.outputs, "outputs")?;
        let (m2, n2) = (shape.inputs / m1, shape.outputs / n1);
        let q = plan.matrix("q.weight", n2, m2);
        plan.starting(q, structure_aware(n2, m2));
        let p = plan.matrix("p.weight", n1, m1);
        plan.starting(p, structure_aware(n1, m1));
        plan.product(&[q, p], 1.0);
        plan.flops(2 * m1 * n2 * (m2 + n1));
        Ok(Box::new(KroneckerLayer { p, q, bias: plan.bias(shape) }))
    }

    fn sizes(&self, shape: &LinearShape) -> Vec<Table> {
        let (inputs, outputs) = (divisors(shape.inputs), divisors(shape.outputs));
        let mut splits: Vec<(usize, usize)> =
            inputs.iter().flat_map(|m1| outputs.iter().map(move |n1| (*m1, *n1))).collect();
        // Of equally large ones that whose factors are most nearly square comes first.
        splits.sort_by_key(|(m1, n1)| (m1.max(n1) / m1.min(n1), *m1));
        splits.into_iter().map(|(m1, n1)| sizes([("input_split", m1), ("output_split", n1)])).collect()
    }
}

impl Linear for KroneckerLayer {
    fn forward(&self, pass: &Pass<'_>, x: Activation) -> Activation {
        let (p, q) = (&pass[self.p], &pass[self.q]);
        let ((_, m1), (n2, m2)) = (p.dims(), q.dims());
        let x = ops::linear(ops::regroup(x, m2), q, None); // (tokens · m₁) × n₂
        ops::left_linear(ops::regroup(x, m1 * n2), p, self.bias.map(|bias| &pass[bias]), n2)
    }

    fn dense_equivalent(&self, parameters: &Parameters, _: Progress) -> Option<Matrix> {
        let (p, q) = (parameters[self.p].value(), parameters[self.q].value());
        let ((n1, m1), (n2, m2)) = (dims(p), dims(q));
        let rows = (0..n1 * n2).flat_map(|i| (0..m1 * m2).map(move |j| (i, j)));
        let whole = rows.map(|(i, j)| p[[i / n2, j / m2]] * q[[i % n2, j % m2]]).collect();
        Some(matrix(whole, n1 * n2, m1 * m2))
    }

    fn approximation(&self, dense: &Matrix, parameters: &Parameters) -> Option<Values> {
        // Number (i₁ n₂ + i₂, j₁ m₂ + j₂) of W goes to row (i₁, j₁) and column (i₂, j₂): there P ⊗ Q is a matrix of rank one
        // (Van Loan & Pitsianis 1993).
        let ((n1, m1), (n2, m2)) = (parameters[self.p].dims(), parameters[self.q].dims());
        let places = (0..n1 * m1).flat_map(|row| (0..n2 * m2).map(move |column| (row, column)));
        let number = |(row, column): (usize, usize)| dense[[row / m1 * n2 + column / m2, row % m1 * m2 + column % m2]];
        let regrouped: Vec<f32> = places.map(number).collect();
        let (q, p) = factors(&regrouped, n1 * m1, n2 * m2, 1);
        Some(vec![(self.q, matrix(q, n2, m2)), (self.p, matrix(p, n1, m1))])
    }
}
