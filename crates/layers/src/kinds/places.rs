//! A low-rank product plus numbers at fixed places, in the place of a dense matrix.

use lrx_tensor::{Matrix, dims, matrix, values};

use crate::approximate::factors;

/// The iteration ends when the squared error falls by less than this part of the matrix's own ...
const ENOUGH: f64 = 1e-6;
/// ... and in any case after so many decompositions.
const MOST_ROUNDS: usize = 40;

/// A (rank × columns), B (rows × rank) and S (a row: the numbers at `places`) for which B A + S is near to `dense`: in turns, S
/// takes what B A leaves at its places, and B A is the best approximation of what S leaves, so that the error only falls.
pub(super) fn low_rank_and_places(dense: &Matrix, rank: usize, places: &[usize]) -> (Matrix, Matrix, Matrix) {
    let (rows, columns) = dims(dense);
    let whole: f64 = values(dense).iter().map(|w| f64::from(*w).powi(2)).sum();
    let mut sparse = vec![0.0; places.len()];
    let mut before = f64::INFINITY;
    for round in 1.. {
        let mut left = values(dense).to_vec();
        places.iter().zip(&sparse).for_each(|(place, s)| left[*place] -= s);
        let (down, up) = factors(&left, rows, columns, rank);
        let (down, up) = (matrix(down, rank, columns), matrix(up, rows, rank));
        let product = up.product(&down);
        sparse = places.iter().map(|&place| values(dense)[place] - values(&product)[place]).collect();
        let mut error: Vec<f32> = values(dense).iter().zip(values(&product)).map(|(w, p)| w - p).collect();
        places.iter().for_each(|&place| error[place] = 0.0);
        let error: f64 = error.iter().map(|e| f64::from(*e).powi(2)).sum();
        if before - error <= ENOUGH * whole || round == MOST_ROUNDS {
            let count = sparse.len();
            return (down, up, matrix(sparse, 1, count));
        }
        before = error;
    }
    unreachable!("the last round returns")
}
