//! Factors that keep lengths.

use std::sync::Arc;

use faer::Mat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check_scale;
use crate::rules::{InitRule, Target};
use crate::{About, Builder, Declared, OptionError, Start};

/// Orthogonal rows or columns, times a gain.
pub struct Orthogonal;

/// The options of `orthogonal`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrthogonalOptions {
    /// Every singular value of the factor.
    #[serde(default = "one")]
    pub gain: f32,
}

fn one() -> f32 {
    1.0
}

impl InitRule for Orthogonal {
    type Options = OrthogonalOptions;

    fn about(&self) -> About {
        About {
            name: "orthogonal",
            version: 1,
            summary: "each factor a random matrix with orthogonal rows or columns",
            description: "Q of a QR decomposition of a matrix from N(0, 1), with the signs of R's diagonal, so that it is evenly \
                distributed; its rows (or columns, whichever are fewer) are orthogonal and of length `gain`.\n\
                Source: Saxe, McClelland & Ganguli, \"Exact solutions to the nonlinear dynamics of learning in deep linear \
                neural networks\", ICLR 2014.",
            example: "gain = 0.5",
        }
    }

    fn starts(&self, options: &OrthogonalOptions, target: &Target<'_>) -> Result<Vec<(usize, Start)>, OptionError> {
        check_scale("gain", options.gain)?;
        let start = |(i, rows, columns)| {
            let declared: &Declared = &target.declared[i];
            (i, orthogonal_blocks(&declared.name, declared.blocks, rows, columns, options.gain))
        };
        Ok(target.factors().map(start).collect())
    }
}

/// The start of a parameter with so many blocks of `rows × columns`, each with orthogonal rows or columns.
pub(crate) fn orthogonal_blocks(name: &str, blocks: usize, rows: usize, columns: usize, gain: f32) -> Start {
    let (name, gain) = (name.to_string(), f64::from(gain));
    Start::From(Arc::new(move |builder: &Builder<'_>| {
        let normal = builder.normal(&name, blocks * rows * columns, 1.0);
        let blocks = normal.chunks_exact(rows * columns);
        blocks.flat_map(|block| orthogonal(block, rows, columns)).map(|q| (q * gain) as f32).collect()
    }))
}

/// Orthonormal columns, or rows where there are fewer, from a matrix of normal numbers.
fn orthogonal(normal: &[f32], rows: usize, columns: usize) -> Vec<f64> {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let at = |i: usize, j: usize| f64::from(normal[i * short + j]);
    let qr = Mat::from_fn(long, short, at).qr();
    let (q, r) = (qr.compute_thin_Q(), qr.thin_R().to_owned());
    let entry = |i: usize, j: usize| q[(i, j)] * r[(j, j)].signum();
    let transposed = rows < columns;
    let all = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    all.map(|(i, j)| if transposed { entry(j, i) } else { entry(i, j) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_or_columns_are_orthonormal() {
        for (rows, columns) in [(7, 4), (4, 7), (5, 5), (1, 6)] {
            let normal: Vec<f32> = (0..rows * columns).map(|i| (i as f32 * 1.3 + 0.2).sin()).collect();
            let q = orthogonal(&normal, rows, columns);
            let short = rows.min(columns);
            let vector = |s: usize| -> Vec<f64> {
                (0..rows.max(columns))
                    .map(|l| if rows < columns { q[s * columns + l] } else { q[l * columns + s] })
                    .collect()
            };
            for s in 0..short {
                for t in 0..short {
                    let product: f64 = vector(s).iter().zip(vector(t)).map(|(a, b)| a * b).sum();
                    let should = f64::from(u8::from(s == t));
                    assert!((product - should).abs() < 1e-12, "{rows} × {columns}: {s} · {t} = {product}");
                }
            }
        }
    }

    /// QR is unique where R's diagonal is positive: of one column, Q is that column at length 1.
    #[test]
    fn signs_are_those_of_the_random_matrix() {
        let column = [-3.0_f32, 0.0, 4.0];
        assert!(orthogonal(&column, 3, 1).iter().zip([-0.6, 0.0, 0.8]).all(|(is, should)| (is - should).abs() < 1e-12));
    }
}
